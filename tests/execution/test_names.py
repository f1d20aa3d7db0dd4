import json
import sqlite3
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
    ("mysql", ["orders"], "SELECT 1 FROM dual", ["dual"]),
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
