"""``sqlfocus schema``, as it is called."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sqlfocus.cli import main

HERE = Path(__file__).resolve().parent
SHOP = """【DB_ID】 shop
【Schema】
# Table: items
[
(id:INTEGER, Primary Key, Examples: [1, 2, 3]),
(name:TEXT, 名称, Examples: [a, b, c])
]
# Table: orders
[
(item:INTEGER)
]
【Foreign keys】
orders.item=items.id
"""


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT -- 名称
        );
        CREATE TABLE orders (item INT REFERENCES items (id));
        INSERT INTO items (name) VALUES ('a'), ('b'), ('c'), ('d');"""
    )
    connection.close()
    return str(path)


def test_it_prints_the_schema_and_nothing_else(shop, capsys):
    assert main(["schema", shop]) == 0
    assert capsys.readouterr() == (SHOP, "")
    assert main(["schema", f"sqlite:///{shop}"]) == 0
    assert capsys.readouterr() == (SHOP, "")


def test_it_prints_a_ddl_scripts_schema_and_warns_on_standard_error(capsys):
    assert main(["schema", str(HERE / "dirty.sql")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        "【DB_ID】 dirty\n【Schema】\n# Table: bi.village_stat, 村庄统计\n[\n(id:BIGINT, 主键, Primary Key),\n"
    )
    lines = err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("warning: ") for line in lines)
    assert "COMNENT ON COLUMN" in lines[1]


def test_tables_exclude_and_max_values(shop, capsys):
    main(["schema", shop, "--tables", "items", "--max_values", "1"])
    assert "(id:INTEGER, Primary Key, Examples: [1]),\n(name:TEXT, 名称, Examples: [a])" in capsys.readouterr().out
    main(["schema", shop, "--exclude", "it*", "--max-values=0"])
    assert capsys.readouterr().out == "【DB_ID】 shop\n【Schema】\n# Table: orders\n[\n(item:INTEGER)\n]\n"


def test_dialect_schema_and_tables_of_a_script(tmp_path, capsys):
    script = tmp_path / "two.SQL"
    script.write_text(
        "\ufeffCREATE TABLE a.t (key int); CREATE TABLE b.t (key int); CREATE TABLE b.u (x int);", "utf-8"
    )
    assert main(["schema", str(script), "--schema", "B", "--dialect", "postgres", "--tables", "t"]) == 0
    assert capsys.readouterr().out == "【DB_ID】 two\n【Schema】\n# Table: b.t\n[\n(key:INTEGER)\n]\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone.db"], "gone.db: no such database file"),
        (["gone.sql"], "gone.sql: no such file"),
        (["{}/gbk.sql"], "{}/gbk.sql: not UTF-8 text (invalid start byte at byte 16); save it as UTF-8"),
        (["{}/empty.sql"], "empty: there is no CREATE TABLE that can be read"),
        (["{}"], "{}: a folder; name the SQLite file in it"),
        (["{shop}", "--tables", "x", "items"], "{shop}: no table fits 'x'; there are items, orders"),
        (["{shop}", "--exclude", "*"], "{shop}: every table is left out; choose others with --tables and --exclude"),
        (["{shop}", "--max_values", "-1"], "--max_values is -1; it is 0 or more"),
        (["{shop}", "--schema", "main"], "{shop}: SQLite has no schemas; leave out --schema"),
        (["{shop}", "--dialect", "mysql"], "--dialect is for DDL scripts (*.sql); a database's own is known"),
        (["{}/t.sql", "--schema", "x"], "{}/t.sql: no tables in schema 'x'; there are no schemas"),
        (["oracle://u:geheim@h/x"], "oracle: no such kind of database; there are sqlite, mysql and postgresql"),
    ],
)
def test_errors_are_one_line_and_status_two(shop, tmp_path, capsys, words, message):
    (tmp_path / "gbk.sql").write_bytes("CREATE TABLE -- 订单".encode("gbk"))
    (tmp_path / "empty.sql").touch()
    (tmp_path / "t.sql").write_text("CREATE TABLE t (a INT)")
    assert main(["schema", *(word.format(tmp_path, shop=shop) for word in words)]) == 2
    assert capsys.readouterr() == ("", f"sqlfocus: error: {message.format(tmp_path, shop=shop)}\n")


def test_wrong_flags_are_named(shop, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["schema", shop, "--max_values", "many"])
    assert stop.value.code == 2
    assert "argument --max_values: invalid int value: 'many'" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error(shop):
    command = f"{sys.executable} -m sqlfocus schema {shop} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("【DB_ID】 shop\n", "")
