"""SQLite; the servers are in test_database_servers.py."""

import hashlib
import json
import re
import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import event

from sqlfocus.errors import UserError
from sqlfocus.schema.database import read_database
from sqlfocus.schema.mschema import ForeignKey

HERE = Path(__file__).resolve().parent
SPIDER = HERE.parents[1] / "../shared/spider/database"


@pytest.fixture
def make(tmp_path):
    """Makes an SQLite file of a script and returns its path."""

    def made(script, name="shop.sqlite"):
        path = tmp_path / name
        with sqlite3.connect(path) as connection:
            connection.executescript(script)
        connection.close()
        return str(path)

    return made


def columns_of(database, table=0):
    return database.mschema().split("# Table: ")[table + 1].split("\n")[2:-1]


@pytest.fixture
def statements():
    """The statements that are executed over any connection, in their order."""
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield seen
    event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def test_the_text_is_the_reference_implementations(make):
    """golden.mschema is what the reference printed of golden.sql, with its tables sorted by name."""
    path = make((HERE / "golden.sql").read_text(), "golden.sqlite")
    database = read_database(path)
    assert database.mschema() + "\n" == (HERE / "golden.mschema").read_text()
    assert database.warnings == ()
    assert database == read_database(f"sqlite:///{path}")


def as_reference(text):
    """Our text with the divergences undone: values unquoted, and BOOLEAN columns of texts as ``True``."""

    def unquoted(match):
        return json.loads(match[0])

    lines = text.split("\n")
    for i, line in enumerate(lines):
        head, mark, examples = line.partition("Examples: [")
        if mark and ":BOOLEAN" in head and "True" not in examples and "False" not in examples:
            values, end = examples.split("]")
            examples = ", ".join("True" for _ in values.split(", ")) + "]" + end
        lines[i] = head + mark + re.sub(r'"(?:[^"\\]|\\.)*"', unquoted, examples)
    return "\n".join(lines)


@pytest.mark.skipif(not SPIDER.is_dir(), reason="Spider is not there (../shared/spider)")
def test_on_all_of_spider_the_text_is_the_references_but_for_quotes_and_booleans():
    """spider_reference.json has the SHA-256 of each text that the reference printed, with its tables sorted by name."""
    reference = json.loads((HERE / "spider_reference.json").read_text())
    equal = 0
    for name, digest in reference.items():
        text = read_database(str(SPIDER / name / f"{name}.sqlite")).mschema()
        assert hashlib.sha256(as_reference(text).encode()).hexdigest() == digest, name
        equal += hashlib.sha256(text.encode()).hexdigest() == digest
    assert (len(reference), equal) == (163, 114)


def test_tables_come_in_the_order_of_their_names_and_the_text_is_the_same_each_time(make):
    path = make("CREATE TABLE b (x INT); CREATE TABLE a (x INT); CREATE VIEW aa AS SELECT 1 AS one;")
    database = read_database(path)
    assert [table.name for table in database.tables] == ["a", "aa", "b"]
    assert database.name == "shop"
    assert database.mschema() == read_database(path).mschema()


def test_a_boolean_column_of_texts_shows_them(make):
    script = "CREATE TABLE t (a BOOLEAN, b BOOL); INSERT INTO t VALUES ('T', 1), ('F', 0), (NULL, NULL);"
    assert columns_of(read_database(make(script))) == [
        "(a:BOOLEAN, Examples: [T, F]),",
        "(b:BOOLEAN, Examples: [True, False])",
    ]


def test_json_is_shown_as_json_and_bytes_are_not_shown(make):
    script = """CREATE TABLE t (a JSON, b BLOB, c TEXT); INSERT INTO t VALUES ('{"k": 1}', x'0102', x'0102');"""
    assert columns_of(read_database(make(script))) == [
        '(a:JSON, Examples: [{"k": 1}]),',
        "(b:BLOB),",
        "(c:TEXT)",
    ]


def test_values_keep_their_storage_class_beside_columns_of_another_type(make):
    """A compound query lends one column's type to the next unless told not to, and 37 becomes 37.0."""
    script = "CREATE TABLE t (a REAL, b INTEGER, c TEXT); INSERT INTO t VALUES (1.5, 37, '007'), (2, 38, 8);"
    assert columns_of(read_database(make(script))) == [
        "(a:REAL, Examples: [1.5, 2.0]),",
        "(b:INTEGER, Examples: [37, 38]),",
        "(c:TEXT, Examples: [007, 8])",
    ]


def test_comments_of_create_table_reach_tables_and_columns(make):
    script = """
    CREATE TABLE orders ( -- 订单表
        id INTEGER PRIMARY KEY, -- 主键
        -- on its own line: what comes next
        "total (net)" INT /* in cents */,
        state TEXT NOT NULL -- N = new, P = paid
    );
    CREATE TABLE plain (a INT);
    """
    database = read_database(make(script))
    assert database.tables[0].comment == "订单表"
    assert [column.comment for column in database.tables[0].columns] == [
        "主键",
        "on its own line: what comes next in cents",
        "N = new, P = paid",
    ]
    assert database.tables[1].comment == ""


def test_composite_keys(make):
    script = """
    CREATE TABLE line (a INT, b INT, PRIMARY KEY (a, b));
    CREATE TABLE stop (x INT, y INT, FOREIGN KEY (x, y) REFERENCES line (a, b));
    CREATE TABLE stray (x INT REFERENCES gone (id), y INT REFERENCES gone);
    """
    line, stop, stray = read_database(make(script)).tables
    assert [column.primary_key for column in line.columns] == [True, True]
    assert stop.foreign_keys == (ForeignKey(("x", "y"), "line", ("a", "b")),)
    assert ForeignKey(("x",), "gone", ("id",)) in stray.foreign_keys


def test_names_and_values_with_every_kind_of_sign(make):
    script = """
    CREATE TABLE "sel""ect; [t" ("a""b" TEXT, [c d] TEXT, `e:f` TEXT, "50%" TEXT, "x,y" INT, 中文 TEXT);
    INSERT INTO "sel""ect; [t" VALUES ('it''s', '%s', ':x', '50%', 1, '值');
    """
    database = read_database(make(script))
    assert database.warnings == ()
    assert [column.examples for column in database.tables[0].columns] == [
        ("it's",), ("%s",), (":x",), ("50%",), ("1",), ("值",),
    ]  # fmt: skip
    assert "中文:TEXT, Examples: [值]" in database.mschema()


def test_a_table_of_many_columns_is_read_whole(make):
    names = [f"c{i}" for i in range(1200)]
    script = f"CREATE TABLE t ({', '.join(names)}); INSERT INTO t VALUES ({', '.join(map(str, range(1200)))});"
    table = read_database(make(script)).tables[0]
    assert [column.examples for column in table.columns] == [(str(i),) for i in range(1200)]


def test_sampling_is_one_statement_a_table(make, statements):
    tables = "".join(
        f"CREATE TABLE t{i} (a INT, b TEXT, c REAL); INSERT INTO t{i} VALUES (1, 'x', 2);" for i in range(5)
    )
    path = make(tables + "CREATE VIEW v AS SELECT a, b FROM t1;")
    read_database(path)
    sampling = [text for text in statements if not re.search(r"PRAGMA|sqlite_master", text)]
    assert len(sampling) == 6
    assert all("LIMIT" in text for text in sampling)
    statements.clear()
    read_database(path, max_values=0)
    sampling = [text for text in statements if not re.search(r"PRAGMA|sqlite_master", text)]
    assert len(sampling) == 6


@pytest.fixture
def big(tmp_path):
    """A table of 300,000 rows: ``few`` has one value in all but its last row."""
    path = tmp_path / "big.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, few INT, note TEXT)")
        rows = ((i, int(i == 299_999), "x" * (i % 3)) for i in range(300_000))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.close()
    return str(path)


def steps_of(path, statement):
    """How many of SQLite's virtual machine's steps a statement takes, in thousands."""
    with sqlite3.connect(path) as connection:
        steps = []
        connection.set_progress_handler(lambda: steps.append(1), 1000)
        connection.execute(statement).fetchall()
    connection.close()
    return len(steps)


def test_a_big_table_is_not_read_whole(big, statements):
    start = time.monotonic()
    database = read_database(big)
    assert time.monotonic() - start < 10
    # That the value of the last row is not found is the price.
    assert [column.examples for column in database.tables[0].columns] == [("0", "1", "2"), ("0",), ("x", "xx")]
    (sampling,) = [text for text in statements if not re.search(r"PRAGMA|sqlite_master", text)]
    whole = steps_of(big, "SELECT DISTINCT few FROM t LIMIT 5")
    assert steps_of(big, sampling) < whole / 2


def test_a_view_that_does_not_end_is_given_up(make, monkeypatch):
    monkeypatch.setattr("sqlfocus.schema.sampling.SECONDS", 0.2)
    loop = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS top FROM n"
    database = read_database(make(f"CREATE TABLE t (a INT); CREATE VIEW endless AS {loop};"))
    assert [table.name for table in database.tables] == ["endless", "t"]
    assert database.warnings == ("endless: no values shown, reading took more than 0.2 seconds",)


def test_a_broken_view_is_left_out_and_the_rest_is_read(make):
    path = make("CREATE TABLE t (a INT); CREATE VIEW broken AS SELECT a FROM gone; INSERT INTO t VALUES (1);")
    database = read_database(path)
    assert [table.name for table in database.tables] == ["t"]
    assert database.warnings == ("broken: left out, its columns cannot be read (no such table: main.gone)",)


def test_values_that_are_not_utf8_are_left_out(make):
    script = "CREATE TABLE t (a TEXT, b TEXT); INSERT INTO t VALUES (CAST(x'e974e9' AS TEXT), 'été');"
    database = read_database(make(script))
    assert columns_of(database) == ["(a:TEXT),", "(b:TEXT, Examples: [été])"]
    assert database.warnings == ("t.a: no values shown, they are not UTF-8",)


def test_values_that_are_not_of_the_declared_type_are_left_out(make):
    script = "CREATE TABLE t (a DATE, b DATE, c DATE); INSERT INTO t VALUES ('28-AUG-2011', '2011-08-28', '');"
    database = read_database(make(script))
    assert columns_of(database) == ["(a:DATE),", "(b:DATE, Examples: [2011-08-28]),", "(c:DATE)"]
    assert "t.a: no values shown, they are not of the declared type DATE" in database.warnings


def test_tables_are_chosen_by_name_and_no_other_is_touched(make, statements):
    path = make("CREATE TABLE a (x INT); CREATE TABLE b (x INT REFERENCES a (x)); CREATE TABLE c (x INT);")
    database = read_database(path, tables=["B", "c"], exclude=["c"])
    assert [(table.name, table.foreign_keys) for table in database.tables] == [("b", ())]
    assert not any('FROM "a"' in text for text in statements)
    with pytest.raises(UserError, match=r"no table fits 'x'; there are a, b, c"):
        read_database(path, tables=["x"])


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_number_of_values_is_a_choice(make, count):
    path = make("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2), (3), (4), (5), (6);")
    assert read_database(path, max_values=count).tables[0].columns[0].examples == ("1", "2", "3", "4", "5")[:count]


def test_the_file_is_only_read(make):
    path = Path(make("CREATE TABLE t (a INT); INSERT INTO t VALUES (1);"))
    before = path.read_bytes(), sorted(path.parent.iterdir())
    read_database(str(path))
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{}/gone.db", "{}/gone.db: no such database file"),
        ("sqlite:///{}/gone.db", "{}/gone.db: no such database file"),
        ("{}", "{}: a folder; name the SQLite file in it"),
        ("sqlite://", "sqlite: the URL names no file; write sqlite:///shop.db, or just the path"),
        ("{}/text.db", "{}/text.db: not an SQLite database"),
        ("{}/empty.db", "{}/empty.db: there are no tables"),
    ],
)
def test_errors_of_a_file_are_one_line_and_make_no_file(tmp_path, url, message):
    (tmp_path / "text.db").write_text("This is not a database, it is a text of some length. " * 50)
    (tmp_path / "empty.db").touch()
    with pytest.raises(UserError) as error:
        read_database(url.format(tmp_path))
    assert str(error.value) == message.format(tmp_path)
    assert not (tmp_path / "gone.db").exists()


def test_sqlite_has_no_schemas(make):
    with pytest.raises(UserError, match="SQLite has no schemas; leave out --schema"):
        read_database(make("CREATE TABLE t (a INT);"), schema="main")


def test_a_database_of_which_nothing_can_be_read_is_refused(make):
    with pytest.raises(UserError, match="no table can be read; v: left out"):
        read_database(make("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT * FROM t; DROP TABLE t;"))


def test_a_path_with_signs_of_a_url_is_a_path(make):
    path = make("CREATE TABLE t (a INT);", "50% #1?.db")
    assert read_database(path).name == "50% #1?"
