import json
import random
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import open_runner
from sqlfocus.schema.database import read_database
from sqlfocus.schema.mschema import Column, Database, Table

SPIDER = Path(__file__).resolve().parents[2] / "../shared/spider"


def database(dialect, *names, name="shop"):
    tables = [name.rpartition(".") for name in names]
    return Database(
        name, tuple(Table(table, (Column("id", "INT"),), "", schema) for schema, _, table in tables), dialect
    )


# dialect, what the database has, the query, the tables that it reads
READ = [
    ("sqlite", ["orders"], "SELECT * FROM Orders", ["Orders"]),
    ("sqlite", ["Orders"], "SELECT * FROM main.[orders]", ["main.orders"]),
    ("sqlite", ["orders"], "SELECT 1 IN orders, 2 IN main.`orders`", ["main.orders", "orders"]),
    ("sqlite", ["straße"], "SELECT * FROM Straße", ["Straße"]),
    ("mysql", ["orders"], "SELECT * FROM `Shop`.ORDERS", ["Shop.ORDERS"]),
    ("mysql", ["orders"], "SELECT 1 FROM dual WHERE 1 < 2", []),
    ("mysql", ["dual"], "SELECT 1 FROM `dual`", ["dual"]),
    ("mysql", ["sales.orders"], "SELECT * FROM sales.orders", ["sales.orders"]),
    ("postgres", ["orders"], 'SELECT * FROM ORDERS JOIN "orders" AS o ON TRUE', ["ORDERS", "orders"]),
    ("postgres", ["Orders"], 'SELECT * FROM "Orders"', ["Orders"]),
    ("postgres", ["sales.orders"], "SELECT * FROM Sales.orders", ["Sales.orders"]),
    # A WITH's name is no table where it can be seen.
    ("sqlite", ["orders"], "WITH c AS (SELECT * FROM orders) SELECT * FROM C UNION SELECT * FROM c", ["orders"]),
    ("sqlite", ["orders"], "WITH b AS (SELECT * FROM a), a AS (SELECT * FROM orders) SELECT * FROM b", ["orders"]),
    ("sqlite", ["orders"], "WITH c AS (SELECT 1) SELECT (SELECT 1 FROM (SELECT * FROM c) WHERE 1 IN c) FROM c", []),
    ("mysql", [], "WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 3) SELECT n FROM c", []),
    ("postgres", [], "WITH RECURSIVE b AS (SELECT * FROM a), a AS (SELECT 1) SELECT * FROM b", []),
    # The same name, a table in one place and a WITH's in another.
    ("postgres", ["t"], "WITH t AS (SELECT * FROM t) SELECT * FROM t", ["t"]),
    ("mysql", ["t"], "WITH t AS (SELECT * FROM t) SELECT * FROM t", ["t"]),
    ("sqlite", ["t"], "SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) AS x, t", ["t"]),
    ("sqlite", ["t"], "(WITH t AS (SELECT 1) SELECT * FROM t) UNION SELECT * FROM t", ["t"]),
    ("sqlite", ["t"], "WITH t AS (SELECT 1) SELECT * FROM main.t", ["main.t"]),
    ("mysql", ["t", "T"], "WITH t AS (SELECT 1) SELECT * FROM T", ["T"]),
    # MariaDB looks for it among the tables; where there is one, that is what it reads.
    ("mysql", ["t"], "WITH t AS (SELECT 1) SELECT * FROM (WITH u AS (SELECT * FROM t) SELECT * FROM u) AS x", ["t"]),
    ("mysql", [], "WITH t AS (SELECT 1) SELECT * FROM (WITH u AS (SELECT 2) SELECT * FROM t) AS x", []),
    ("mysql", [], "SELECT * FROM (WITH t AS (SELECT 1), u AS (SELECT * FROM t) SELECT * FROM u) AS x", []),
]

NOT_THERE = [
    ("sqlite", ["a"], "SELECT * FROM orders", "there is no table orders; there are a"),
    ("sqlite", list("abcdefghij"), "SELECT * FROM orders", "there are a, b, c, d, e, f, g, h and 2 more"),
    ("sqlite", ["a"], "SELECT 1 FROM a WHERE 1 IN orders", "no table orders"),
    ("sqlite", ["a"], "SELECT * FROM other.a", "no table other.a"),
    ("sqlite", ["straße"], "SELECT * FROM STRASSE", "no table STRASSE"),
    ("sqlite", ["k"], "SELECT * FROM \u212a", "no table \u212a"),
    ("sqlite", ["a"], "SELECT * FROM a.a.a", "no table a.a.a"),
    ("sqlite", ["a"], "SELECT * FROM 'orders\n\n'", "no table orders"),
    ("mysql", ["a"], "SELECT * FROM other.a", "no table other.a"),
    ("mysql", ["a"], "SELECT * FROM a AS x, `dual`", "no table dual"),
    ("mysql", ["sales.a"], "SELECT * FROM shop.a", "no table shop.a; there are sales.a"),
    ("postgres", ["a"], 'SELECT * FROM "A"', "no table A"),
    ("postgres", ["A"], "SELECT * FROM A", "no table A"),
    ("postgres", ["a"], "SELECT * FROM sales.a", "no table sales.a"),
    ("postgres", ["a"], "SELECT * FROM shop.public.a", "no table shop.public.a"),
    ("postgres", ["sales.a"], "SELECT * FROM public.a", "no table public.a"),
    # Where a WITH's name cannot be seen, it opens nothing.
    ("sqlite", ["a"], "SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x), x", "no table x"),
    ("postgres", ["a"], "WITH x AS (SELECT * FROM x) SELECT * FROM x", "no table x"),
    ("postgres", ["a"], "WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y", "no table x"),
    ("postgres", ["a"], 'WITH x AS (SELECT 1) SELECT * FROM "X"', "no table X"),
    ("mysql", ["a"], "WITH RECURSIVE y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y", "no table x"),
    ("mysql", ["a"], "WITH x AS (SELECT 1) SELECT * FROM X", "no table X"),
    ("postgres", ["t"], "WITH t AS (SELECT 1) SELECT * FROM public.t", "give the WITH another name"),
    ("mysql", ["t"], "WITH t AS (SELECT 1) SELECT * FROM T", "give the WITH another name"),
    (
        "mysql",
        ["a"],
        "WITH t AS (SELECT 1) SELECT * FROM (WITH u AS (SELECT * FROM t) SELECT * FROM u) AS x",
        "table t",
    ),
    ("mysql", ["a"], "WITH t AS (SELECT 1), u AS (WITH w AS (SELECT * FROM t) SELECT 2) SELECT * FROM u", "table t"),
    # Nor does one that is called like a table of the system's.
    ("sqlite", ["a"], "WITH sqlite_master AS (SELECT 1) SELECT * FROM main.sqlite_master", "system table"),
    ("sqlite", ["sqlite_master"], "SELECT 1 IN sqlite_master", "system table"),
    ("postgres", ["a"], "WITH pg_class AS (SELECT 1), x AS (SELECT * FROM pg_class) SELECT * FROM x", "system table"),
    ("mysql", ["a"], "WITH user AS (SELECT 1) SELECT * FROM mysql.user", "system table"),
]


@pytest.mark.parametrize(("dialect", "there", "sql", "tables"), READ)
def test_a_query_on_the_databases_tables_is_allowed(dialect, there, sql, tables):
    permit = check(sql, dialect=dialect, database=database(dialect, *there))
    assert permit.allowed, permit.reason
    assert sorted(permit.tables) == sorted(tables)
    assert check(sql, dialect=dialect).tables == permit.tables


@pytest.mark.parametrize(("dialect", "there", "sql", "reason"), NOT_THERE)
def test_a_table_that_is_not_the_databases_is_refused(dialect, there, sql, reason):
    permit = check(sql, dialect=dialect, database=database(dialect, *there))
    assert not permit.allowed
    assert permit.sql == ""
    assert reason in permit.reason
    assert "\n" not in permit.reason


def test_a_schema_that_the_session_would_choose_is_settled():
    one = database("postgres", "sales.orders")
    assert check("SELECT orders.id FROM orders", dialect="postgres", database=one).sql == (
        'SELECT orders.id FROM "sales".orders'
    )
    one = database("postgres", "orders")
    sql = "SELECT public.Orders.id, count(public.orders.*) FROM public.orders"
    assert check(sql, dialect="postgres", database=one).sql == "SELECT Orders.id, COUNT(orders.*) FROM orders"


def test_mysqls_names_are_written_as_the_database_has_them():
    def written(sql, *there):
        return check(sql, dialect="mysql", database=database("mysql", *there)).sql

    assert written("SELECT orders.id FROM orders", "orders") == "SELECT orders.id FROM orders"
    assert written("SELECT Orders.id FROM Orders", "orders") == "SELECT Orders.id FROM `orders` AS Orders"
    assert written("SELECT o.id FROM SHOP.Orders AS o", "orders") == "SELECT o.id FROM `shop`.`orders` AS o"
    assert written("SELECT 1 FROM SALES.orders", "sales.orders") == "SELECT 1 FROM `sales`.orders"
    assert written("SELECT 1 FROM t, T", "T", "t") == "SELECT 1 FROM t, T"


# A table item (id), a view other (peek).
CALLED = [
    "SELECT item.peek FROM item",
    "SELECT ITEM.peek FROM public.item",
    "SELECT public.item.peek FROM item",
    "SELECT i.peek FROM item AS i",
    "SELECT i.id FROM item AS i (other)",
    'SELECT item."ID" FROM item',
    "SELECT item.ctid FROM item",
    "SELECT 1 FROM item AS i ORDER BY i.peek",
    "SELECT 1 FROM other JOIN item ON item.peek = 1",
    "SELECT 1 FROM (other JOIN item ON item.peek = 1) ORDER BY other.peek",
    "SELECT 1 FROM item, LATERAL (SELECT item.peek) AS x",
    "SELECT (SELECT item.peek) FROM item",
    "SELECT (SELECT 1 FROM other WHERE item.peek = 1) FROM item",
    "SELECT item.peek FROM item WHERE EXISTS (SELECT 1 FROM (SELECT 1 AS peek) AS item)",
    "WITH c AS (SELECT item.peek FROM item) SELECT 1 FROM other AS item",
    # A subquery's rows are turned into a table's.
    "SELECT x.peek FROM (SELECT * FROM item) AS x",
    "SELECT x.peek FROM (SELECT i.* FROM item AS i, other) AS x",
    "SELECT x.peek FROM (SELECT id FROM item UNION SELECT peek FROM other) AS x",
    "SELECT c.peek FROM (WITH c AS (SELECT * FROM item) SELECT 1) AS x, item AS c",
    "WITH c AS (SELECT * FROM item) SELECT d.peek FROM c AS d",
    "WITH c AS (SELECT * FROM item), d AS (SELECT * FROM c) SELECT d.peek FROM d",
    "WITH RECURSIVE c AS (SELECT id FROM item UNION ALL SELECT c.peek FROM c) SELECT 1 FROM c",
    "SELECT x.peek FROM item, LATERAL (SELECT item.id) AS x",
    "SELECT j.peek FROM (item JOIN item AS i ON TRUE) AS j",
    "SELECT item.peek FROM ((SELECT 1 AS a) AS x JOIN item ON TRUE)",
    # What PostgreSQL does not see from there, it looks for further out.
    "SELECT (SELECT x.v FROM (SELECT 1 AS peek) AS item, (SELECT item.peek AS v) AS x) FROM item",
    "SELECT (SELECT 1 FROM (SELECT 1 AS peek) AS item, other AS a JOIN other AS b ON item.peek = 1) FROM item",
    "SELECT (WITH c AS (SELECT item.peek) SELECT 1 FROM c, (SELECT 1 AS peek) AS item) FROM item",
]
NAMED = [
    "SELECT item.id, i.id, i.*, other.peek FROM item, item AS i, other",
    "SELECT T1.id FROM item AS T1 WHERE T1.id IN (SELECT T1.peek FROM other AS T1 JOIN item AS T2 ON T1.peek = T2.id)",
    "SELECT T1.id FROM item AS T1 UNION SELECT T1.peek FROM other AS T1",
    "SELECT i.a FROM item AS i (a)",
    "SELECT item.total FROM (SELECT count(item.id) AS total FROM item) AS item",
    "WITH item AS (SELECT 1 AS peek) SELECT item.peek FROM item",
    "SELECT count(item.*), count(item) FROM item",
    "SELECT x.id, x.peek FROM (SELECT * FROM item, (SELECT o.* FROM other AS o) AS p) AS x",
    "SELECT j.id, j.peek FROM (item JOIN other ON TRUE) AS j",
    "SELECT j.a, j.peek, k.peek FROM (((SELECT 1 AS a) AS x JOIN other ON TRUE)) AS j JOIN (other JOIN item ON TRUE) "
    "AS k ON TRUE",
    "SELECT x.a, other.peek, item.id FROM ((SELECT 1 AS a) AS x JOIN other ON TRUE) JOIN item ON TRUE",
    "SELECT x.a, x.b FROM (SELECT id, 1 FROM item) AS x (a, b)",
    "WITH c (a) AS (SELECT id FROM item) SELECT c.a, d.a FROM c, c AS d",
    "WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT c.n + 1 FROM c WHERE c.n < 5) SELECT c.n FROM c",
    "SELECT x.id FROM ((SELECT id FROM item) EXCEPT (SELECT peek FROM other)) AS x",
    "SELECT x.id, y.n FROM item AS x, LATERAL (SELECT x.id AS n) AS y",
    "SELECT x.id FROM (SELECT DISTINCT ON (id) id FROM item) AS x",
    # The names that PostgreSQL gives by itself.
    "SELECT x.count, x.max, x.coalesce, x.rank FROM (SELECT count(*), max(id), coalesce(id, 0), rank() OVER () FROM "
    "item GROUP BY id) AS x",
    'SELECT x.id, x.text, x.current_date, x."case", x."exists", x.date_trunc FROM (SELECT id::text, \'a\'::text, '
    "CURRENT_DATE, CASE WHEN id > 0 THEN 1 END, EXISTS(SELECT 1), date_trunc('month', CURRENT_DATE) FROM item) AS x",
    "SELECT x.max, x.sum, x.extract FROM (SELECT (SELECT max(id) FROM item), sum(id) FILTER (WHERE id > 0), "
    "EXTRACT(YEAR FROM CURRENT_DATE) FROM item) AS x",
]


def _two_tables():
    return Database(
        "shop", (Table("item", (Column("id", "INT"),)), Table("other", (Column("peek", "INT"),))), "postgres"
    )


@pytest.mark.parametrize("sql", CALLED)
def test_a_function_that_looks_like_a_column_is_refused_in_postgres(sql):
    assert check(sql, dialect="postgres").allowed
    assert "has no column" in check(sql, dialect="postgres", database=_two_tables()).reason


@pytest.mark.parametrize("sql", NAMED)
def test_a_column_of_its_table_is_none_such(sql):
    assert check(sql, dialect="postgres", database=_two_tables()).reason == ""


def test_columns_that_double_with_each_definition_take_no_time():
    some = ["c0 AS (SELECT * FROM item)"]
    some += [f"c{n} AS (SELECT * FROM c{n - 1} AS a, c{n - 1} AS b)" for n in range(1, 60)]
    sql = f"WITH {', '.join(some)} SELECT c59.peek FROM c59"
    assert "has no column" in check(sql, dialect="postgres", database=_two_tables()).reason


@pytest.mark.parametrize("field", ["'sqlite_master'", "main.'sqlite_master'", "pragma_table_info('t')", "x.y.z", "?"])
def test_in_takes_a_list_a_query_or_a_name(field):
    assert not check(f"SELECT 1 IN {field}").allowed


def test_in_and_a_name_reads_that_table():
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (5)")
    for sql in ("SELECT 5 IN t, 6 IN main.t", "WITH t AS (SELECT 7) SELECT 7 IN t, 5 IN t"):
        assert connection.execute(check(sql).sql).fetchall() == connection.execute(sql).fetchall() == [(1, 0)]
    connection.close()


@pytest.mark.skipif(not SPIDER.is_dir(), reason="needs ../shared/spider")
def test_every_gold_query_of_spiders_dev_set_reads_its_database_alone():
    rows = json.loads((SPIDER / "dev.json").read_text())
    files = {name: SPIDER / "database" / name / f"{name}.sqlite" for name in {row["db_id"] for row in rows}}
    there = {name: read_database(str(file), max_values=0) for name, file in files.items() if file.exists()}
    assert there
    asked = [row for row in rows if row["db_id"] in there]
    refused = {row["query"]: check(row["query"], database=there[row["db_id"]]).reason for row in asked}
    assert {sql: reason for sql, reason in refused.items() if reason} == {}
    others = there["concert_singer"]
    world = [row["query"] for row in asked if row["db_id"] == "world_1"]
    assert world and not any(check(query, database=others).allowed for query in world)


@pytest.mark.server
@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
def test_what_the_configuration_leaves_out_is_not_there(kind, request):
    url = request.getfixturevalue(f"{kind}_url")
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    names = ("names_open", "names_secret")
    with engine.connect() as owner:
        for name in names:
            owner.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
            owner.exec_driver_sql(f"CREATE TABLE {name} (id INTEGER)")
            owner.exec_driver_sql(f"INSERT INTO {name} VALUES (7)")
        read = read_database(url, exclude=["names_secret"])
        execution = open_runner(url)
        schema = "shop" if kind == "mariadb" else "public"
        for sql in ("SELECT id FROM names_open", f"SELECT names_open.id FROM {schema}.names_open"):
            permit = check(sql, dialect=read.dialect, database=read)
            assert permit.allowed, permit.reason
            assert execution.run(permit.sql).rows == [(7,)]
        for sql in ("SELECT id FROM names_secret", f"SELECT id FROM {schema}.names_secret"):
            assert "no table" in check(sql, dialect=read.dialect, database=read).reason
        execution.close()
        for name in names:
            owner.exec_driver_sql(f"DROP TABLE {name}")
    engine.dispose()


@contextmanager
def _there(url, make, gone):
    """What ``make`` makes on a server, while the block runs."""
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    execution = open_runner(url)
    try:
        with engine.connect() as owner:
            for statement in make:
                owner.exec_driver_sql(statement)
        yield execution
    finally:
        execution.close()
        with engine.connect() as owner:
            for statement in gone:
                owner.exec_driver_sql(statement)


def _query(rng, depth):
    """A query whose names are tables or what one of its WITHs defines."""
    name = rng.choice(["names_open", "names_secret", "names_no"])
    kind = rng.random()
    if depth == 0 or kind < 0.15:
        return f"SELECT v FROM {name}"
    if kind < 0.65:
        recursive = rng.choice(["", "", "RECURSIVE "])
        some = [
            f"{rng.choice(['names_open', 'names_secret', 'names_no'])} AS ({_query(rng, depth - 1)})"
            for _ in range(rng.randint(1, 2))
        ]
        return f"WITH {recursive}{', '.join(some)} SELECT v FROM {name} AS x"
    if kind < 0.85:
        return f"SELECT v FROM ({_query(rng, depth - 1)}) AS x"
    return f"SELECT v FROM {name} WHERE v IN ({_query(rng, depth - 1)}) OR 1 = 1"


@pytest.mark.server
@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
def test_no_nesting_of_withs_opens_a_table_that_is_left_out(kind, request):
    url = request.getfixturevalue(f"{kind}_url")
    rng = random.Random(5)
    queries = {_query(rng, 4) for _ in range(1500)}
    queries.add(
        "WITH names_secret AS (SELECT 'no' AS v) "
        "SELECT v FROM (WITH x AS (SELECT v FROM names_secret) SELECT v FROM x) AS y"
    )
    make = [f"CREATE TABLE names_{name} AS SELECT CAST('{name}' AS CHAR(6)) AS v" for name in ("open", "secret")]
    with _there(url, make, ["DROP TABLE names_open", "DROP TABLE names_secret"]) as execution:
        read = read_database(url, tables=["names_open"])
        permits = {sql: check(sql, dialect=read.dialect, database=read) for sql in sorted(queries)}
        answers = {sql: execution.run(permit.sql) for sql, permit in permits.items() if permit.allowed}
    assert sum(result.rows != [] for result in answers.values()) > 25
    assert [sql for sql, result in answers.items() if any("secret" in row[0] for row in result.rows)] == []


@pytest.mark.server
def test_tables_and_databases_of_mysql_that_differ_in_case_are_told_apart(mariadb_url):
    make = [
        "CREATE TABLE names_item AS SELECT 'open' AS v",
        "CREATE TABLE NAMES_ITEM AS SELECT 'secret' AS v",
        "CREATE DATABASE SHOP",
        "CREATE TABLE SHOP.names_item AS SELECT 'secret' AS v",
        "CREATE TABLE `DUAL` AS SELECT 'secret' AS v",
    ]
    gone = ["DROP TABLE IF EXISTS names_item, NAMES_ITEM, `DUAL`", "DROP DATABASE SHOP"]
    with _there(mariadb_url, make, gone) as execution:
        read = read_database(mariadb_url, tables=["names_item"])
        read = Database(read.name, tuple(table for table in read.tables if table.name == "names_item"), "mysql")
        for sql in (
            "SELECT v FROM names_item",
            "SELECT NAMES_ITEM.v FROM NAMES_ITEM",
            "SELECT Names_Item.v FROM SHOP.Names_Item WHERE Names_Item.v > ''",
            "SELECT i.v FROM SHOP.names_item AS i",
            "SELECT 'open' FROM DUAL WHERE 1 < 2",
            "SELECT 'open' WHERE EXISTS (SELECT 1 FROM Dual)",
        ):
            permit = check(sql, dialect="mysql", database=read)
            assert permit.allowed, permit.reason
            assert execution.run(permit.sql).rows == [("open",)], (permit.sql, execution.run(permit.sql).error)


@pytest.mark.server
def test_a_function_that_looks_like_a_column_is_not_called(postgres_url):
    make = [
        "CREATE TABLE names_open (id INTEGER)",
        "INSERT INTO names_open VALUES (7)",
        "CREATE FUNCTION names_peek(names_open) RETURNS text LANGUAGE sql AS $$ SELECT 'called' $$",
    ]
    with _there(postgres_url, make, ["DROP TABLE names_open CASCADE"]) as execution:
        read = read_database(postgres_url, tables=["names_open"])
        for sql in (
            "SELECT names_open.names_peek FROM names_open",
            "SELECT x.names_peek FROM (SELECT * FROM names_open) AS x",
            "WITH c AS (SELECT id FROM names_open) SELECT c.names_peek FROM c",
        ):
            assert execution.run(sql).rows == [("called",)]
            assert "has no column" in check(sql, dialect="postgres", database=read).reason


@pytest.mark.server
def test_the_names_that_postgres_gives_by_itself_are_known(postgres_url):
    make = ["CREATE TABLE item AS SELECT 1 AS id", "CREATE TABLE other AS SELECT 1 AS peek"]
    with _there(postgres_url, make, ["DROP TABLE item, other"]) as execution:
        for sql in NAMED:
            permit = check(sql, dialect="postgres", database=_two_tables())
            assert execution.run(permit.sql).error == "", permit.sql
