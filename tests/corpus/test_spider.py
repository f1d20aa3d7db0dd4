"""Reading the folders of Spider and BIRD."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_folders import TABLES, make_bird, make_database, make_spider, write_json
from sqlfocus.corpus.example import Example
from sqlfocus.corpus.spider import find_database, read_bird, read_spider, read_tables
from sqlfocus.errors import UserError
from sqlfocus.schema.database import read_database

SPIDER = Path(__file__).resolve().parents[2] / "../shared/spider"


def test_spiders_folder(tmp_path):
    found = read_spider(make_spider(tmp_path))
    assert found.train[0] == Example("How many singers?", "SELECT count(*) FROM singer", "music")
    assert (len(found.train), len(found.dev)) == (7, 2)
    assert found.empty == {"train": 1}
    assert sorted(found.files) == ["music", "stage"]
    assert sorted(found.tables) == ["lost", "music"]


def test_the_folder_in_the_official_archive_is_found(tmp_path):
    make_spider(tmp_path / "spider_data")
    assert len(read_spider(tmp_path).train) == 7


@pytest.mark.parametrize("nested", [True, False])
def test_birds_folder_with_evidence(tmp_path, nested):
    found = read_bird(make_bird(tmp_path, nested=nested))
    assert found.train == [
        Example("How many stars?", "SELECT COUNT(id) FROM singer", "music", "a star is a singer"),
        Example("Who?", "SELECT name FROM singer", "music"),
    ]
    assert [example.db_id for example in found.dev] == ["stage", "stage"]
    assert sorted(found.files) == ["music", "stage"]


def test_tables_json_says_the_same_as_the_database_but_for_values_and_types(tmp_path):
    write_json(tmp_path / "tables.json", TABLES)
    make_database(tmp_path / "music.sqlite")
    described = read_tables(tmp_path / "tables.json")["music"]
    read = read_database(str(tmp_path / "music.sqlite"), max_values=0)
    assert [table.name for table in described.tables] == [table.name for table in read.tables]
    for mine, theirs in zip(described.tables, read.tables, strict=True):
        assert [(c.name, c.primary_key) for c in mine.columns] == [(c.name, c.primary_key) for c in theirs.columns]
        assert set(mine.foreign_keys) == set(theirs.foreign_keys)
    assert "(held_on:TIME)" in described.mschema()
    assert "singer_in_concert.concert_id=concert.id" in described.mschema()


def test_databases_in_their_own_folder_or_not_and_with_both_endings(tmp_path):
    for name in ("a/a.sqlite", "b.db"):
        make_database(tmp_path / name)
    assert find_database(tmp_path, "a") == tmp_path / "a" / "a.sqlite"
    assert find_database(tmp_path, "b") == tmp_path / "b.db"
    assert find_database(tmp_path, "c") is None


@pytest.mark.parametrize(
    ("read", "lost", "message"),
    [
        (read_spider, "train_spider.json", "train_spider.json is not there; --source names the folder that holds it"),
        (read_spider, "dev.json", "dev.json: no such file; the benchmark's folder is not complete"),
        (read_bird, "train.json", "train.json is not there; --source names the folder that holds train.json or train/"),
        (read_bird, "dev.json", "dev.json is not there"),
    ],
)
def test_a_missing_file_is_named(tmp_path, read, lost, message):
    make_spider(tmp_path) if read is read_spider else make_bird(tmp_path, nested=False)
    (tmp_path / lost).unlink()
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(("read", "whose"), [(read_spider, "Spider's"), (read_bird, "BIRD's")])
def test_a_missing_folder_is_named(tmp_path, read, whose):
    with pytest.raises(UserError, match=f"gone: no such folder; name {whose} folder with --source"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dev.json", "[]", "dev.json: the file holds no questions"),
        ("dev.json", '{"question": "q"}', "dev.json: the file holds no questions"),
        ("dev.json", '[{"question": "q",\n"query" 1}]', "dev.json:2: not JSON: Expecting ':' delimiter at column 9"),
        (
            "dev.json",
            '[{"question": "q", "db_id": "x"}]',
            'dev.json: row 1: not a question of this benchmark: "question"',
        ),
        ("tables.json", '[{"db_id": "x"}]', "tables.json: row 1: not an entry of Spider's tables.json"),
        ("tables.json", json.dumps([{**TABLES[0], "foreign_keys": [[5, 99]]}]), "row 1: not an entry of Spider's"),
    ],
)
def test_a_malformed_file_is_named_with_its_place(tmp_path, name, text, message):
    make_spider(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        read_spider(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not SPIDER.is_dir(), reason="Spider is not beside the repository (../shared/spider)")
def test_spider_itself():
    found = read_spider(SPIDER)
    assert (len(found.train), len(found.dev)) == (7000, 1034)
    assert len({example.db_id for example in found.train}) == 140
    assert len({example.db_id for example in found.dev}) == 20
    assert not {example.db_id for example in (*found.train, *found.dev)} - set(found.tables)
