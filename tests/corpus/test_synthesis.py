import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy
import sqlglot
from sqlglot import exp

from library import TABLES, make_library, rows
from sqlfocus.corpus.synthesis.profile import BIG
from sqlfocus.corpus.synthesis.shape_table import SHAPES
from sqlfocus.corpus.synthesis.synthesis import synthesize
from sqlfocus.errors import UserError
from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Limits, Result, open_runner
from sqlfocus.schema.database import read_database

SPIDER = Path(__file__).resolve().parents[2] / "../shared/spider/database"
LIMITS = Limits(seconds=10, rows=5000)


@dataclass
class Watched:
    """A runner that remembers what it was asked to run."""

    inner: object
    seen: list[str] = field(default_factory=list)

    def run(self, sql: str) -> Result:
        self.seen.append(sql)
        return self.inner.run(sql)


def made(path, *, count, **arguments):
    """The synthesis of a database, all of whose pairs were run again here and gave rows, and pass the guard."""
    runner = open_runner(str(path), LIMITS)
    try:
        synthesis = synthesize(read_database(str(path)), runner, count=count, **arguments)
        for sql in {example.sql for example in synthesis.examples}:
            result = runner.run(sql)
            assert result.error == "", sql
            assert any(value is not None for row in result.rows for value in row), sql
            permit = check(sql, dialect=synthesis.examples[0].dialect)
            assert permit.allowed, f"{sql}: {permit.reason}"
        return synthesis
    finally:
        runner.close()


def database(path, script):
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return make_library(tmp_path_factory.mktemp("library") / "library.sqlite")


@pytest.fixture(scope="module")
def pairs(library):
    return made(library, count=2600, languages=("en", "zh"))


def test_as_many_as_asked_for_and_balanced(pairs):
    assert len(pairs.examples) == 2600
    assert set(pairs.shapes) == set(SHAPES)
    assert sum(pairs.shapes.values()) == 2600
    assert max(pairs.shapes.values()) <= 2600 * 0.25
    tables = re.findall(r"CREATE TABLE (\w+)", TABLES)
    assert set(pairs.tables) == set(tables)
    assert min(pairs.tables[table] for table in tables) >= 40
    assert {example.db_id for example in pairs.examples} == {"library"}


def test_the_samples_in_the_documentation_are_real(pairs):
    text = (Path(__file__).resolve().parents[2] / "docs" / "synthesis.md").read_text(encoding="utf-8")
    assert f"One of {len(SHAPES)} query shapes" in text
    samples = re.findall(r"^\| (.+) \| `(SELECT .+)` \|$", text, re.MULTILINE)
    assert len(samples) == 40
    assert set(samples) <= {(example.question, example.sql) for example in pairs.examples}


def test_a_question_has_one_sql_and_a_sql_has_several_questions(pairs):
    by_question = {}
    for example in pairs.examples:
        assert by_question.setdefault(example.question.lower(), example.sql) == example.sql
    assert len(by_question) == 2600
    by_sql = Counter(example.sql for example in pairs.examples)
    assert len(by_sql) == pairs.queries >= 450
    assert sum(count > 1 for count in by_sql.values()) > 0.95 * len(by_sql)


def test_both_languages(pairs):
    chinese = [example for example in pairs.examples if re.search(r"[\u4e00-\u9fff]", example.question)]
    assert 1200 <= len(chinese) <= 1400
    # With a Chinese comment on every column, only values and initials are Latin.
    spoken = [re.sub(r"“[^”]*”", "", example.question) for example in chinese]
    assert not any(re.search(r"\b(loan|member|branch|price|status)s?\b", question) for question in spoken)


def test_questions_are_worded_variously(pairs):
    english = [example.question for example in pairs.examples if example.question.isascii()]
    first = Counter(question.split()[0].lower() for question in english)
    assert len(first) > 25
    assert max(first.values()) < 0.35 * len(english)
    for question in english:
        assert not re.search(
            r"  |\bNone\b|\bTrue\b|\bthe the\b|\bof of\b|\ba all\b|\bseatses\b|[{}]| [?.,]", question
        ), question


def test_what_a_table_without_a_noun_ties_is_counted_and_missed(pairs):
    by_sql = {}
    for example in pairs.examples:
        by_sql.setdefault(example.sql, []).append(example.question)
    counted = [sql for sql in by_sql if sql.split(" FROM ")[1].startswith("book_authors JOIN") and "count(*)" in sql]
    assert any("GROUP BY authors.id" in sql for sql in counted)
    assert any("GROUP BY books.id HAVING" in sql for sql in counted)
    for sql in counted:
        tied = "book|书" if "GROUP BY authors.id" in sql else "author|作者"
        assert all(re.search(f"(?i){tied}", question) for question in by_sql[sql])
    without = by_sql["SELECT name FROM authors WHERE id NOT IN (SELECT author_id FROM book_authors)"]
    assert any("not written any books" in question for question in without)


def test_pairs_that_are_there_twice_are_not_counted(tmp_path):
    script = """
        CREATE TABLE student (id INTEGER PRIMARY KEY, name TEXT, advisor INTEGER);
        CREATE TABLE activity (id INTEGER PRIMARY KEY, title TEXT);
        CREATE TABLE participates_in (
          student_id INTEGER REFERENCES student, activity_id INTEGER REFERENCES activity);
        INSERT INTO student VALUES (1, 'Ada', 7), (2, 'Bo', 7), (3, 'Cy', 9), (4, 'Di', 11);
        INSERT INTO activity VALUES (1, 'Chess'), (2, 'Canoeing'), (3, 'Bridge');
        INSERT INTO participates_in VALUES (1, 1), (1, 2), (2, 1), (3, 1), (1, 3);
    """
    once = made(database(tmp_path / "once.sqlite", script), count=150, languages=("en", "zh"))
    counted = [one for one in once.examples if " FROM participates_in JOIN student" in one.sql]
    assert any("HAVING count(*)" in one.sql or "ORDER BY count(*)" in one.sql for one in counted)
    assert any(one.question == "Which student has the most activities?" or "参加" in one.question for one in counted)
    never = [one.question for one in once.examples if "NOT IN (SELECT student_id FROM participates_in)" in one.sql]
    assert any("participate in any activities" in question for question in never)
    assert any("任何活动" in question for question in never)
    assert not any("advisor) FROM" in one.sql for one in once.examples)  # no average of who it is
    twice = made(database(tmp_path / "twice.sqlite", script + "INSERT INTO participates_in VALUES (1, 1);"), count=150)
    assert not any(one.sql.split(" FROM ")[1].startswith("participates_in JOIN") for one in twice.examples)


def test_codes_are_said_in_words(pairs):
    returned = [example for example in pairs.examples if "status = 'R'" in example.sql]
    assert returned
    assert all(re.search("returned|归还", example.question) for example in returned)
    female = [example for example in pairs.examples if "gender = 'F'" in example.sql]
    assert female
    assert all(re.search("(?i)female|女", example.question) for example in female)


def test_units_are_converted(pairs):
    priced = re.compile(r"\bprice (?:>|<|>=|<=) (\d+)")
    checked = 0
    for example in pairs.examples:
        match = priced.search(example.sql)
        if not match or "HAVING" in example.sql:
            continue
        said = {float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", example.question)}
        assert int(match[1]) / 100 in said, example
        checked += 1
    assert checked > 5
    assert any("/ 100.0" in e.sql and re.search("dollars|元", e.question) for e in pairs.examples)
    assert not any("/ 100.0" in e.sql and not re.search("dollars|元", e.question) for e in pairs.examples)


def test_deleted_rows_are_left_out_everywhere(pairs):
    assert any("deleted = 0" in note for note in pairs.notes)
    for sql in {example.sql for example in pairs.examples}:
        for select in sqlglot.parse_one(sql, dialect="sqlite").find_all(exp.Select):
            own = [
                table.name for table in [select.args["from_"].this, *(j.this for j in select.args.get("joins") or [])]
            ]
            if "members" in own:
                conditions = [select.args.get("where"), *(j.args.get("on") for j in select.args.get("joins") or [])]
                assert any("deleted" in c.sql() for c in conditions if c is not None), sql


def test_every_condition_matters(pairs, library):
    """Leaving out one of two conditions changes how many rows there are."""
    connection = sqlite3.connect(f"file:{library}?mode=ro", uri=True)
    checked = 0
    for sql in sorted({example.sql for example in pairs.examples}):
        tree = sqlglot.parse_one(sql, dialect="sqlite")
        where = tree.args.get("where")
        plain = isinstance(tree, exp.Select) and not tree.args.get("group") and not tree.args.get("limit")
        if not plain or where is None or not isinstance(where.this, exp.And) or tree.args.get("distinct"):
            continue
        parts = [part for part in where.this.flatten() if "deleted" not in part.sql()]
        if len(parts) < 2 or all(isinstance(part, exp.EQ) and "_name" in part.sql() for part in parts):
            continue

        def kept(conditions, tree=tree):
            counted = tree.copy()
            counted.set("expressions", [exp.Count(this=exp.Star())])
            counted.set("order", None)
            counted.set("where", exp.Where(this=exp.and_(*conditions)))
            return connection.execute(counted.sql(dialect="sqlite")).fetchone()[0]

        everything = list(where.this.flatten())
        names = [part for part in parts if isinstance(part, exp.EQ) and "_name" in part.sql()]
        for part in parts:
            if len(names) > 1 and part in names:  # first and last name single out a person together
                continue
            assert kept([other for other in everything if other is not part]) > kept(everything), f"{sql}: {part.sql()}"
        checked += 1
    connection.close()
    assert checked > 30


def test_superlatives_have_one_answer(pairs, library):
    connection = sqlite3.connect(f"file:{library}?mode=ro", uri=True)
    checked = 0
    for sql in sorted({example.sql for example in pairs.examples if example.sql.count(" LIMIT ") == 1}):
        match = re.fullmatch(r"SELECT .*? FROM (.*) ORDER BY (.*?)( DESC)? LIMIT (\d+)", sql)
        if not match:
            continue
        source, key, _, limit = match.groups()
        direction = match[3] or ""
        keys = connection.execute(
            f"SELECT {key} FROM {source} ORDER BY {key}{direction} LIMIT {int(limit) + 1}"
        ).fetchall()
        assert len(keys) == int(limit) + 1
        assert keys[-1] != keys[-2], sql
        assert keys[0][0] is not None, sql
        checked += 1
    connection.close()
    assert checked > 50


def test_the_same_seed_makes_the_same_pairs(library):
    """In other processes too, whatever their hash seeds."""
    program = (
        "import json, sys\n"
        "from sqlfocus.corpus.synthesis.synthesis import synthesize\n"
        "from sqlfocus.execution.runner import open_runner\n"
        "from sqlfocus.schema.database import read_database\n"
        "runner = open_runner(sys.argv[1])\n"
        "path, seed = sys.argv[1], int(sys.argv[2])\n"
        "made = synthesize(read_database(path), runner, count=300, seed=seed, languages=('en', 'zh'))\n"
        "runner.close()\n"
        "print(json.dumps([made.shapes, made.tables, made.rejected, [e.to_json() for e in made.examples]]))\n"
    )

    def output(seed, hash_seed):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program, str(library), str(seed)]
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)

    first = output(7, "1")
    assert output(7, "2") == first
    assert output(8, "1")[3] != first[3]


CHINESE = """
CREATE TABLE 部门表 (部门编号 INTEGER PRIMARY KEY, 部门名称 TEXT, 所在城市 TEXT, 预算 INTEGER);
CREATE TABLE 员工表 (员工编号 INTEGER PRIMARY KEY, 姓名 TEXT, 性别 TEXT, 入职日期 DATE, 月薪 INTEGER, 是否在职 INTEGER,
  部门编号 INTEGER REFERENCES 部门表 (部门编号));
INSERT INTO 部门表 VALUES (1, '研发部', '上海', 900000), (2, '市场部', '北京', 300000), (3, '财务部', '北京', 200000);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO 员工表 SELECT i, char(29579 + i % 7, 20255 + i), CASE i % 2 WHEN 0 THEN '男' ELSE '女' END,
  date('2015-01-01', (i * 47) || ' days'), 5000 + i * 313 % 9000, i % 5 > 0, 1 + i % 3 FROM n;
"""
RESERVED = """
CREATE TABLE "group" (id INTEGER PRIMARY KEY, "order" TEXT, "select" INTEGER);
CREATE TABLE "user" (id INTEGER PRIMARY KEY, name TEXT, "group" INTEGER REFERENCES "group" (id), "from" TEXT,
  "to date" DATE);
INSERT INTO "group" VALUES (1, 'red', 7), (2, 'blue', 14), (3, 'green', 21);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO "user" SELECT i, 'Person ' || i, 1 + i % 3, CASE i % 2 WHEN 0 THEN 'Rome' ELSE 'Paris' END,
  date('2020-01-01', (i * 17) || ' days') FROM n;
"""
NO_KEYS = """
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, customer_name TEXT, city TEXT);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, amount REAL, order_date TEXT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
INSERT INTO customers SELECT i, 'Firm ' || i, CASE i % 3 WHEN 0 THEN 'Oslo' WHEN 1 THEN 'Bern' ELSE 'Linz' END FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO orders SELECT i, 1 + i * i % 37, i * 7 % 900 + 0.5, date('2021-01-01', (i * 3) || ' days') FROM n;
"""
ONE = """
CREATE TABLE readings (ts TEXT, sensor TEXT, value REAL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO readings SELECT date('2023-01-01', (i % 300) || ' days'), 'unit ' || (i % 3), i * 37 % 401 / 10.0 FROM n;
"""


@pytest.mark.parametrize(
    ("name", "script", "languages"),
    [
        ("chinese", CHINESE, ("zh",)),
        ("chinese", CHINESE, ("en",)),
        ("reserved", RESERVED, ("en", "zh")),
        ("no_keys", NO_KEYS, ("en",)),
        ("one", ONE, ("en",)),
    ],
)
def test_odd_databases(tmp_path, name, script, languages):
    synthesis = made(database(tmp_path / f"{name}.sqlite", script), count=200, languages=languages)
    assert len(synthesis.examples) == 200
    if languages == ("en",) and name == "chinese":
        # The names are translated; what stays Chinese are values.
        words = re.compile(r"(\w+)")
        values = {"上海", "北京", "男", "女", "研发部", "市场部", "财务部"}
        for example in synthesis.examples:
            chinese = {word for word in words.findall(example.question) if re.search(r"[\u4e00-\u9fff]", word)}
            assert all(word in values or len(word) <= 3 for word in chinese), example
            assert not chinese & {"部门", "员工", "城市", "预算", "月薪", "性别", "姓名"}, example
    if name == "reserved":
        assert any('"group"."order"' in example.sql for example in synthesis.examples)
        assert any('"to date"' in example.sql for example in synthesis.examples)
        assert any('"from" =' in example.sql for example in synthesis.examples)
    if name == "no_keys":
        assert any("orders.customer_id = customers.customer_id" in example.sql for example in synthesis.examples)
        assert any("no foreign key is declared" in note for note in synthesis.notes)


def test_links_are_not_made_up(tmp_path):
    """A column that is called like a key but holds other values is no foreign key."""
    script = NO_KEYS + "UPDATE orders SET customer_id = customer_id + 1000;"
    synthesis = made(database(tmp_path / "apart.sqlite", script), count=100)
    assert not any("JOIN" in example.sql for example in synthesis.examples)


PEOPLE = """
    CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
    CREATE TABLE friend (person_id INTEGER REFERENCES person (id), friend_id INTEGER REFERENCES person (id),
        PRIMARY KEY (person_id, friend_id));
    CREATE TABLE call (caller_id INTEGER REFERENCES person (id), callee_id INTEGER REFERENCES person (id),
        minutes INTEGER, PRIMARY KEY (caller_id, callee_id));
"""


def test_of_two_keys_to_one_table_one_may_say_who_and_the_other_whose(tmp_path):
    names = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Leo"]
    rows = ", ".join(f"({n}, '{name}', {20 + 3 * n})" for n, name in enumerate(names, 1))
    friends = ", ".join(f"({n}, {m})" for n in range(1, 10) for m in range(n + 1, min(n + 1 + n % 4, 13)))
    path = database(
        tmp_path / "people.sqlite",
        f"{PEOPLE} INSERT INTO person VALUES {rows}; INSERT INTO friend VALUES {friends};"
        "INSERT INTO call SELECT person_id, friend_id, 5 * person_id FROM friend;",
    )
    sqls = {example.question: example.sql for example in made(path, count=600, languages=("en",)).examples}
    of_friends = [sql for sql in sqls.values() if "JOIN" in sql and "friend" in sql and "call" not in sql]
    assert len(of_friends) > 50
    # A person's friends are those of person_id; what they are called is read by friend_id.
    for sql in of_friends:
        for join in re.findall(r"JOIN person(?: AS (\w+))? ON friend\.(\w+) = ", sql):
            alias, key = join
            where = sql.partition(" WHERE ")[2]
            if key == "friend_id":
                assert sql.startswith(("SELECT person.name", "SELECT DISTINCT person.name")), sql
                assert "person.age" not in where or alias, sql
    assert any("NOT IN (SELECT person_id FROM friend" in sql for sql in sqls.values())
    assert not any("NOT IN (SELECT friend_id" in sql for sql in sqls.values())
    assert any("JOIN person ON friend.friend_id = person.id JOIN person AS" in sql for sql in of_friends)
    # Of a call neither key says whose it is.
    assert not any("NOT IN (SELECT caller_id" in sql or "NOT IN (SELECT callee_id" in sql for sql in sqls.values())


def test_a_tiny_database_gives_what_it_can(tmp_path):
    script = """
    CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, kind TEXT);
    INSERT INTO pet VALUES (1, 'Rex', 'dog'), (2, 'Tom', 'cat'), (3, 'Kit', 'cat');
    """
    synthesis = made(database(tmp_path / "pets.sqlite", script), count=5000)
    assert 20 < len(synthesis.examples) < 5000
    assert any("5000 were asked for" in line for line in synthesis.summary(5000))
    assert not any("were asked for" in line for line in synthesis.summary(len(synthesis.examples)))


def test_errors(tmp_path, library):
    empty = database(tmp_path / "empty.sqlite", "CREATE TABLE t (a INTEGER)")
    with pytest.raises(UserError, match=r"^empty: no table has rows to ask about; load some data"):
        made(empty, count=10)
    with pytest.raises(UserError, match=r"^fr: no such language; known are en, zh"):
        made(library, count=10, languages=("en", "fr"))
    with pytest.raises(UserError, match="count is 0"):
        made(library, count=0)
    unknown = database(
        tmp_path / "unknown.sqlite", "CREATE TABLE 甲乙 (丙丁 TEXT); INSERT INTO 甲乙 VALUES ('x'), ('y');"
    )
    with pytest.raises(UserError, match="no words in the language asked for: add column comments"):
        made(unknown, count=10, languages=("en",))


def test_big_tables_are_read_in_parts(tmp_path):
    """No query reads all of a big table, so that one of millions of rows takes no longer than one of thousands."""
    script = f"""
    CREATE TABLE shop (shop_id INTEGER PRIMARY KEY, name TEXT, city TEXT);
    CREATE TABLE sale (sale_id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop (shop_id), amount REAL,
      sold_on TEXT);
    INSERT INTO shop VALUES (1, 'North', 'Oslo'), (2, 'South', 'Rome'), (3, 'East', 'Kyiv'), (4, 'West', 'Cork');
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {BIG * 10})
    INSERT INTO sale
    SELECT i, 1 + i * i % 4, i * 7919 % 90001 / 100.0, date('2020-01-01', (i % 1400) || ' days') FROM n;
    """
    path = database(tmp_path / "big.sqlite", script)
    runner = open_runner(str(path), LIMITS)
    watched = Watched(runner)
    try:
        synthesis = synthesize(read_database(str(path)), watched, count=120)
    finally:
        runner.close()
    assert len(synthesis.examples) == 120
    assert not any(f"LIMIT {BIG}" in example.sql for example in synthesis.examples)
    for sql in watched.seen:
        for table in sqlglot.parse_one(sql, dialect="sqlite").find_all(exp.Table):
            if table.name == "sale":
                assert table.find_ancestor(exp.Select).args.get("limit") is not None, sql


@pytest.mark.parametrize("name", ["concert_singer", "college_2", "dog_kennels"])
def test_spider_databases(name):
    path = SPIDER / name / f"{name}.sqlite"
    if not path.exists():
        pytest.skip("../shared/spider is not there")
    synthesis = made(path, count=300)
    assert len(synthesis.examples) == 300
    assert len(synthesis.shapes) >= 15


@pytest.mark.server
@pytest.mark.parametrize("server", ["mariadb", "postgres"])
def test_servers(request, server):
    url = request.getfixturevalue(f"{server}_url")
    dialect = {"mariadb": "mysql", "postgres": "postgres"}[server]
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    names = re.findall(r"CREATE TABLE (\w+)", TABLES)
    # MariaDB passes over a column's own REFERENCES unless the table is InnoDB, which it is.
    script = re.sub(r" --.*", "", TABLES)
    with engine.connect() as owner:
        for table in reversed(names):
            owner.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(str.strip, script.split(";")):
            owner.exec_driver_sql(statement)
        for table, values in rows():
            marks = ", ".join(["%s"] * len(values[0]))
            owner.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", values)
    try:
        runner = open_runner(url, LIMITS)
        try:
            synthesis = synthesize(read_database(url), runner, count=600, languages=("en", "zh"))
            assert len(synthesis.examples) == 600
            assert "does not run" not in synthesis.rejected
            assert {example.dialect for example in synthesis.examples} == {dialect}
            for sql in {example.sql for example in synthesis.examples}:
                result = runner.run(sql)
                assert result.error == "", sql
                assert result.rows, sql
                permit = check(sql, dialect=dialect)
                assert permit.allowed, f"{sql}: {permit.reason}"
            assert any(" JOIN " in example.sql for example in synthesis.examples)
        finally:
            runner.close()
    finally:
        with engine.connect() as owner:
            for table in reversed(names):
                owner.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        engine.dispose()
