"""Whether a query's beginning can go on to one that SQLite takes, judged by SQLite itself."""

import json
import random
import re
import sqlite3
from pathlib import Path

import pytest

from sqlfocus.inference.constraint.names import Names
from sqlfocus.schema.database import read_database
from sqlfocus.schema.mschema import Column, Database, Table

SPIDER = Path(__file__).resolve().parents[3] / "../shared/spider"
DDL = """
CREATE TABLE student (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, home TEXT);
CREATE TABLE pet (id INTEGER PRIMARY KEY, kind TEXT, weight REAL);
CREATE TABLE has_pet (student_id INTEGER, pet_id INTEGER);
CREATE TABLE "order" ("group" TEXT, "unit price" REAL, 数量 INTEGER);
"""


@pytest.fixture(scope="module")
def connection():
    made = sqlite3.connect(":memory:")
    made.executescript(DDL)
    yield made
    made.close()


@pytest.fixture(scope="module")
def names():
    tables = {
        "student": ["id", "name", "age", "home"],
        "pet": ["id", "kind", "weight"],
        "has_pet": ["student_id", "pet_id"],
        "order": ["group", "unit price", "数量"],
    }
    return Names(
        Database(
            "school",
            tuple(Table(name, tuple(Column(one, "TEXT") for one in columns)) for name, columns in tables.items()),
        )
    )


def beginnings(sql):
    """The query cut behind each word and sign, and within each word."""
    for found in re.finditer(r"\s*(\w+|.)", sql):
        yield sql[: found.end() - len(found[1]) // 2]
        yield sql[: found.end()]


VALID = """
SELECT * FROM student
select count(*) from pet;
SELECT T1.name FROM student AS T1 JOIN has_pet AS T2 ON T1.id = T2.student_id WHERE T1.age > 20
SELECT T2.kind, count(*) AS n FROM has_pet AS T1 JOIN pet AS T2 ON T1.pet_id = T2.id GROUP BY T2.kind ORDER BY n DESC
SELECT student.name FROM student, pet WHERE student.id = pet.id
SELECT name FROM student WHERE id NOT IN (SELECT student_id FROM has_pet)
SELECT name FROM student WHERE age = (SELECT max(age) FROM student)
SELECT name FROM student AS s WHERE EXISTS (SELECT 1 FROM has_pet AS h WHERE h.student_id = s.id)
SELECT count(*) FROM (SELECT count(*) AS n FROM has_pet GROUP BY student_id) AS t WHERE t.n > 1
WITH old AS (SELECT name, age FROM student WHERE age > 20) SELECT name FROM old ORDER BY age
WITH x(a, b) AS (SELECT id, age FROM student) SELECT a FROM x WHERE b > 3
SELECT name FROM student UNION SELECT kind FROM pet ORDER BY name LIMIT 3
SELECT id, name FROM student EXCEPT SELECT id, kind FROM pet
SELECT * FROM student INTERSECT SELECT id, name, age, home FROM student
SELECT name FROM student WHERE name LIKE 'A%' AND age BETWEEN 3 AND 9 OR home IS NOT NULL
SELECT name FROM student WHERE home = "Berlin"
SELECT CASE WHEN age > 3 THEN 'old' ELSE 'young' END FROM student
SELECT cast(age AS REAL) / 2, round(age * 1.5, 1) FROM student
SELECT "group", `unit price`, [数量] FROM "order"
SELECT 数量 FROM "order" WHERE "unit price" > 3
SELECT name, rank() OVER (PARTITION BY home ORDER BY age DESC) FROM student
SELECT student_id FROM has_pet GROUP BY student_id HAVING count(*) > 2
SELECT count(DISTINCT home), sum(age) FILTER (WHERE age > 3) FROM student
SELECT s.* FROM student AS s
SELECT name FROM student ORDER BY 1
SELECT T1.name FROM student AS T1 NATURAL JOIN pet AS T2 WHERE T2.kind = 'dog'
SELECT name FROM student JOIN has_pet ON student.id = has_pet.student_id JOIN pet USING (id)
SELECT id, kind FROM student JOIN pet USING (id) JOIN pet AS p USING (id, kind)
SELECT id FROM student NATURAL JOIN pet NATURAL JOIN (SELECT id FROM pet) AS p
SELECT strftime('%Y', home) FROM student WHERE not age > 3
SELECT 1
"""


@pytest.mark.parametrize("sql", VALID.strip().splitlines())
def test_a_query_that_sqlite_takes_is_right_from_its_beginning_on(sql, names, connection):
    connection.execute(f"EXPLAIN {sql}")
    assert names.wrong(sql, whole=True) == ""
    for text in beginnings(sql):
        assert names.wrong(text) == "", text


INVALID = """
SELECT nam|x FROM student
SELECT name FROM st|aff
SELECT T1.kind FROM stu|dent AS T1
SELECT T1.name FROM student AS T1 WHERE T1.ki|nd = 1
SELECT name FROM student WHERE T2|.id = 1
SELECT name FROM student WHERE ki|nd = 'dog'
SELECT id FROM student JOIN pet| ON student.id = pet.id
SELECT T2.kind FROM student AS T1 WHER|E T1.age > 3
SELECT name FROM student WHERE count|(*) > 1
SELECT name FROM student WHERE id IN (SELECT id,| age FROM student)
SELECT name FROM student WHERE id IN (SELECT *| FROM student)
SELECT max(count|(*)) FROM student
SELECT median|(age) FROM student
SELECT name FROM student UNION SELECT id,| kind FROM pet
SELECT id, name FROM student UNION SELECT id F|ROM pet
SELECT name FROM student UNION SELECT kind FROM pet ORDER BY ag|e
SELECT name FROM student ORDER BY count|(*)
SELECT name FROM student ORDER BY 2 |DESC
SELECT name FROM student AS T1 JOIN pet AS T1| ON T1.id = 1
SELECT student.name FROM student AS s| WHERE s.age > 1
SELECT a.name FROM student AS a NATURAL JOIN pet AS b ON| a.id = b.id
SELECT name FROM student WHERE age = (SELECT max(kind) FROM student)|
SELECT length(name, |age) FROM student
SELECT power(age|) FROM student
SELECT replace(name, 'a'|) FROM student
SELECT name FROM student WHERE id IN (SELECT student_id FROM has_pet ORDER BY ag|e)
SELECT name FROM student WHERE id IN (SELECT student_id FROM has_pet GROUP BY ag|e)
SELECT typeof(age) FILTER| (WHERE age > 3) FROM student
SELECT student.age FROM student JOIN pet ON student.id = pet.id WHERE kind = "id"|
SELECT name FROM student AS a WHERE age > (SELECT sum(a.age) FROM pet AS a|)
SELECT row_number() |FROM student
SELECT name FROM student JOIN has_pet USING| (id)
SELECT id FROM student JOIN pet USING (id) JOIN student AS s |ON s.id = pet.id
SELECT id FROM student JOIN pet USING (id, id) JOIN student AS s |ON s.id = pet.id
"""


@pytest.mark.parametrize("case", INVALID.strip().splitlines())
def test_what_sqlite_refuses_is_wrong_from_there_on(case, names, connection):
    before, _, after = case.partition("|")
    with pytest.raises(sqlite3.OperationalError):
        connection.execute(f"EXPLAIN {before}{after}")
    assert names.wrong(before + after, whole=True)
    # What is wrong is seen when the next word is whole, at the latest.
    seen = [text for text in beginnings(before + after) if names.wrong(text)]
    assert seen
    assert len(before) - 8 <= len(seen[0]) <= len(before) + 8, seen[0]


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("SELECT T1.name, T1.ag", True),
        ("SELECT T1.name, T1.ki", False),  # no table has both
        ("SELECT T1.kind FROM ", True),
        ("SELECT T1.kind FROM p", True),
        ("SELECT T1.kind FROM h", False),  # the first table is T1
        ("SELECT T2.kind FROM has_pet AS T1", True),
        ("SELECT T2.kind FROM has_pet AS T1 GROUP", False),  # T2 is still to come
        ("SELECT T2.kind FROM has_pet AS T1 JOIN", True),
        ("SELECT T2.kind FROM has_pet AS T1 JOIN s", False),
    ],
)
def test_an_alias_that_is_waited_for_decides_what_from_may_name(text, may, names):
    assert (names.wrong(text) == "") is may


@pytest.fixture(scope="module")
def databases():
    if not SPIDER.is_dir():
        pytest.skip("Spider is not there (../shared/spider)")
    made = {}
    for db_id in ("concert_singer", "pets_1", "car_1", "flight_2", "world_1", "dog_kennels"):
        file = SPIDER / "database" / db_id / f"{db_id}.sqlite"
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        made[db_id] = (Names(read_database(str(file), max_values=0)), connection)
    yield made
    for _, connection in made.values():
        connection.close()


@pytest.fixture(scope="module")
def questions(databases):
    rows = json.loads((SPIDER / "dev.json").read_text(encoding="utf-8"))
    return [(row["db_id"], row["query"]) for row in rows if row["db_id"] in databases]


def test_gold_queries_are_right_from_their_beginning_on(databases, questions):
    for db_id, sql in questions[::4]:
        for text in beginnings(sql):
            assert databases[db_id][0].wrong(text) == "", text
        assert databases[db_id][0].wrong(sql, whole=True) == ""


def test_what_is_right_is_taken_by_sqlite(databases, questions):
    """Gold queries with one or two names changed: right ones are taken, and most that are taken are right."""
    chance = random.Random(7)
    right = taken = 0
    for _ in range(1500):
        db_id, sql = chance.choice(questions)
        names, connection = databases[db_id]
        pool = [*names.tables, *(column for columns in names.tables.values() for column in sorted(columns))]
        for _ in range(chance.choice((1, 2))):
            places = [place for place in re.finditer(r"\w+", sql) if place[0].lower() in {*pool, "t1", "t2"}]
            place = chance.choice(places)
            other = chance.choice([one for one in pool if one.isidentifier()])
            sql = sql[: place.start()] + chance.choice([other, other, "T1", "T2"]) + sql[place.end() :]
        try:
            connection.execute(f"EXPLAIN {sql}")
        except sqlite3.OperationalError as error:
            if "syntax error" not in str(error):  # the form is the grammar's part
                assert names.wrong(sql, whole=True), (sql, str(error))
            continue
        taken += 1
        right += names.wrong(sql, whole=True) == ""
    assert taken > 100
    assert right > 0.95 * taken
