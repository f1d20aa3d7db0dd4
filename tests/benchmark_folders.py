"""Folders in the layouts of Spider and BIRD, small, with real databases."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

TABLES = [
    {
        "db_id": db_id,
        "table_names_original": ["singer", "concert", "singer_in_concert"],
        "table_names": ["singer", "concert", "singer in concert"],
        "column_names_original": [
            [-1, "*"],
            [0, "id"],
            [0, "name"],
            [1, "id"],
            [1, "held_on"],
            [2, "concert_id"],
            [2, "singer_id"],
        ],
        "column_types": ["text", "number", "text", "number", "time", "number", "number"],
        "primary_keys": [1, 3, [5, 6]],
        "foreign_keys": [[5, 3], [6, 1]],
    }
    for db_id in ("music", "lost")
]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def make_database(path: Path, *, rows: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE concert (id INTEGER PRIMARY KEY, held_on DATE);"
            "CREATE TABLE singer_in_concert (concert_id INTEGER REFERENCES concert (id),"
            " singer_id INTEGER REFERENCES singer (id), PRIMARY KEY (concert_id, singer_id));"
        )
        if rows:
            connection.executescript(
                "INSERT INTO singer VALUES (1, 'Ann'), (2, 'Bo');"
                "INSERT INTO concert VALUES (1, '2024-05-01'); INSERT INTO singer_in_concert VALUES (1, 2);"
            )


def make_spider(folder: Path) -> Path:
    """Train on ``music`` (there) and ``lost`` (only in tables.json), dev on ``stage``; rows that are to be left out."""

    def question(text: str, query: str, db_id: str) -> dict[str, Any]:
        return {"db_id": db_id, "question": text, "query": query, "sql": {"from": {}}, "query_toks": []}

    count = "SELECT count(*) FROM singer"
    write_json(
        folder / "train_spider.json",
        [
            question("How many singers?", count, "music"),
            question("how many  singers?", "select count(*) from singer;", "music"),
            question("What are their names?", "SELECT name FROM singer", "music"),
            question("How old are they?", "SELECT age FROM singer", "music"),
            question("  ", count, "music"),
            question("How many singers?", count, "lost"),
            question("Which?", "SELECT FROM WHERE (", "lost"),
            question("How many?", count, "unknown"),
        ],
    )
    again = question("How many singers on stage?", count, "stage")
    write_json(folder / "dev.json", [again, again])
    write_json(folder / "tables.json", TABLES)
    make_database(folder / "database" / "music" / "music.sqlite")
    make_database(folder / "database" / "stage" / "stage.sqlite", rows=False)
    return folder


def make_bird(folder: Path, *, nested: bool) -> Path:
    """The layout of BIRD's own archives (``nested``), or all in one folder."""
    train, dev = (folder / "train", folder / "dev_20240627") if nested else (folder, folder)
    for root, part, db_id in ((train, "train", "music"), (dev, "dev", "stage")):
        row = {
            "question_id": 0,
            "db_id": db_id,
            "question": "How many stars?",
            "evidence": "a star is a singer",
            "SQL": "SELECT COUNT(id) FROM singer",
            "difficulty": "simple",
        }
        write_json(
            root / f"{part}.json", [row, {**row, "question": "Who?", "evidence": "", "SQL": "SELECT name FROM singer"}]
        )
        write_json(root / f"{part}_tables.json", TABLES)
        databases = root / f"{part}_databases"
        make_database((databases / databases.name if nested else databases) / db_id / f"{db_id}.sqlite")
    return folder
