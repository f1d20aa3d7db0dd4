"""The hostile SQL of hostile.tsv, and the databases that it is let loose on."""

import hashlib
import re
import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy

FILE = Path(__file__).parent / "execution" / "hostile.tsv"
DIALECTS = ("sqlite", "mysql", "postgres")
MARKS = ("refused", "guard only", "passes")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\"}


@dataclass(frozen=True)
class Case:
    """One line: what to run on a dialect, and what is to hold it."""

    line: int
    mark: str
    why: str
    sql: str

    def text(self, folder):
        return self.sql.replace("{folder}", str(folder))


def cases(dialect):
    """The lines for one dialect."""
    found = []
    for number, line in enumerate(FILE.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        for_dialect, mark, why, sql = line.split("\t")
        assert for_dialect in (*DIALECTS, "all") and mark in MARKS, f"hostile.tsv, line {number}"
        if for_dialect in (dialect, "all"):
            plain = re.sub(
                r"\\([ntr0\\])|\\u([0-9a-f]{4})", lambda m: _ESCAPES[m[1]] if m[1] else chr(int(m[2], 16)), sql
            )
            found.append(Case(number, mark, why, plain))
    return found


@dataclass(frozen=True)
class Victim:
    """A database with things to lose: its URL for each role, a folder that it may write to, and its ``state()``."""

    urls: dict
    folder: Path
    state: object


TABLES = [
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(100), price DECIMAL(8, 2))",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES item (id))",
    "INSERT INTO item VALUES " + ", ".join(f"({n}, 'name {n}', {n / 4})" for n in range(1, 61)),
    "INSERT INTO orders VALUES " + ", ".join(f"({n}, {n % 60 + 1})" for n in range(1, 61)),
    "CREATE VIEW cheap AS SELECT * FROM item WHERE price < 2",
]
READER = "reader"
_PASSWORD = "only-reads-1"
_RAW = {"no_parameters": True}  # percent signs are what they are


@contextmanager
def victim(dialect, server_url=None):
    """The database of a dialect while the block runs."""
    with _folder() as folder:
        make = {"sqlite": _sqlite, "mysql": _mysql, "postgres": _postgres}[dialect]
        with make(folder) if dialect == "sqlite" else make(folder, sqlalchemy.make_url(server_url)) as made:
            yield made


@pytest.fixture(
    scope="module", params=["sqlite", *(pytest.param(name, marks=pytest.mark.server) for name in DIALECTS[1:])]
)
def prey(request):
    """A dialect and its database with things to lose."""
    servers = {"mysql": "mariadb_url", "postgres": "postgres_url"}
    url = request.getfixturevalue(servers[request.param]) if request.param in servers else None
    with victim(request.param, url) as made:
        yield request.param, made


@contextmanager
def _folder():
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    folder.chmod(0o777)  # the servers run as users of their own
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _files(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@contextmanager
def _sqlite(folder):
    path = folder / "hostile.sqlite"
    connection = sqlite3.connect(path)
    for statement in [*TABLES, "CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)"]:
        connection.execute(statement)
    connection.commit()
    connection.close()
    yield Victim({"all rights": str(path)}, folder, lambda: _files(folder))


@contextmanager
def _made(url, statements, gone):
    """The statements run by the owner of a database ``hostile``, and what is left taken away after the block."""
    own = url.set(database="hostile")
    server = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    engine = sqlalchemy.create_engine(own, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    try:
        with server.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE hostile")
        with engine.connect() as owner:
            for statement in statements:
                owner.exec_driver_sql(statement, execution_options=_RAW)
        yield engine
    finally:
        engine.dispose()
        with server.connect() as connection:
            for statement in gone:
                connection.exec_driver_sql(statement, execution_options=_RAW)


def _urls(url):
    roles = {"all rights": url, "SELECT only": url.set(username=READER, password=_PASSWORD)}
    return {role: one.set(database="hostile").render_as_string(hide_password=False) for role, one in roles.items()}


@contextmanager
def _mysql(folder, url):
    statements = [
        *TABLES,
        "CREATE SEQUENCE ticket",
        "CREATE PROCEDURE wipe() DELETE FROM item",
        "CREATE FUNCTION wiping() RETURNS INT BEGIN DELETE FROM item; RETURN 1; END",
        f"CREATE USER {READER}@'%' IDENTIFIED BY '{_PASSWORD}'",
        f"GRANT SELECT ON hostile.* TO {READER}@'%'",
    ]
    names = {
        "tables": "SELECT table_schema, table_name, table_type, table_comment FROM information_schema.tables",
        "columns": "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = "
        "'hostile'",
        "routines": "SELECT routine_name, routine_definition FROM information_schema.routines",
        "triggers": "SELECT trigger_name FROM information_schema.triggers",
        "events": "SELECT event_name FROM information_schema.events",
        "indexes": "SELECT index_name FROM information_schema.statistics WHERE table_schema = 'hostile'",
        "databases": "SHOW DATABASES",
        "rights": "SELECT user, host, priv FROM mysql.global_priv",
        "rights on databases": "SELECT * FROM mysql.db",
        "rights on tables": "SELECT * FROM mysql.tables_priv",
        "plugins": "SELECT plugin_name FROM information_schema.plugins",
        "servers": "SELECT * FROM mysql.servers",
        "functions": "SELECT * FROM mysql.func",
        "sequence": "SELECT next_not_cached_value, cycle_count FROM hostile.ticket",
        "settings": "SHOW GLOBAL VARIABLES WHERE variable_name NOT LIKE 'gtid%'",
    }
    with _made(url, statements, [f"DROP USER {READER}@'%'", "DROP DATABASE hostile"]) as engine:

        def state():
            with engine.connect() as owner:
                found = {what: _rows(owner, sql) for what, sql in names.items()}
                tables = [row[1] for row in found["tables"] if row[0] == "hostile" and row[2] == "BASE TABLE"]
                found["sums"] = [_rows(owner, f"CHECKSUM TABLE hostile.`{table}`") for table in tables]
            return found | {"files": _files(folder)}

        yield Victim(_urls(url), folder, state)


@contextmanager
def _postgres(folder, url):
    statements = [
        *TABLES,
        "CREATE MATERIALIZED VIEW dear AS SELECT * FROM item WHERE price > 10",
        "CREATE SEQUENCE ticket",
        "CREATE PROCEDURE wipe() LANGUAGE sql AS 'DELETE FROM item'",
        "CREATE FUNCTION wiping() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM item; SELECT 1'",
        "SELECT lo_from_bytea(4711, 'treasure')",
        f"CREATE ROLE {READER} LOGIN PASSWORD '{_PASSWORD}'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}",
    ]
    mine = "NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$')"
    names = {
        "relations": f"SELECT relname, relkind, relfilenode FROM pg_class WHERE relnamespace {mine}",
        "columns": "SELECT attrelid, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE "
        f"relnamespace {mine})",
        "sums": "SELECT (SELECT md5(string_agg(item::text, ',' ORDER BY id)) FROM item), "
        "(SELECT md5(string_agg(orders::text, ',' ORDER BY id)) FROM orders), "
        "(SELECT md5(string_agg(dear::text, ',' ORDER BY id)) FROM dear)",
        "sequences": "SELECT last_value, is_called FROM ticket",
        "functions": f"SELECT proname, prosrc FROM pg_proc WHERE pronamespace {mine}",
        "triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "event triggers": "SELECT evtname FROM pg_event_trigger",
        "rules": "SELECT rulename FROM pg_rewrite",
        "schemas": "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_'",
        "roles": "SELECT rolname, rolsuper, rolpassword FROM pg_authid",
        "databases": "SELECT datname FROM pg_database",
        "rights": "SELECT relname, relacl::text, relowner FROM pg_class WHERE relacl IS NOT NULL",
        "large objects": "SELECT loid, pageno, md5(data) FROM pg_largeobject",
        "extensions": "SELECT extname FROM pg_extension",
        "comments": "SELECT objoid, description FROM pg_description WHERE objoid >= 16384",
        "settings": "SELECT name, setting FROM pg_settings WHERE source NOT IN ('session', 'client')",
        "settings of roles": "SELECT * FROM pg_db_role_setting",
        "slots": "SELECT slot_name FROM pg_replication_slots",
        "origins": "SELECT roname FROM pg_replication_origin",
        "prepared": "SELECT gid FROM pg_prepared_xacts",
        "statistics": "SELECT starelid, staattnum FROM pg_statistic WHERE starelid >= 16384",
    }
    gone = ["DROP DATABASE hostile WITH (FORCE)", f"DROP ROLE {READER}"]
    with _made(url, statements, gone) as engine:
        # What the server would do by itself in the meantime.
        with engine.connect() as owner:
            for table in ("item", "orders", "dear"):
                owner.exec_driver_sql(f"ANALYZE {table}")

        def state():
            with engine.connect() as owner:
                return {what: _rows(owner, sql) for what, sql in names.items()} | {"files": _files(folder)}

        yield Victim(_urls(url), folder, state)


def _rows(connection, sql):
    rows = connection.exec_driver_sql(sql, execution_options=_RAW)
    return sorted(tuple(map(str, row)) for row in rows)
