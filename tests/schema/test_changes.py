"""SQLite, and real MariaDB and PostgreSQL servers: see tests/servers.py."""

import re
import sqlite3

import pytest
import sqlalchemy

from servers import PASSWORD
from sqlfocus.errors import UserError
from sqlfocus.schema.changes import fingerprint
from sqlfocus.schema.database import read_database

SERVERS = ["mariadb_url", "postgres_url"]


def execute(url, script):
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


MAKE = """
CREATE TABLE {s}.town (id INT PRIMARY KEY, name VARCHAR(40));
CREATE TABLE {s}.shop (id INT PRIMARY KEY, town INT, label VARCHAR(40));
CREATE TABLE {s}.spare (id INT);
CREATE TABLE {s}.only (nr INT NOT NULL);
CREATE VIEW {s}.seen AS SELECT id, name FROM {s}.town;
"""
CHANGES = {
    "mysql": {
        "a column is added": "ALTER TABLE watched.town ADD COLUMN size INT",
        "a column's type": "ALTER TABLE watched.town MODIFY COLUMN size BIGINT",
        "a type's length": "ALTER TABLE watched.town MODIFY COLUMN name VARCHAR(60)",
        "a column's name": "ALTER TABLE watched.town RENAME COLUMN size TO people",
        "a column's comment": "ALTER TABLE watched.town MODIFY COLUMN name VARCHAR(60) COMMENT '城市'",
        "another comment": "ALTER TABLE watched.town MODIFY COLUMN name VARCHAR(60) COMMENT '城镇'",
        "a table's comment": "ALTER TABLE watched.town COMMENT '城镇表'",
        "a foreign key": "ALTER TABLE watched.shop ADD CONSTRAINT f FOREIGN KEY (town) REFERENCES watched.town (id)",
        "a foreign key is gone": "ALTER TABLE watched.shop DROP FOREIGN KEY f",
        "a primary key in a unique index's place": "ALTER TABLE watched.only ADD PRIMARY KEY (nr)",
        "the primary key": "ALTER TABLE watched.shop DROP PRIMARY KEY, ADD PRIMARY KEY (id, label)",
        "a column is gone": "ALTER TABLE watched.town DROP COLUMN people",
        "a table is gone": "DROP TABLE watched.spare",
        "a table is there": "CREATE TABLE watched.extra (id INT)",
        "a table's name": "RENAME TABLE watched.extra TO watched.renamed",
        "a view's columns": "CREATE OR REPLACE VIEW watched.seen AS SELECT id FROM watched.town",
        "the order of columns": "ALTER TABLE watched.shop MODIFY COLUMN town INT AFTER label",
    },
    "postgres": {
        "a column is added": "ALTER TABLE watched.town ADD COLUMN size INT",
        "a column's type": "ALTER TABLE watched.town ALTER COLUMN size TYPE BIGINT",
        "a type's length": "ALTER TABLE watched.shop ALTER COLUMN label TYPE VARCHAR(60)",
        "a column's name": "ALTER TABLE watched.town RENAME COLUMN size TO people",
        "a column's comment": "COMMENT ON COLUMN watched.town.name IS '城市'",
        "another comment": "COMMENT ON COLUMN watched.town.name IS '城镇'",
        "a table's comment": "COMMENT ON TABLE watched.town IS '城镇表'",
        "a foreign key": "ALTER TABLE watched.shop ADD CONSTRAINT f FOREIGN KEY (town) REFERENCES watched.town (id)",
        "a foreign key is gone": "ALTER TABLE watched.shop DROP CONSTRAINT f",
        "the primary key": "ALTER TABLE watched.shop DROP CONSTRAINT shop_pkey, ADD PRIMARY KEY (id, label)",
        "a column is gone": "ALTER TABLE watched.town DROP COLUMN people",
        "a table is gone": "DROP TABLE watched.spare",
        "a table is there": "CREATE TABLE watched.extra (id INT)",
        "a table's name": "ALTER TABLE watched.extra RENAME TO renamed",
        "a view's columns": "CREATE OR REPLACE VIEW watched.seen AS SELECT id, name, 1 AS one FROM watched.town",
        "a right": "GRANT SELECT ON watched.town TO PUBLIC",
        "another role's right": "GRANT SELECT ON watched.town TO pg_monitor",
    },
}
QUIET = {
    "mysql": """
INSERT INTO watched.town VALUES (1, 'Oslo'); UPDATE watched.town SET name = 'Perth';
CREATE INDEX i ON watched.shop (label); CREATE UNIQUE INDEX u ON watched.only (nr);
ANALYZE TABLE watched.town; OPTIMIZE TABLE watched.town;
TRUNCATE TABLE watched.spare""",
    "postgres": """
INSERT INTO watched.town VALUES (1, 'Oslo'); UPDATE watched.town SET name = 'Perth';
CREATE INDEX i ON watched.shop (label); CREATE UNIQUE INDEX u ON watched.only (nr);
ANALYZE watched.town; VACUUM FULL watched.town; TRUNCATE TABLE watched.spare""",
}


@pytest.fixture(params=SERVERS)
def watched(request):
    """The URL of a server with a schema ``watched``, and its dialect."""
    url = request.getfixturevalue(request.param)
    dialect = "mysql" if "mysql" in url else "postgres"
    execute(url, "CREATE SCHEMA watched;" + MAKE.format(s="watched"))
    yield url, dialect
    execute(url, "DROP SCHEMA watched" + (" CASCADE" if dialect == "postgres" else ""))


@pytest.mark.server
def test_each_change_of_the_schema_is_seen_and_nothing_else(watched):
    url, dialect = watched
    last = fingerprint(url, schema="watched")
    execute(url, QUIET[dialect])
    assert fingerprint(url, schema="watched") == last
    seen = {last}
    for what, statement in CHANGES[dialect].items():
        execute(url, statement)
        now = fingerprint(url, schema="watched")
        assert now == fingerprint(url, schema="watched"), what
        # Only a foreign key that is gone again may bring back what was.
        assert now not in seen or (what == "a foreign key is gone" and now != last), what
        seen.add(now)
        last = now


@pytest.mark.server
def test_another_schemas_changes_are_not_ours(watched):
    url, _ = watched
    before = fingerprint(url), fingerprint(url, schema="watched")
    execute(url, "CREATE TABLE watched.extra (id INT)")
    after = fingerprint(url), fingerprint(url, schema="watched")
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


@pytest.mark.server
def test_who_may_only_select_sees_changes_of_what_is_shown(watched):
    url, dialect = watched
    if dialect == "mysql":
        execute(url, f"CREATE USER low IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON watched.* TO low")
    else:
        execute(url, f"CREATE USER low PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA watched TO low")
        execute(url, "GRANT SELECT ON ALL TABLES IN SCHEMA watched TO low")
    low = url.replace("tester:", "low:")
    if dialect == "mysql":  # a MySQL database is its schema
        low = low.replace("/shop", "/watched")
    try:
        seen = [fingerprint(low, schema="watched")]
        for what in (
            "a column is added",
            "a column's comment",
            "a table's comment",
            "a foreign key",
            "a table is gone",
        ):
            execute(url, CHANGES[dialect][what])
            seen.append(fingerprint(low, schema="watched"))
        assert len(set(seen)) == len(seen)
        keys = [key for table in read_database(low, schema="watched").tables for key in table.foreign_keys]
        assert [key.referenced_table for key in keys] == ["town"]
    finally:
        execute(url, "DROP USER low" if dialect == "mysql" else "DROP OWNED BY low; DROP USER low")


@pytest.mark.server
@pytest.mark.parametrize("server", SERVERS)
def test_what_cannot_be_asked_is_one_line_without_the_password(request, server):
    url = request.getfixturevalue(server)
    with pytest.raises(UserError, match="no schema 'nope'"):
        fingerprint(url, schema="nope")
    with pytest.raises(UserError, match="information_schema is a system schema"):
        fingerprint(url, schema="information_schema")
    with pytest.raises(UserError, match="cannot connect") as error:
        fingerprint(re.sub(r":\d+/", ":1/", url))
    assert PASSWORD not in str(error.value)


def test_sqlite(tmp_path):
    path = tmp_path / "shop.db"

    def run(script):
        connection = sqlite3.connect(path)
        connection.executescript(script)
        connection.close()

    run(MAKE.replace("{s}.", ""))
    last = fingerprint(str(path))
    run(
        "INSERT INTO town VALUES (1, 'Oslo'); CREATE INDEX i ON shop (label); ANALYZE; VACUUM; "
        "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE counted"
    )
    assert fingerprint(str(path)) == fingerprint(f"sqlite:///{path}") == last
    seen = {last}
    for statement in (
        "ALTER TABLE town ADD COLUMN size INT",
        "ALTER TABLE town ADD COLUMN people INT REFERENCES shop (id)",
        "ALTER TABLE town DROP COLUMN people; ALTER TABLE town ADD COLUMN people INT /* 人口 */",
        "DROP TABLE spare",
        "DROP VIEW seen; CREATE VIEW seen AS SELECT name FROM town",
        "CREATE TABLE named (id INT)",
        "ALTER TABLE named RENAME TO renamed",
    ):
        run(statement)
        seen.add(fingerprint(str(path)))
    assert len(seen) == 8
    # Another file in its place, with as many changes behind it as this one.
    path.unlink()
    run(MAKE.replace("{s}.", "").replace("label", "title"))
    assert fingerprint(str(path)) not in seen


def test_a_missing_file_and_another_kind_of_file_are_said(tmp_path):
    with pytest.raises(UserError, match="no such database file"):
        fingerprint(str(tmp_path / "gone.db"))
    (tmp_path / "text.db").write_text("no database, only text" * 100)
    with pytest.raises(UserError, match="not an SQLite database"):
        fingerprint(str(tmp_path / "text.db"))
