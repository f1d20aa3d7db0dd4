"""The folders of Spider (https://yale-lily.github.io/spider) and BIRD (https://bird-bench.github.io).

Both hold questions for training and for measuring, on databases that the two do not share. docs/data.md draws their
layouts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.readers import read_json, read_rows
from sqlfocus.errors import UserError
from sqlfocus.files import is_file_name
from sqlfocus.schema.mschema import Column, Database, ForeignKey, Table

# The folder that the official archive unpacks to, and the one that people often make for it.
SPIDER_FOLDERS = (".", "spider_data", "spider")


@dataclass(slots=True)
class Benchmark:
    """What a benchmark's folder holds.

    ``files`` are the SQLite files that are there, ``tables`` the schemas as the benchmark's own JSON describes them,
    without sample values; both by ``db_id``. ``empty`` counts, for ``train`` and ``dev``, the rows without text in
    question or SQL, which are left out.
    """

    train: list[Example] = field(default_factory=list)
    dev: list[Example] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, Database] = field(default_factory=dict)
    empty: Counter[str] = field(default_factory=Counter)


def spider_root(folder: Path) -> Path | None:
    """The folder that holds ``train_spider.json``: ``folder`` itself or one in it; None where there is none."""
    return next((folder / name for name in SPIDER_FOLDERS if (folder / name / "train_spider.json").is_file()), None)


def read_spider(folder: Path) -> Benchmark:
    """Read Spider: ``train_spider.json``, ``dev.json``, ``tables.json`` and ``database/<db_id>/<db_id>.sqlite``.

    Raises:
        UserError: the folder or one of its question files is missing, empty or malformed.
    """
    _check_folder(folder, "Spider's")
    root = spider_root(folder)
    if root is None:
        raise UserError(
            f"{folder}: train_spider.json is not there; --source names the folder that holds it, with dev.json, "
            "tables.json and database/, and --download fetches them"
        )
    benchmark = Benchmark()
    benchmark.train = _questions(root / "train_spider.json", "query", benchmark.empty, "train")
    benchmark.dev = _questions(root / "dev.json", "query", benchmark.empty, "dev")
    _add_databases(benchmark, root / "database", root / "tables.json")
    return benchmark


def read_bird(folder: Path) -> Benchmark:
    """Read BIRD: ``train.json`` and ``dev.json``, whose rows have ``evidence``, each with its databases beside it.

    Those are ``train_databases/<db_id>/<db_id>.sqlite`` and ``train_tables.json``. The two parts lie in the folder
    itself or, as they come unpacked, in ``train/`` and in ``dev/`` or ``dev_<date>/``.

    Raises:
        UserError: the folder or one of its question files is missing, empty or malformed.
    """
    _check_folder(folder, "BIRD's")
    benchmark = Benchmark()
    for part in ("train", "dev"):
        roots = [folder, folder / part, *sorted(folder.glob(f"{part}_2*"), reverse=True)]
        root = next((root for root in roots if (root / f"{part}.json").is_file()), None)
        if root is None:
            raise UserError(
                f"{folder}: {part}.json is not there; --source names the folder that holds {part}.json or "
                f"{part}/{part}.json, with {part}_databases/ beside it"
            )
        setattr(benchmark, part, _questions(root / f"{part}.json", "SQL", benchmark.empty, part))
        databases = root / f"{part}_databases"
        # Unpacked with its name as folder, the inner archive brings that name once more.
        inner = databases / databases.name
        _add_databases(benchmark, inner if inner.is_dir() else databases, root / f"{part}_tables.json")
    return benchmark


def find_database(folder: Path, db_id: str) -> Path | None:
    """The SQLite file of a database: ``<db_id>/<db_id>.sqlite`` or ``<db_id>.sqlite``, also with ``.db``."""
    if not is_file_name(db_id):
        return None
    for place in (folder / db_id, folder):
        for suffix in (".sqlite", ".db"):
            path = place / f"{db_id}{suffix}"
            if path.is_file():
                return path
    return None


def read_tables(path: Path) -> dict[str, Database]:
    """The schemas in a file of the form of Spider's ``tables.json``, by ``db_id``, tables in the order of their names.

    Raises:
        UserError: the file is not JSON, or an entry is not of that form.
    """
    databases = {}
    for where, entry in read_rows(path):
        try:
            databases[entry["db_id"]] = _database(entry)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(f"{where}: not an entry of Spider's tables.json ({error!r})") from error
    return databases


def _check_folder(folder: Path, whose: str) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name {whose} folder with --source")


def _questions(path: Path, sql: str, empty: Counter[str], part: str) -> list[Example]:
    """The examples of a JSON array whose rows have their SQL under the name ``sql``."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; the benchmark's folder is not complete")
    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: the file holds no questions; it should be a JSON array of them")
    examples = []
    for number, row in enumerate(rows, 1):
        where = f"{path}: row {number}"
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("question", sql, "db_id")):
            raise UserError(f'{where}: not a question of this benchmark: "question", "{sql}" and "db_id" are needed')
        if row["question"].strip() and row[sql].strip():
            examples.append(Example.from_json({**row, "sql": row[sql], "dialect": "sqlite"}, where))
        else:
            empty[part] += 1
    return examples


def _add_databases(benchmark: Benchmark, folder: Path, tables: Path) -> None:
    for db_id in {example.db_id for example in (*benchmark.train, *benchmark.dev)}:
        path = find_database(folder, db_id)
        if path is not None:
            benchmark.files[db_id] = path
    if tables.is_file():
        benchmark.tables.update(read_tables(tables))


def _database(entry: dict[str, Any]) -> Database:
    names: Sequence[str] = entry["table_names_original"]
    columns: Sequence[tuple[int, str]] = entry["column_names_original"]
    keys = {column for key in entry["primary_keys"] for column in (key if isinstance(key, list) else [key])}
    references: dict[int, list[ForeignKey]] = {}
    for column, referenced in entry["foreign_keys"]:
        table, name = columns[column]
        other, other_name = columns[referenced]
        references.setdefault(table, []).append(ForeignKey((name,), names[other], (other_name,)))
    tables = [
        Table(
            name,
            tuple(
                Column(column, entry["column_types"][place], primary_key=place in keys)
                for place, (table, column) in enumerate(columns)
                if table == number
            ),
            foreign_keys=tuple(references.get(number, ())),
        )
        for number, name in enumerate(names)
    ]
    return Database(entry["db_id"], tuple(sorted(tables, key=lambda table: table.name)))
