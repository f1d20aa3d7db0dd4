"""A lending library: ten related tables, comments in both languages, conventions, the same rows each time."""

import datetime
import random
import re
import sqlite3

TABLES = """
CREATE TABLE branches ( -- Branches of the library / 分馆
  id INTEGER PRIMARY KEY,
  name VARCHAR(40), -- branch name / 分馆名称
  city VARCHAR(40), -- city / 城市
  opened_on DATE, -- opening date / 开馆日期
  seats INTEGER -- number of seats / 座位数
);
CREATE TABLE staff ( -- Employees / 员工
  id INTEGER PRIMARY KEY,
  first_name VARCHAR(40), -- 名
  last_name VARCHAR(40), -- 姓
  job_title VARCHAR(40), -- job title / 职位
  salary INTEGER, -- monthly salary in euros / 月薪（欧元）
  hired_on DATE, -- hire date / 入职日期
  branch_id INTEGER REFERENCES branches (id), -- branch / 所属分馆
  manager_id INTEGER REFERENCES staff (id) -- manager / 直属上级
);
CREATE TABLE authors ( -- authors / 作者
  id INTEGER PRIMARY KEY,
  name VARCHAR(40), -- author name / 作者姓名
  country VARCHAR(40), -- country / 国家
  birth_year INTEGER -- year of birth / 出生年份
);
CREATE TABLE publishers ( -- publishers / 出版社
  id INTEGER PRIMARY KEY,
  name VARCHAR(40), -- name / 名称
  city VARCHAR(40) -- city / 所在城市
);
CREATE TABLE books ( -- books / 图书
  id INTEGER PRIMARY KEY,
  title VARCHAR(80), -- title / 书名
  isbn VARCHAR(20),
  publisher_id INTEGER REFERENCES publishers (id), -- publisher / 出版社
  lang VARCHAR(20), -- language / 语言
  pages INTEGER, -- number of pages / 页数
  pub_year INTEGER, -- publication year / 出版年份
  price INTEGER, -- price in cents / 价格（分）
  weight INTEGER, -- weight in grams / 重量（克）
  is_available INTEGER -- whether it is on the shelf: 1 = yes, 0 = no / 是否在架
);
CREATE TABLE book_authors ( -- 图书作者
  book_id INTEGER REFERENCES books (id),
  author_id INTEGER REFERENCES authors (id),
  PRIMARY KEY (book_id, author_id)
);
CREATE TABLE members ( -- members / 会员
  id INTEGER PRIMARY KEY,
  full_nm VARCHAR(40), -- full name / 姓名
  email VARCHAR(60), -- 邮箱
  city VARCHAR(40), -- home city / 城市
  gender VARCHAR(1), -- gender: M = male, F = female / 性别：M 男，F 女
  birth_date DATE, -- date of birth / 出生日期
  joined_at TIMESTAMP, -- when the member joined / 入会时间
  lvl VARCHAR(1), -- membership level: A = basic, B = silver, C = gold / 会员等级：A 普通，B 银卡，C 金卡
  deleted INTEGER -- soft delete: 1 = deleted / 软删除标志
);
CREATE TABLE loans ( -- loans / 借阅记录
  id INTEGER PRIMARY KEY,
  member_id INTEGER REFERENCES members (id), -- member / 会员
  book_id INTEGER REFERENCES books (id), -- book / 图书
  branch_id INTEGER REFERENCES branches (id), -- branch / 分馆
  loan_date DATE, -- date of the loan / 借出日期
  due_date DATE, -- due date / 应还日期
  return_date DATE, -- return date, empty while out / 归还日期
  status VARCHAR(1) -- status: O = open, R = returned, L = lost / 状态：O 借出，R 已归还，L 遗失
);
CREATE TABLE purchases ( -- purchases / 采购
  id INTEGER PRIMARY KEY,
  book_id INTEGER REFERENCES books (id), -- book / 图书
  quantity INTEGER, -- quantity / 数量
  unit_price INTEGER, -- price of one in cents / 单价（分）
  bought_on DATE -- purchase date / 采购日期
);
CREATE TABLE reviews ( -- reviews / 书评
  id INTEGER PRIMARY KEY,
  member_id INTEGER REFERENCES members (id), -- member / 会员
  book_id INTEGER REFERENCES books (id), -- book / 图书
  rating INTEGER, -- rating from 1 to 5 / 评分（1-5）
  created_at TIMESTAMP -- creation time / 发表时间
);
"""
_CITIES = ["Berlin", "Hamburg", "Munich", "Cologne", "Leipzig", "Dresden"]
_FIRST = re.findall(r"\w+", "Anna Ben Clara David Emma Felix Greta Hugo Ida Jonas Karla Leo Mia Nils Olga Paul")
_LAST = re.findall(r"\w+", "Adler Bauer Conrad Dietz Ebert Fuchs Graf Hahn Jung Keller Lang Maier Otto Peters")


def rows():
    """The rows of each table, parents first."""
    rng = random.Random(5)

    def day(first, last):
        start = datetime.date(first, 1, 1)
        return start + datetime.timedelta(days=rng.randrange((last - first) * 365))

    def some(count, make):
        return [make(number) for number in range(1, count + 1)]

    yield (
        "branches",
        [
            (n, name, _CITIES[n % 4], str(day(1980, 2015)), 40 * n + n * n)
            for n, name in enumerate(["Central", "Riverside", "Old Town", "Harbour", "University", "Westend"], 1)
        ],
    )
    yield (
        "staff",
        some(
            30,
            lambda n: (
                n,
                rng.choice(_FIRST),
                _LAST[n % 14],
                rng.choice(["Librarian", "Archivist", "Assistant"]),
                rng.randrange(25, 70) * 100,
                str(day(2005, 2024)),
                rng.randrange(1, 7),
                None if n == 1 else rng.randrange(1, min(n, 5)),
            ),
        ),
    )
    countries = ["Germany", "France", "Japan", "Brazil", "Kenya"]
    yield (
        "authors",
        some(
            40, lambda n: (n, f"{_FIRST[n % 16]} {_LAST[n * 5 % 14]}", rng.choice(countries), rng.randrange(1920, 1995))
        ),
    )
    houses = ["Blue Owl Press", "Northwind Books", "Sunrise House", "Lantern", "Old Oak", "Paper Boat", "Red Kite"]
    yield "publishers", [(n, name, [*_CITIES[2:4], "Vienna", "Zurich"][n * 3 % 4]) for n, name in enumerate(houses, 1)]
    adjectives, nouns = (
        ["Silent", "Hidden", "Golden", "Broken", "Last"],
        ["Garden", "River", "Letter", "City", "Mountain", "Song", "House"],
    )
    titles = [f"The {adjective} {noun}" for adjective in adjectives for noun in nouns]
    yield (
        "books",
        [
            (
                n,
                title,
                f"978-3-{n:05d}",
                rng.randrange(1, 8),
                rng.choice(["English", "German", "French"]),
                rng.randrange(80, 900),
                rng.randrange(1960, 2024),
                rng.randrange(400, 6000),
                rng.randrange(150, 1500),
                int(rng.random() < 0.7),
            )
            for n, title in enumerate(titles, 1)
        ],
    )
    yield (
        "book_authors",
        [
            (book, author)
            for book in range(1, len(titles) + 1)
            for author in rng.sample(range(1, 41), rng.choice([1, 1, 2]))
        ],
    )
    yield (
        "members",
        some(
            120,
            lambda n: (
                n,
                f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
                f"m{n}@{rng.choice(['mail.example', 'post.example'])}" if rng.random() < 0.9 else None,
                rng.choice(_CITIES),
                rng.choice("MF"),
                str(day(1940, 2010)),
                f"{day(2015, 2024)} {rng.randrange(8, 20):02d}:30:00",
                rng.choice("AABC"),
                int(rng.random() < 0.08),
            ),
        ),
    )

    def loan(number):
        out = day(2021, 2024)
        back = out + datetime.timedelta(days=rng.randrange(2, 50)) if rng.random() < 0.85 else None
        status = "R" if back else rng.choice("OL")
        due = str(out + datetime.timedelta(days=28))
        member, book = min(int(rng.expovariate(1 / 40)) + 1, 120), min(int(rng.expovariate(1 / 12)) + 1, len(titles))
        return (number, member, book, rng.randrange(1, 7), str(out), due, str(back) if back else None, status)

    yield "loans", some(600, loan)
    yield (
        "purchases",
        some(
            90,
            lambda n: (
                n,
                rng.randrange(1, len(titles) - 4),
                rng.randrange(1, 9),
                rng.randrange(3, 40) * 100,
                str(day(2020, 2024)),
            ),
        ),
    )
    yield (
        "reviews",
        some(
            200,
            lambda n: (
                n,
                rng.randrange(1, 121),
                rng.randrange(1, len(titles) - 2),
                rng.randrange(1, 6),
                f"{day(2021, 2024)} 10:00:00",
            ),
        ),
    )


def make_library(path):
    """Make the database as an SQLite file and return its path."""
    with sqlite3.connect(path) as connection:
        connection.executescript(TABLES)
        for table, values in rows():
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values[0]))})", values)
    connection.close()
    return path
