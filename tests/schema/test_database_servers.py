"""MariaDB and PostgreSQL, real ones: see tests/servers.py."""

import re
import time

import psycopg
import pymysql
import pytest
import sqlalchemy
from sqlalchemy import event

from servers import PASSWORD
from sqlfocus.errors import UserError
from sqlfocus.schema.database import read_database
from sqlfocus.schema.ddl import parse_ddl
from sqlfocus.schema.mschema import ForeignKey

pytestmark = pytest.mark.server

MARIADB = """
CREATE DATABASE sales CHARACTER SET utf8mb4;
CREATE DATABASE hr CHARACTER SET utf8mb4;
CREATE TABLE hr.people (id INT PRIMARY KEY, name VARCHAR(40) COMMENT '姓名') COMMENT '人员';
CREATE TABLE sales.people (pid INT PRIMARY KEY, nick TEXT);
CREATE TABLE sales.orders (
  year INT, no INT COMMENT '编号', buyer INT, seller INT, total DECIMAL(10, 2), placed DATETIME, ok BOOLEAN,
  kind ENUM('a', 'b'), scan BLOB, `odd, name` VARCHAR(50), PRIMARY KEY (year, no),
  FOREIGN KEY (buyer) REFERENCES people (pid), FOREIGN KEY (seller) REFERENCES hr.people (id)
) COMMENT '订单表';
CREATE TABLE sales.items (
  year INT, no INT, line INT, PRIMARY KEY (year, no, line), FOREIGN KEY (year, no) REFERENCES orders (year, no)
);
INSERT INTO sales.people VALUES (1, 'Li'), (2, 'Wang, Mei');
INSERT INTO hr.people VALUES (7, '张三'), (8, '李四');
INSERT INTO sales.orders VALUES (2024, 1, 1, 7, 12.50, '2024-01-02 03:04:05', 1, 'a', 'abc', '50% off'),
                                (2024, 2, 2, 8, 3, '2024-02-02 03:04:05', 0, 'b', 'def', 'x');
CREATE VIEW sales.totals AS SELECT year, SUM(total) AS total FROM sales.orders GROUP BY year;
CREATE VIEW sales.broken AS SELECT pid FROM sales.people;
ALTER TABLE sales.people RENAME COLUMN pid TO person_id;
"""
POSTGRES = """
CREATE SCHEMA sales;
CREATE SCHEMA hr;
CREATE TABLE hr.people (id INT PRIMARY KEY, name VARCHAR(40));
COMMENT ON COLUMN hr.people.name IS '姓名';
COMMENT ON TABLE hr.people IS '人员';
CREATE TABLE sales.people (person_id INT PRIMARY KEY, nick TEXT);
CREATE TYPE sales.kind AS ENUM ('a', 'b');
CREATE TABLE sales.orders (
  year INT, no INT, buyer INT REFERENCES sales.people, seller INT REFERENCES hr.people, total NUMERIC(10, 2),
  placed TIMESTAMP, ok BOOLEAN, kind sales.kind, scan BYTEA, "odd, name" VARCHAR(50), PRIMARY KEY (year, no)
);
COMMENT ON TABLE sales.orders IS '订单表';
COMMENT ON COLUMN sales.orders.no IS '编号';
CREATE TABLE sales.items (
  year INT, no INT, line INT, PRIMARY KEY (year, no, line), FOREIGN KEY (year, no) REFERENCES sales.orders (year, no)
);
INSERT INTO sales.people VALUES (1, 'Li'), (2, 'Wang, Mei');
INSERT INTO hr.people VALUES (7, '张三'), (8, '李四');
INSERT INTO sales.orders VALUES (2024, 1, 1, 7, 12.50, '2024-01-02 03:04:05', true, 'a', 'abc', '50% off'),
                                (2024, 2, 2, 8, 3, '2024-02-02 03:04:05', false, 'b', 'def', 'x');
CREATE VIEW sales.totals AS SELECT year, SUM(total) AS total FROM sales.orders GROUP BY year;
CREATE MATERIALIZED VIEW sales.stored AS SELECT nick FROM sales.people;
CREATE VIEW sales.broken AS SELECT 1 / (person_id - person_id) AS oops, person_id FROM sales.people;
"""


def execute(url, script):
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def execute_one(url, statement):
    """For a statement with a semicolon inside."""
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@pytest.fixture(scope="module")
def mariadb(mariadb_url):
    """The URL of a server with the databases ``sales`` and ``hr``."""
    execute(mariadb_url, MARIADB)
    yield mariadb_url.replace("/shop", "/sales")
    execute(mariadb_url, "DROP DATABASE sales; DROP DATABASE hr")


@pytest.fixture(scope="module")
def postgres(postgres_url):
    """The URL of a database with the schemas ``sales`` and ``hr``; ``public`` is the default."""
    execute(postgres_url, POSTGRES)
    yield postgres_url
    execute(postgres_url, "DROP SCHEMA sales CASCADE; DROP SCHEMA hr CASCADE")


@pytest.fixture(params=["mariadb", "postgres"])
def database(request):
    """The schema ``sales`` of both."""
    url = request.getfixturevalue(request.param)
    return read_database(url, schema="sales")


def table(database, name):
    return next(table for table in database.tables if table.name == name)


def test_comments_keys_values_and_types(database):
    orders = table(database, "orders")
    assert (orders.schema, orders.comment) == ("sales", "订单表")
    columns = {column.name: column for column in orders.columns}
    assert [name for name, column in columns.items() if column.primary_key] == ["year", "no"]
    assert columns["no"].comment == "编号"
    assert columns["year"].examples == ("2024",)
    assert columns["total"].examples == ("12.5", "3.0")
    assert columns["placed"].examples == ("2024-01-02 03:04:05",)
    assert columns["ok"].examples in (("1", "0"), ("True", "False"))
    assert columns["kind"].examples == ("a", "b")
    assert columns["scan"].examples == ()
    assert columns["odd, name"].examples == ("50% off", "x")
    assert '(nick:TEXT, Examples: [Li, "Wang, Mei"])' in database.mschema()


def test_composite_foreign_keys_and_keys_to_another_schema(database):
    assert table(database, "items").foreign_keys == (ForeignKey(("year", "no"), "orders", ("year", "no")),)
    keys = table(database, "orders").foreign_keys
    assert ForeignKey(("seller",), "people", ("id",), "hr") in keys
    # It refers to a table that is not shown, and a line without its schema would name another.
    lines = database.mschema().split("【Foreign keys】\n")[1].split("\n")
    assert sorted(lines) == ["items.no=orders.no", "items.year=orders.year", "orders.buyer=people.person_id"] or sorted(
        lines
    ) == ["items.no=orders.no", "items.year=orders.year"]


def test_views_are_tables(database):
    totals = table(database, "totals")
    assert [column.examples for column in totals.columns] == [("2024",), ("15.5",)]


def test_tables_of_one_name_in_two_schemas_do_not_mix(mariadb, postgres):
    for url in (mariadb, postgres):
        (hr,) = read_database(url, schema="hr").tables
        assert [column.name for column in hr.columns] == ["id", "name"]
        assert (hr.comment, hr.columns[1].comment, hr.columns[1].examples) == ("人员", "姓名", ("张三", "李四"))
        sales = table(read_database(url, schema="sales"), "people")
        assert [column.name for column in sales.columns] == ["person_id", "nick"]


def test_without_a_schema_the_connections_own_is_read_and_not_named(mariadb, postgres):
    assert "# Table: orders, 订单表\n" in read_database(mariadb).mschema()
    execute(postgres, "CREATE TABLE public.one (a INT); CREATE TABLE hr.two (a INT)")
    database = read_database(postgres)
    execute(postgres, "DROP TABLE public.one; DROP TABLE hr.two")
    assert [(table.schema, table.name) for table in database.tables] == [("", "one")]


def test_materialized_views_are_tables(postgres):
    assert table(read_database(postgres, schema="sales"), "stored").columns[0].examples == ("Li", "Wang, Mei")


def test_a_broken_view_is_left_out_as_far_as_it_is_broken(mariadb, postgres):
    database = read_database(mariadb)
    assert "broken" not in [table.name for table in database.tables]
    (warning,) = database.warnings
    assert re.match(r"broken: left out, its columns cannot be read \(.*sales.broken.*\)$", warning)
    database = read_database(postgres, schema="sales")
    assert [(column.name, column.examples) for column in table(database, "broken").columns] == [
        ("oops", ()),
        ("person_id", ("1", "2")),
    ]
    assert database.warnings == ("sales.broken.oops: no values shown, they cannot be read (division by zero)",)


def test_system_schemas_are_never_read(mariadb, postgres):
    for url, names in (
        (mariadb, ("mysql", "information_schema", "SYS")),
        (postgres, ("pg_catalog", "information_schema")),
    ):
        for name in names:
            with pytest.raises(UserError, match=f"{name} is a system schema, which is never read"):
                read_database(url, schema=name)
        with pytest.raises(UserError) as error:
            read_database(url, schema="nope")
        there = str(error.value).split("there are ")[1].split(", ")
        assert {"hr", "sales"} <= set(there) <= {"hr", "sales", "shop", "public"}
    with pytest.raises(UserError, match="mysql is a system schema"):
        read_database(mariadb.replace("/sales", "/mysql"))


def test_a_table_or_column_without_permission_is_left_out(mariadb, postgres):
    execute(mariadb, f"CREATE USER low IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON sales.people TO low")
    execute(mariadb, "GRANT INSERT ON sales.items TO low; GRANT SELECT (year) ON sales.orders TO low")
    database = read_database(mariadb.replace("tester:", "low:"))
    execute(mariadb, "DROP USER low")
    # MariaDB does not tell of columns without a right.
    assert [(t.name, len(t.columns)) for t in database.tables] == [("orders", 1), ("people", 2)]
    assert [warning.split(" (")[0] for warning in database.warnings] == ["items: left out, cannot be read"]

    execute(postgres, f"CREATE USER low PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA sales TO low")
    execute(postgres, "GRANT SELECT ON sales.people TO low; GRANT SELECT (year, no) ON sales.orders TO low")
    low = postgres.replace("tester:", "low:")
    for max_values in (3, 0):
        database = read_database(low, schema="sales", tables=["people", "orders", "items"], max_values=max_values)
        assert [(t.name, len(t.columns)) for t in database.tables] == [("orders", 2), ("people", 2)]
        assert database.warnings[0] == "sales.items: left out, cannot be read (permission denied for table items)"
        assert "sales.orders.buyer: left out, cannot be read (permission denied for table orders)" in database.warnings
        assert "buyer" not in database.mschema()
    execute(postgres, "DROP OWNED BY low; DROP USER low")


def test_tables_are_sampled_together_in_few_round_trips(mariadb, postgres, monkeypatch):
    """50 tables take as many as 10 do."""
    seen = []
    query, pipeline = pymysql.connections.Connection.query, psycopg.Connection.pipeline
    monkeypatch.setattr(pymysql.connections.Connection, "query", lambda *args: seen.append("query") or query(*args))
    monkeypatch.setattr(psycopg.Connection, "pipeline", lambda *args: seen.append("pipeline") or pipeline(*args))

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    many = [f"CREATE TABLE many.t{n} AS SELECT 1 AS a, 'x' AS b FROM sales.people" for n in range(50)]
    for url in (mariadb, postgres):
        execute(url, ";".join(["CREATE SCHEMA many", *many]))
        counts = []
        for tables in (["t?"], ["t*"]):
            seen.clear()
            found = read_database(url, schema="many", tables=tables).tables
            assert [table.columns[1].examples for table in found] == [("x",)] * (10 if tables == ["t?"] else 50)
            assert ("query" if url == mariadb else "pipeline") in seen
            counts.append(len(seen))
        assert counts[0] == counts[1]
        execute(url, "DROP SCHEMA many" + (" CASCADE" if url == postgres else ""))
    event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def test_values_after_the_first_rows_are_found_in_the_order_of_the_rows(mariadb, postgres):
    """The index would give the rarer value first, and DISTINCT would take A for a."""
    make = """
    CREATE TABLE sales.late (id INT PRIMARY KEY, kind VARCHAR(5) {collate}, code INT, note TEXT, b INT);
    INSERT INTO sales.late SELECT {n}, CASE WHEN {n} = 500 THEN 'a' WHEN {n} > 900 THEN 'A' WHEN {n} > 600 THEN NULL
        ELSE 'b' END, CASE WHEN {n} > 20 THEN 1 ELSE 2 END, CASE WHEN {n} = 999 THEN 'end' END, 5 FROM {numbers};
    CREATE INDEX late_kind ON sales.late (kind, code, b)
    """
    words = {
        mariadb: {"n": "seq", "numbers": "sales.seq_1_to_5000", "collate": "COLLATE utf8mb4_general_ci"},
        postgres: {"n": "n", "numbers": "generate_series(1, 5000) AS n", "collate": ""},
    }
    for url in (mariadb, postgres):
        execute(url, make.format(**words[url]))
        (late,) = read_database(url, schema="sales", tables=["late"]).tables
        execute(url, "DROP TABLE sales.late")
        assert [column.examples for column in late.columns] == [
            ("1", "2", "3"),
            ("b", "a", "A"),
            ("2", "1"),
            ("end",),
            ("5",),
        ]


def test_names_that_are_sql_reach_the_server_as_names(mariadb, postgres):
    for url, quote in ((mariadb, "`"), (postgres, '"')):
        table = f"a; DROP TABLE people; -- 100% {quote * 2} '"
        column = f"%s {quote * 2}; %(x)s ''"
        execute_one(url, f"CREATE TABLE sales.{quote}{table}{quote} ({quote}{column}{quote} INT)")
        execute_one(url, f"INSERT INTO sales.{quote}{table}{quote} VALUES (7)")
        found = read_database(url, schema="sales", tables=["a; DROP*", "people"])
        execute_one(url, f"DROP TABLE sales.{quote}{table}{quote}")
        assert found.warnings == ()
        odd, people = found.tables
        assert (odd.name, odd.columns[0].name) == (table.replace(quote * 2, quote), column.replace(quote * 2, quote))
        assert (odd.columns[0].examples, people.columns[1].examples) == (("7",), ("Li", "Wang, Mei"))


def test_a_table_that_cannot_be_read_costs_the_others_nothing(mariadb, postgres):
    """They are read together; here one of each kind of failure among them."""
    execute(postgres, "CREATE TABLE sales.far (a DATE, b INT); INSERT INTO sales.far VALUES ('infinity', 5)")
    execute(mariadb, f"CREATE USER low IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON sales.people TO low")
    execute(mariadb, "GRANT INSERT ON sales.items TO low")
    try:
        for url, tables in ((postgres, ["far", "people"]), (mariadb.replace("tester:", "low:"), ["items", "people"])):
            database = read_database(url, schema="sales", tables=tables)
            assert table(database, "people").columns[1].examples == ("Li", "Wang, Mei")
            assert len(database.warnings) == 1
    finally:
        execute(postgres, "DROP TABLE sales.far")
        execute(mariadb, "DROP USER low")


def test_a_lost_connection_is_said(mariadb, monkeypatch):
    from sqlfocus.schema import database as module

    def lost(connection):
        own = connection.connection.cursor()
        own.execute("SELECT CONNECTION_ID()")
        execute(mariadb, f"KILL {own.fetchone()[0]}")

    monkeypatch.setattr(module, "limit_time", lost)
    with pytest.raises(UserError, match=r"/sales: the connection was lost \(.*\); try again"):
        read_database(mariadb)


def test_mysqls_times_and_bits_are_shown_as_it_writes_them(mariadb):
    execute(
        mariadb,
        "CREATE TABLE sales.clock (a TIME, b TIME(6), c TIME(2), d BIT(1), e BIT(9));"
        "INSERT INTO sales.clock VALUES ('00:01:02', '09:00:00.25', '-30:00:05.75', 1, 300), (NULL, NULL, NULL, 0, 1)",
    )
    (clock,) = read_database(mariadb, tables=["clock"]).tables
    execute(mariadb, "DROP TABLE sales.clock")
    assert [column.examples for column in clock.columns] == [
        ("00:01:02",),
        ("09:00:00.250000",),
        ("-30:00:05.750000",),
        ("1", "0"),
        ("300", "1"),
    ]


def test_mariadbs_tables_with_history_are_tables_and_types_have_no_collation(mariadb):
    execute(
        mariadb,
        "CREATE TABLE sales.kept (id INT, note TEXT COLLATE utf8mb4_bin COMMENT '备注') COMMENT '历史' "
        "WITH SYSTEM VERSIONING; INSERT INTO sales.kept VALUES (1, 'x')",
    )
    text = read_database(mariadb, tables=["kept"]).mschema()
    execute(mariadb, "DROP TABLE sales.kept")
    assert text.split("\n")[2:] == [
        "# Table: kept, 历史",
        "[",
        "(id:INTEGER, Examples: [1]),",
        "(note:TEXT, 备注, Examples: [x])",
        "]",
    ]


def test_a_big_table_is_not_read_whole(mariadb, postgres):
    execute(mariadb, "CREATE TABLE sales.big (id INT PRIMARY KEY, few INT, note TEXT)")
    execute(mariadb, "INSERT INTO sales.big SELECT seq, 1, REPEAT('x', 900) FROM sales.seq_1_to_20000")
    execute(
        postgres,
        "CREATE TABLE sales.big AS SELECT i AS id, 1 AS few, repeat('x', 900) AS note FROM generate_series(1, 50000) i",
    )
    for url in (mariadb, postgres):
        start = time.monotonic()
        (big,) = read_database(url, schema="sales", tables=["big"]).tables
        assert time.monotonic() - start < 10
        assert [column.examples for column in big.columns] == [("1", "2", "3"), ("1",), ()]
        execute(url, "DROP TABLE sales.big")


def test_a_view_that_does_not_end_is_given_up(mariadb, postgres, monkeypatch):
    monkeypatch.setattr("sqlfocus.schema.sampling.SECONDS", 1)
    execute(mariadb, "CREATE VIEW sales.slow AS SELECT SUM(seq % 7) AS n FROM sales.seq_1_to_10000000000")
    execute(postgres, "CREATE VIEW sales.slow AS SELECT count(*) AS n FROM generate_series(1, 10000000000) i")
    for url in (mariadb, postgres):
        database = read_database(url, schema="sales", tables=["slow", "people"])
        execute(url, "DROP VIEW sales.slow")
        assert [t.name for t in database.tables] == ["people", "slow"]
        assert database.warnings == ("sales.slow: no values shown, reading took more than 1 seconds",)


def test_types_that_sqlalchemy_does_not_know_have_the_servers_name(mariadb, postgres):
    execute(mariadb, "CREATE TABLE sales.odd (a GEOMETRY, b INT); INSERT INTO sales.odd VALUES (POINT(1, 2), 5)")
    execute(
        postgres, "CREATE TABLE sales.odd (a POINT, b INT, c XML); INSERT INTO sales.odd VALUES ('(1,2)', 5, '<a/>')"
    )
    for url, lines in (
        (mariadb, ["(a:GEOMETRY),", "(b:INTEGER, Examples: [5])"]),
        (postgres, ['(a:POINT, Examples: ["(1,2)"]),', "(b:INTEGER, Examples: [5]),", "(c:XML, Examples: [<a/>])"]),
    ):
        database = read_database(url, schema="sales", tables=["odd"])
        execute(url, "DROP TABLE sales.odd")
        assert database.mschema().split("[\n")[1].split("\n]")[0].split("\n") == lines
        assert database.warnings == ()


def test_a_type_with_a_size_that_sqlalchemy_does_not_know_has_the_servers_name(mariadb, monkeypatch):
    """As VECTOR(3) of MariaDB 11.7 and MySQL 9 is; here SQLAlchemy forgets one that every server has."""
    monkeypatch.delitem(sqlalchemy.dialects.mysql.dialect.ischema_names, "varbinary")
    execute(mariadb, "CREATE TABLE sales.odd (a VARBINARY(3), b INT); INSERT INTO sales.odd VALUES ('abc', 5)")
    database = read_database(mariadb, schema="sales", tables=["odd"])
    execute(mariadb, "DROP TABLE sales.odd")
    assert [(column.name, column.type) for column in database.tables[0].columns] == [
        ("a", "varbinary"),
        ("b", "INTEGER"),
    ]
    assert database.warnings == ()


@pytest.mark.parametrize("rights", ["*", "odd"])
def test_a_unique_index_is_no_primary_key(mariadb, rights):
    """MySQL calls the first that has no NULL so where a table has no primary key; who may only SELECT sees it too."""
    execute(
        mariadb,
        "CREATE TABLE sales.odd (a INT NOT NULL UNIQUE, b INT); CREATE TABLE sales.even (a INT, b INT, c INT UNIQUE, "
        f"PRIMARY KEY (b, a)); CREATE USER low IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON sales.{rights} TO low",
    )
    if rights != "*":
        execute(mariadb, "GRANT SELECT ON sales.even TO low")
    try:
        for url in (mariadb, mariadb.replace("tester:", "low:")):
            tables = read_database(url, schema="sales", tables=["odd", "even"]).tables
            keys = {table.name: [column.name for column in table.columns if column.primary_key] for table in tables}
            assert keys == {"odd": [], "even": ["a", "b"]}
    finally:
        execute(mariadb, "DROP TABLE sales.odd; DROP TABLE sales.even; DROP USER low")


def test_values_that_python_cannot_hold_cost_their_column_only(postgres):
    execute(postgres, "CREATE TABLE sales.far (a DATE, b INT); INSERT INTO sales.far VALUES ('infinity', 5)")
    database = read_database(postgres, schema="sales", tables=["far"])
    execute(postgres, "DROP TABLE sales.far")
    assert [(c.name, c.examples) for c in database.tables[0].columns] == [("a", ()), ("b", ("5",))]
    assert database.warnings[0].startswith("sales.far.a: no values shown, they cannot be read (")


TYPES = {
    "postgres": """CREATE TABLE kinds (
 a int, a2 int2, a8 int8, s serial, bs bigserial, f4 real, f8 float8, f float, d double precision, n numeric(10,2),
 de decimal, b bool, c char(3), c1 character(4), v varchar(20), cv character varying(30), t text, bt bit(3),
 vb bit varying(4), ts timestamp, ts6 timestamp(6) without time zone, tz timestamptz, tz2 timestamp with time zone,
 ti time, tt time with time zone, da date, iv interval, iv2 interval year to month, j json, jb jsonb, u uuid, x xml,
 m money, i inet, ar text[], ar2 int[][], by bytea, p point, o oid)""",
    "mysql": """CREATE TABLE kinds (
 a int, a2 int(11) unsigned zerofill, a8 bigint, t1 tinyint, b bool, b2 boolean, s smallint, m mediumint, f float,
 f2 float(7,3), d double, dp double precision, r real, n numeric(10,2), de decimal, c char(3),
 v varchar(20) character set utf8mb4, te text, lt longtext, bi binary(3), vb varbinary(4), bl blob, lb longblob,
 da date, ti time, dt datetime, dt6 datetime(6), ts timestamp, y year, e enum('a','b'), st set('x','y'), bt bit(3),
 g geometry, i8 int8, ch character varying(10))""",
}


@pytest.mark.parametrize("dialect", ["mysql", "postgres"])
def test_ddl_and_server_call_types_the_same(request, dialect):
    url = request.getfixturevalue({"mysql": "mariadb_url", "postgres": "postgres_url"}[dialect])
    execute(url, TYPES[dialect])
    live = read_database(url, tables=["kinds"], max_values=0)
    execute(url, "DROP TABLE kinds")
    assert live.warnings == ()
    assert parse_ddl(TYPES[dialect], dialect=dialect, name="shop").mschema() == live.mschema()


def test_the_session_only_reads(mariadb, postgres):
    from sqlfocus.schema.connect import connect, open_engine

    for url in (mariadb, postgres):
        engine, _ = open_engine(url)
        with connect(engine) as connection, pytest.raises(sqlalchemy.exc.DBAPIError, match=r"(?i)read.only"):
            connection.exec_driver_sql("INSERT INTO sales.people VALUES (9, 'x')")


@pytest.mark.parametrize("server", ["mariadb", "postgres"])
def test_a_refused_connection_is_one_line_without_the_password(request, server):
    url = request.getfixturevalue(f"{server}_url")
    for wrong, said in (
        (
            url.replace(PASSWORD, "wr0ng-secret"),
            r"tester@127.0.0.1:\d+/shop: cannot connect \(.*(denied|authentication)",
        ),
        (url.replace("/shop", "/nope"), r"/nope: cannot connect \(.*nope"),
        (re.sub(r":\d+/", ":1/", url), r"127.0.0.1:1/shop: cannot connect \(.*refused"),
        (url.replace("127.0.0.1", "no.such.host.invalid"), r"no.such.host.invalid:\d+/shop: cannot connect \("),
    ):
        with pytest.raises(UserError, match=said) as error:
            read_database(wrong)
        text = str(error.value)
        assert "\n" not in text and PASSWORD not in text and "wr0ng" not in text
        assert text.endswith("check that the server runs, and host, port, user, password and name")


def test_plain_urls_are_taken(mariadb, postgres):
    assert read_database(mariadb.replace("mysql+pymysql", "mysql"), tables=["people"]).tables
    assert read_database(mariadb.replace("mysql+pymysql", "mariadb"), tables=["people"]).dialect == "mysql"
    assert read_database(postgres.replace("postgresql+psycopg", "postgres"), schema="hr").dialect == "postgres"
    assert read_database(postgres.replace("postgresql+psycopg", "postgresql"), schema="hr").name == "shop"
