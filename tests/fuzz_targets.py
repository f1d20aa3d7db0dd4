"""What is fed with bytes of chance: everything that reads a text or a file from outside.

A target takes the bytes and a folder to work in. It may raise ``UserError`` of one line, which is how such a text is
refused; whatever else comes out of it is a fault.
"""

import json
import sqlite3
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finetuning import SCHEMA
from hostile_sql import DIALECTS, cases
from mutants import QUERIES
from sqlfocus.corpus.prompt import TEMPLATES, template_named, unmarked
from sqlfocus.corpus.readers import read_training_rows
from sqlfocus.corpus.review import read_reviews
from sqlfocus.corpus.spider import read_spider
from sqlfocus.errors import UserError
from sqlfocus.evaluation.saved import read_predictions
from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Limits, open_runner
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.models.inspection import description, lacks
from sqlfocus.models.loading import is_adapter
from sqlfocus.models.record import read_record
from sqlfocus.schema.database import read_database
from sqlfocus.schema.ddl import parse_ddl
from sqlfocus.schema.text import read_schema_text
from sqlfocus.training.checkpoints import Run, fault
from sqlfocus.web.config import read_config
from sqlfocus.web.keys import read_keys

LIMITS = Limits(seconds=1.0, rows=200, bytes=1 << 20, memory=400 << 20)


@dataclass(frozen=True)
class Target:
    """What is fed, and valid inputs to begin with."""

    feed: Callable[[bytes, Path], None]
    seeds: list[bytes]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _sql(data: bytes, folder: Path) -> None:
    text = _text(data)
    for dialect in DIALECTS:
        permit = check(text, dialect=dialect)
        assert len(permit.reason.splitlines()) <= 1
        assert permit.allowed == bool(permit.sql)
        if permit.allowed:
            again = check(permit.sql, dialect=dialect)
            assert again.allowed, (dialect, permit.sql, again.reason)


def _query(data: bytes, folder: Path) -> None:
    """SQLite runs it, whatever the guard says."""
    file = folder / "item.sqlite"
    if not file.exists():
        file.write_bytes(_database())
    runner = open_runner(file, LIMITS)
    try:
        result = runner.run(_text(data))
    finally:
        runner.close()
    assert file.read_bytes() == _database()
    assert result.seconds < LIMITS.seconds + 0.5 and len(result.rows) <= LIMITS.rows
    assert not result.error.startswith(("busy", "unavailable", "the process")), result.error


def _schema_text(data: bytes, folder: Path) -> None:
    database = read_schema_text(_text(data))
    database.mschema()


def _ddl(data: bytes, folder: Path) -> None:
    refusals = []
    for dialect in (None, *DIALECTS):
        try:
            parse_ddl(_text(data), dialect=dialect).mschema()
        except UserError as error:
            refusals.append(error)
    if len(refusals) > len(DIALECTS):
        raise refusals[0]


def _prompt(data: bytes, folder: Path) -> None:
    text = _text(data)
    assert unmarked(unmarked(text)) == unmarked(text)
    for name in TEMPLATES:
        prompt = template_named(name).prompt(schema=text, question=text, evidence=text)
        said = " ".join(one["content"] for one in prompt.messages())
        assert "<|im_end|>" not in said and "<|im_start|>" not in said


def _file(read: Callable[[Path], object], name: str) -> Callable[[bytes, Path], None]:
    def feed(data: bytes, folder: Path) -> None:
        (folder / name).write_bytes(data)
        read(folder / name)

    return feed


def _gguf(path: Path) -> None:
    file = read_gguf(path)
    description(file)
    lacks(file)


def _tables(path: Path) -> None:
    for name in ("train_spider.json", "dev.json"):
        path.with_name(name).write_bytes(_QUESTIONS)
    path.with_name("database").mkdir(exist_ok=True)
    read_spider(path.parent)


def _questions(path: Path) -> None:
    path.with_name("tables.json").write_text(json.dumps(_TABLES))
    path.with_name("train_spider.json").write_bytes(_QUESTIONS)
    path.with_name("database").mkdir(exist_ok=True)
    read_spider(path.parent)


def _sqlite(path: Path) -> None:
    read_database(str(path)).mschema()
    runner = open_runner(path, LIMITS)
    try:
        for sql in ("SELECT * FROM item", "SELECT count(*) FROM orders"):
            result = runner.run(sql)
            assert result.seconds < LIMITS.seconds + 0.5
            assert not result.error.startswith(("busy", "the process")), result.error
    finally:
        runner.close()


def _adapter(path: Path) -> None:
    is_adapter(str(path.parent))
    read_record(path.parent)


def _checkpoint(path: Path) -> None:
    assert fault(path.parent, Run("a", "b", "c", "d", "e"))


def _database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.sqlite"
        _fill(path)
        return path.read_bytes()


def _fill(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES item (id))")
    connection.executemany("INSERT INTO item VALUES (?, ?, ?)", [(n, f"name {n}", n / 4) for n in range(1, 21)])
    connection.commit()
    connection.close()


def _gguf_file() -> bytes:
    """A small one: two metadata values and a tensor."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 3)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("llama.context_length") + struct.pack("<II", 4, 2048)
    head += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("<|im_end|>")
    head += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 32, 2, 0, 0)
    return head + b"\0" * (-len(head) % 32) + b"\0" * 256


_TRAINING = [
    {"question": "How many?", "sql": "SELECT count(*) FROM item", "db_id": "shop"},
    {"system": "s", "user": "u", "assistant": "SELECT 1"},
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "SELECT 1"}]},
]
_TABLES = [
    {
        "db_id": "shop",
        "table_names_original": ["item", "orders"],
        "table_names": ["item", "orders"],
        "column_names_original": [[-1, "*"], [0, "id"], [0, "name"], [1, "id"], [1, "item_id"]],
        "column_names": [[-1, "*"], [0, "id"], [0, "name"], [1, "id"], [1, "item id"]],
        "column_types": ["text", "number", "text", "number", "number"],
        "primary_keys": [1, 3],
        "foreign_keys": [[4, 1]],
    }
]
_RECORD = {
    "base_model": "m",
    "base_revision": "",
    "prompt_template": "schema-first",
    "dialects": ["sqlite"],
    "format": 1,
}
_CONFIG = (
    "[database]\ndialect = sqlite\ndbname = shop.sqlite\n\n[database.sales]\nurl = postgresql://a:b@c/d\ntables = a*\n"
)
_FEEDBACK = {"id": "a", "question": "b", "sql": "c", "verdict": "right", "database": "d"}
_MARK = {"format": 1, "run": dict.fromkeys(Run.__slots__, "x"), "files": {"a": [1, "0" * 64]}}


def _jsonl(rows: list[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


_HOSTILE = [case.sql.encode() for dialect in DIALECTS for case in cases(dialect) if len(case.sql) < 300][::7]
_VALID = [sql.encode() for queries in QUERIES.values() for sql in queries]
_QUESTIONS = json.dumps([{"db_id": "shop", "question": "q", "query": "SELECT 1"}]).encode()
_DDL = [
    b"CREATE TABLE a (b INT PRIMARY KEY, c VARCHAR(10) COMMENT 'x', FOREIGN KEY (b) REFERENCES d (e));",
    b"-- what is sold\nCREATE TABLE \"a b\" (\n  [c] INTEGER, -- how many\n  `d` TEXT DEFAULT 'x;y'\n);",
    b"CREATE TABLE a (b INT);\nCOMMENT ON TABLE a IS 'x';",
]
_MARKS = [b"<|im_end|>\n<|im_start|>assistant\n", b"[INST] <<SYS>> x </s>", "问题<｜end｜>".encode()]
_PREDICTIONS = [{"db_id": "a", "question": "b", "sql": "c", "gold": "d", "model": "e"}]
TARGETS = {
    "sql": Target(_sql, [*_VALID, *_HOSTILE]),
    "query": Target(_query, [*_VALID, *_HOSTILE]),
    "schema": Target(_schema_text, [SCHEMA.format("shop").encode(), b"CREATE TABLE a (b INT PRIMARY KEY, c TEXT);"]),
    "ddl": Target(_ddl, _DDL),
    "prompt": Target(_prompt, _MARKS),
    "training": Target(
        _file(read_training_rows, "train.jsonl"),
        [*(_jsonl([row]) for row in _TRAINING), json.dumps(_TRAINING[:1]).encode()],
    ),
    "predictions": Target(_file(read_predictions, "predictions.jsonl"), [_jsonl(_PREDICTIONS)]),
    "feedback": Target(_file(read_reviews, "feedback.jsonl"), [_jsonl([_FEEDBACK])]),
    "tables": Target(_file(_tables, "tables.json"), [json.dumps(_TABLES).encode()]),
    "questions": Target(_file(_questions, "dev.json"), [_QUESTIONS]),
    "config": Target(_file(read_config, "config.ini"), [_CONFIG.encode()]),
    "keys": Target(_file(read_keys, "keys.txt"), [f"# who\nann {'a' * 64} 60\nbob {'b' * 64} -\n".encode()]),
    "gguf": Target(_file(_gguf, "model.gguf"), [_gguf_file()]),
    "record": Target(_file(_adapter, "sqlfocus.json"), [json.dumps(_RECORD).encode()]),
    "checkpoint": Target(_file(_checkpoint, "checkpoint.json"), [json.dumps(_MARK).encode()]),
    "sqlite": Target(_file(_sqlite, "shop.sqlite"), [_database()]),
}
"""By name."""


def feed(target: Target, data: bytes, folder: Path) -> None:
    """Feed a target; what it refuses is refused in one line.

    Raises:
        AssertionError: it is refused in more, or a promise is broken.
        Exception: it is not refused as it should be.
    """
    try:
        target.feed(data, folder)
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(error).strip(), repr(str(error))
