"""What is kept, what is left out, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import parse_one

from benchmark_folders import make_database, make_spider
from sqlfocus.corpus.example import Example
from sqlfocus.corpus.preparation import even_spacing, percentiles, prepare, split
from sqlfocus.corpus.readers import Conversation, read_training_rows
from sqlfocus.corpus.spider import find_database, read_spider
from sqlfocus.errors import UserError
from sqlfocus.evaluation.evaluate import database_file
from sqlfocus.schema.folder import read_schema


@pytest.fixture
def spider(tmp_path):
    return read_spider(make_spider(tmp_path / "spider"))


def test_rows_are_kept_or_counted_with_a_reason(spider, tmp_path):
    rows = {"train": spider.train, "dev": spider.dev}
    prepared = prepare(rows, tmp_path / "data", files=spider.files, tables=spider.tables)
    assert [(row.question, row.db_id) for row in prepared.rows["train"]] == [
        ("How many singers?", "music"),
        ("What are their names?", "music"),
        ("How many singers?", "lost"),
    ]
    assert prepared.left_out["train"] == {
        "says the same as a row before it": 1,
        "SQL that its database refuses": 1,
        "SQL that cannot be parsed": 1,
        "no schema of the database unknown": 1,
    }
    assert prepared.rows["dev"] == spider.dev  # a benchmark's questions are counted as published
    assert not prepared.left_out["dev"]


def test_schema_texts_come_from_databases_or_else_from_tables_json(spider, tmp_path):
    rows = {"train": spider.train, "dev": spider.dev}
    prepared = prepare(rows, tmp_path / "data", files=spider.files, tables=spider.tables)
    assert sorted(prepared.schemas) == ["lost", "music", "stage"]
    assert prepared.schemas["music"].startswith("【DB_ID】 music\n")
    assert "(name:TEXT, Examples: [Ann, Bo])" in prepared.schemas["music"]
    assert "(name:TEXT)" in prepared.schemas["lost"]
    assert prepared.notes == [
        "no database file, so no sample values in the schema text: lost",
        "the database has no rows, so results on it tell nothing: stage",
    ]


def test_schema_texts_can_be_without_sample_values(spider, tmp_path):
    rows = {"train": spider.train, "dev": spider.dev}
    prepared = prepare(rows, tmp_path / "data", files=spider.files, tables=spider.tables, max_values=0)
    assert "(name:TEXT)" in prepared.schemas["music"]
    assert prepared.notes == ["no database file, so no sample values in the schema text: lost"]


def test_a_broken_database_is_said_and_tables_json_used(spider, tmp_path):
    spider.files["music"].write_bytes(b"not a database" * 100)
    rows = {"train": spider.train, "dev": spider.dev}
    prepared = prepare(rows, tmp_path / "data", files=spider.files, tables=spider.tables)
    assert "Examples" not in prepared.schemas["music"]
    assert any("music.sqlite" in note for note in prepared.notes)
    assert len(prepared.rows["train"]) == 4  # without the database, nobody knows that singers have no age


def test_what_is_written_can_be_trained_on(spider, tmp_path):
    folder = tmp_path / "data"
    prepared = prepare({"train": spider.train, "dev": spider.dev}, folder, files=spider.files, tables=spider.tables)
    prepared.write(folder)
    assert read_training_rows(folder / "train_data.jsonl") == prepared.rows["train"]
    assert read_training_rows(folder / "dev_data.jsonl") == prepared.rows["dev"]
    assert (folder / "schemas" / "music.txt").read_text(encoding="utf-8") == prepared.schemas["music"] + "\n"


@pytest.mark.parametrize("there", ["train_data.jsonl", "dev_data.jsonl", "schemas/music.txt"])
def test_nothing_is_replaced_without_force(spider, tmp_path, there):
    path = tmp_path / "data" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    rows = {"train": spider.train, "dev": spider.dev}
    with pytest.raises(UserError, match="there already; choose another --output, or replace with --force"):
        prepare(rows, tmp_path / "data", files=spider.files, tables=spider.tables)
    assert path.read_text() == "mine"
    prepare(rows, tmp_path / "data", files=spider.files, tables=spider.tables, force=True).write(tmp_path / "data")
    assert path.read_text(encoding="utf-8") != "mine"


def test_a_schema_text_that_is_there_serves_a_database_that_cannot_be_read(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "sales.txt").write_text("【DB_ID】 sales\n")
    rows = {"train": [Example("q", "SELECT `a` FROM t LIMIT 1, 2", "sales", dialect="mysql")]}
    prepared = prepare(rows, tmp_path, files={}, tables={})
    assert prepared.rows == rows
    assert prepared.schema("sales") == "【DB_ID】 sales"
    assert prepared.schemas == {}  # and is not written


def test_training_sql_is_written_in_one_style_and_what_is_measured_on_stays(tmp_path):
    make_database(tmp_path / "music.sqlite")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "odd.txt").write_text("no schema that can be read\n")
    rows = {
        "train": [
            Example("Who?", "SELECT T1.NAME FROM Singer AS T1", "music"),
            Example("And?", "WITH a AS (SELECT 1) SELECT * FROM a", "music"),
            Conversation("", "Who?", "SELECT NAME FROM Singer"),
            Example("Odd?", "SELECT NAME FROM Singer", "odd"),
        ],
        "dev": [Example("Who?", "SELECT T1.NAME FROM Singer AS T1", "music")],
    }
    prepared = prepare(rows, tmp_path, files={"music": tmp_path / "music.sqlite"}, tables={}, house_style=True)
    assert prepared.rows == {
        "train": [Example("Who?", "SELECT name FROM singer", "music"), *rows["train"][1:]],
        "dev": rows["dev"],
    }
    assert prepared.notes == ["3 of 4 training rows keep the style of their SQL"]


def test_conversations_need_no_schema(tmp_path):
    rows = [Conversation("s", "u", "SELECT 1"), Conversation("s", "u", "select 1;"), Conversation("t", "u", "SELECT 1")]
    prepared = prepare({"train": rows, "dev": []}, tmp_path, files={}, tables={})
    assert prepared.rows["train"] == [rows[0], rows[2]]
    prepared.write(tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train_data.jsonl"]


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    rows = {"train": [Example("q", "SELECT 1", "a"), Example("q", "SELECT 1", "b")]}
    with pytest.raises(
        UserError, match=r"no training row is left .*no schema of the database a: 1; .*nothing was written"
    ):
        prepare(rows, tmp_path / "data", files={}, tables={})
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("db_id", ["../outside", "a/b", "a\\b", ".hidden", "C:x"])
def test_a_db_id_never_leads_out_of_the_folder(tmp_path, db_id):
    with pytest.raises(UserError, match="names the file of its schema"):
        prepare({"train": [Example("q", "SELECT 1", db_id)]}, tmp_path, files={}, tables={})
    with pytest.raises(UserError, match="names the file of its schema"):
        read_schema(tmp_path / "schemas", db_id)
    with pytest.raises(UserError, match="names the file of its schema"):
        database_file(tmp_path / "databases", db_id)
    make_database(tmp_path / "outside.sqlite")
    (tmp_path / "databases").mkdir()
    assert find_database(tmp_path / "databases", db_id) is None


def test_checking_the_sql_does_not_run_it(tmp_path):
    make_database(tmp_path / "music.sqlite")
    before = (tmp_path / "music.sqlite").read_bytes()
    rows = [
        Example("q", "DELETE FROM singer", "music"),
        Example("q", "SELECT 1; DROP TABLE singer", "music"),
        Example("q", "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n", "music"),
    ]
    prepared = prepare({"train": rows}, tmp_path / "data", files={"music": tmp_path / "music.sqlite"}, tables={})
    assert len(prepared.rows["train"]) == 2
    assert (tmp_path / "music.sqlite").read_bytes() == before


@given(st.lists(st.integers(0, 20), min_size=1), st.floats(0, 0.9))
def test_a_split_keeps_every_row_once_and_queries_together(numbers, share):
    rows = [Example(f"question {place}", f"SELECT {number}", "x") for place, number in enumerate(numbers)]
    parts = split(rows, share)
    assert sorted(parts["train"] + parts["dev"], key=rows.index) == rows
    assert not {row.sql for row in parts["train"]} & {row.sql for row in parts["dev"]}
    assert len({row.sql for row in parts["dev"]}) == round(share * len(set(numbers)))
    assert split(rows[::-1], share) == {part: kept[::-1] for part, kept in parts.items()}


def test_percentiles_are_values_that_occur():
    assert percentiles(list(range(1, 201))) == [100, 180, 198, 200]
    assert percentiles([7]) == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("sql", "even"),
    [
        ("SELECT  a ,b FROM\n t ", "SELECT a, b FROM t"),
        ("SELECT \"a ,  b\", `c  d`, [e  f] FROM t WHERE x = 'it''s  ,  so'", None),
        ("SELECT a  -- both,  of\n, b FROM t", None),
        ("SELECT a /* one ,  or */  FROM t", None),
        ("SELECT 'it\\'s  a'  FROM t", None),
        ("SELECT $$a  b$$", None),
        ("SELECT 'never  closed", "SELECT 'never closed"),
    ],
)
def test_spacing_becomes_even_outside_quotes_alone(sql, even):
    assert even_spacing(sql) == (sql if even is None else even)
    assert even_spacing(even_spacing(sql)) == even_spacing(sql)


def test_even_spacing_changes_the_meaning_of_no_spider_query():
    path = Path(__file__).resolve().parents[2] / "../shared/spider/train_spider.json"
    if not path.is_file():
        pytest.skip("Spider is not there (../shared/spider)")
    queries = [row["query"] for row in json.loads(path.read_text(encoding="utf-8"))][::20]
    changed = [query for query in queries if even_spacing(query) != query]
    assert len(changed) > 100
    for query in changed:
        assert parse_one(even_spacing(query), read="sqlite") == parse_one(query, read="sqlite")
