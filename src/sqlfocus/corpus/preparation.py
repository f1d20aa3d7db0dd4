"""From a benchmark, or from rows of one's own, to training data: what stays, what is left out, and schema texts.

Nothing is written before everything is read: :func:`prepare` makes a :class:`Prepared`, which writes itself.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.readers import Conversation
from sqlfocus.corpus.style import rewritten
from sqlfocus.errors import UserError
from sqlfocus.files import atomic_write, check_file_name, write_json_lines
from sqlfocus.schema.database import read_database
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.text import read_schema_text
from sqlfocus.sql import NOT_SQL, parse_one

Row: TypeAlias = Example | Conversation
Number = TypeVar("Number", int, float)
PARTS = ("train", "dev")


@dataclass(slots=True)
class Prepared:
    """Rows that are fit for use, and what became of the others.

    ``schemas`` holds the schema texts to write and ``known`` those that were there, by ``db_id``. ``left_out`` counts
    reasons, for ``train`` and ``dev``. ``notes`` say in one line each what the user should know.
    """

    rows: dict[str, list[Row]]
    schemas: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, Counter[str]] = field(default_factory=lambda: {part: Counter() for part in PARTS})
    notes: list[str] = field(default_factory=list)

    def schema(self, db_id: str) -> str:
        """The schema text of a database that a row asks."""
        return self.schemas.get(db_id) or self.known[db_id]

    def write(self, folder: Path) -> None:
        """Write ``train_data.jsonl``, ``dev_data.jsonl`` where there is such a part, and ``schemas/<db_id>.txt``."""
        for db_id, text in self.schemas.items():
            with atomic_write(schema_file(folder, db_id)) as file:
                file.write(text + "\n")
        for part, rows in self.rows.items():
            if rows:
                write_json_lines(data_file(folder, part), (row.to_json() for row in rows))


def data_file(folder: Path, part: str) -> Path:
    """Where the rows of a part (``train`` or ``dev``) are written."""
    return folder / f"{part}_data.jsonl"


def schema_file(folder: Path, db_id: str) -> Path:
    """Where the schema text of a database is written."""
    return folder / "schemas" / f"{db_id}.txt"


def check_free(paths: Sequence[Path], *, force: bool) -> None:
    """Refuse to go on where one of the files is there already, before any work is done.

    Raises:
        UserError: one is there and ``force`` is false.
    """
    there = [path for path in paths if path.exists()]
    if there and not force:
        more = f" and {len(there) - 1} more" if there[1:] else ""
        raise UserError(f"{there[0]}{more}: there already; choose another --output, or replace with --force")


def prepare(
    rows: Mapping[str, Sequence[Row]],
    folder: Path,
    *,
    files: Mapping[str, Path],
    tables: Mapping[str, Database],
    max_values: int | None = None,
    house_style: bool = False,
    force: bool = False,
) -> Prepared:
    """Choose the rows to keep and make the schema texts of the databases that they ask.

    The texts have ``max_values`` sample values a column at most (:func:`~sqlfocus.schema.database.read_database`). SQL
    gets even spacing (:func:`even_spacing`), so that a model learns one form, and the shorter one. With
    ``house_style``, what is in ``train`` is rewritten to one style (:func:`~sqlfocus.corpus.style.rewritten`).

    Left out are rows that say the same as one before them (in ``train`` only: a benchmark's questions are counted as
    they are published), rows whose SQL its database refuses or, without a database, cannot be parsed, and rows for
    whose database there is no schema: neither in ``files`` (SQLite files) nor in ``tables`` nor already in ``folder``.

    Raises:
        UserError: a file would be overwritten without ``force``, a ``db_id`` cannot be a file's name, or no training
            row is left.
    """
    db_ids = sorted({row.db_id for part in rows.values() for row in part if isinstance(row, Example)})
    for db_id in db_ids:
        check_file_name(db_id)
    targets = [schema_file(folder, db_id) for db_id in db_ids if db_id in files or db_id in tables]
    check_free([*(data_file(folder, part) for part in PARTS), *targets], force=force)
    prepared = Prepared({part: [] for part in rows})
    readable = _add_schemas(prepared, db_ids, folder, files, tables, max_values)
    for part, given in rows.items():
        fit = {id(row) for row in _fit_rows(given, readable, prepared, prepared.left_out[part])}
        seen: set[tuple[str, ...]] = set()
        for row in given:
            if id(row) in fit:
                same = _sameness(row)
                if part == "train" and same in seen:
                    prepared.left_out[part]["says the same as a row before it"] += 1
                else:
                    prepared.rows[part].append(_evenly_spaced(row) if isinstance(row, Example) else row)
                seen.add(same)
    if house_style:
        _rewrite(prepared)
    if not prepared.rows["train"]:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in prepared.left_out["train"].items())
        raise UserError(
            f"no training row is left ({reasons or 'there were none'}); nothing was written. A row needs its database, "
            f"or the schema text in {folder / 'schemas'}"
        )
    return prepared


def _evenly_spaced(row: Example) -> Example:
    return replace(row, sql=even_spacing(row.sql), rejected=even_spacing(row.rejected))


def _rewrite(prepared: Prepared) -> None:
    """Write the SQL of the training rows in house style."""
    rows = prepared.rows["train"]
    by_database: dict[str, list[tuple[int, Example]]] = {}
    for place, row in enumerate(rows):
        if isinstance(row, Example) and row.dialect == "sqlite":
            by_database.setdefault(row.db_id, []).append((place, row))
    changed = 0
    for db_id, placed in by_database.items():
        with suppress(UserError):  # a schema text of the user's own, which is no M-Schema
            database = read_schema_text(prepared.schema(db_id), dialect="sqlite")
            right = rewritten([row.sql for _, row in placed], database)
            wrong = rewritten([row.rejected for _, row in placed], database)
            for (place, row), sql, rejected in zip(placed, right, wrong, strict=True):
                if sql is not None:
                    rejected = rejected or row.rejected
                    rows[place] = replace(row, sql=sql, rejected=rejected if rejected != sql else "")
                    changed += 1
    if changed < len(rows):
        prepared.notes.append(f"{len(rows) - changed} of {len(rows)} training rows keep the style of their SQL")


def split(rows: Sequence[Row], dev_share: float) -> dict[str, list[Row]]:
    """Hold out a share of the rows for ``dev``, the same rows each time; rows with the same SQL stay together."""

    def rank(answer: str) -> str:
        return hashlib.sha256(answer.encode()).hexdigest()

    answers = sorted({_answer(row) for row in rows}, key=rank)
    held = set(answers[: round(dev_share * len(answers))])
    return {
        "train": [row for row in rows if _answer(row) not in held],
        "dev": [row for row in rows if _answer(row) in held],
    }


def percentiles(values: Sequence[Number], shares: Sequence[int] = (50, 90, 99, 100)) -> list[Number]:
    """The smallest values that ``shares`` per cent of ``values`` do not exceed.

    >>> percentiles([5, 1, 4, 2, 3])
    [3, 5, 5, 5]
    """
    ordered = sorted(values)
    return [ordered[max(0, -(-share * len(ordered) // 100) - 1)] for share in shares]


_QUOTED = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\])")
# What a space or a line's end may be part of outside quotes, or what makes it unsure where a quote ends.
_NOT_PLAIN = re.compile(r"--|/\*|#|\$|\\")


def even_spacing(sql: str) -> str:
    """The SQL with one space where there are some, none before a comma and one after it, and no semicolon at its end.

    Quoted text stays as it is, and so does SQL with comments, dollars or backslashes.

    >>> even_spacing("SELECT name ,  age FROM head WHERE  name  =  'a  b' ;")
    "SELECT name, age FROM head WHERE name = 'a  b'"
    """
    parts = _QUOTED.split(sql.strip())
    if any(_NOT_PLAIN.search(part) for part in parts[::2]) or "\\" in sql:
        return sql
    for place in range(0, len(parts), 2):
        parts[place] = re.sub(r"\s*,\s*", ", ", re.sub(r"\s+", " ", parts[place]))
    parts[-1] = parts[-1].rstrip("; ")
    return "".join(parts)


def _add_schemas(
    prepared: Prepared,
    db_ids: Sequence[str],
    folder: Path,
    files: Mapping[str, Path],
    tables: Mapping[str, Database],
    max_values: int | None,
) -> dict[str, Path]:
    """Fill in the schema texts; return those of ``files`` that could be read."""
    readable: dict[str, Path] = {}
    described, without_rows = [], []
    for db_id in db_ids:
        database = None
        if db_id in files:
            try:
                database = replace(read_database(str(files[db_id]), max_values=max_values), name=db_id)
                readable[db_id] = files[db_id]
                prepared.notes += [f"{db_id}: {warning}" for warning in database.warnings]
                if max_values != 0 and not any(
                    column.examples for table in database.tables for column in table.columns
                ):
                    without_rows.append(db_id)
            except UserError as error:
                prepared.notes.append(str(error))
        if database is None and db_id in tables:
            database = tables[db_id]
            described.append(db_id)
        if database is not None:
            prepared.schemas[db_id] = database.mschema()
        elif schema_file(folder, db_id).is_file():
            prepared.known[db_id] = schema_file(folder, db_id).read_text(encoding="utf-8").rstrip("\n")
    if described:
        prepared.notes.append(f"no database file, so no sample values in the schema text: {', '.join(described)}")
    if without_rows:
        prepared.notes.append(f"the database has no rows, so results on it tell nothing: {', '.join(without_rows)}")
    return readable


def _fit_rows(rows: Sequence[Row], files: Mapping[str, Path], prepared: Prepared, left_out: Counter[str]) -> list[Row]:
    """The rows with a schema and with SQL that holds, database by database; conversations are not looked into."""
    by_database: dict[str, list[Example]] = {}
    fit: list[Row] = []
    for row in rows:
        if isinstance(row, Conversation):
            fit.append(row)
        elif row.db_id in prepared.schemas or row.db_id in prepared.known:
            by_database.setdefault(row.db_id, []).append(row)
        else:
            left_out[f"no schema of the database {row.db_id}"] += 1
    for db_id, examples in by_database.items():
        if db_id in files:
            with closing(sqlite3.connect(f"{files[db_id].resolve().as_uri()}?mode=ro", uri=True)) as connection:
                held = [example for example in examples if _compiles(connection, example.sql)]
            reason = "SQL that its database refuses"
        else:
            held = [example for example in examples if _parses(example)]
            reason = "SQL that cannot be parsed"
        fit += held
        if len(held) < len(examples):
            left_out[reason] += len(examples) - len(held)
    return fit


def _compiles(connection: sqlite3.Connection, sql: str) -> bool:
    """Whether SQLite takes the SQL; EXPLAIN makes its program and does not run it."""
    try:
        connection.execute(f"EXPLAIN {sql}")
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return False
    return True


def _parses(example: Example) -> bool:
    try:
        return parse_one(example.sql, example.dialect) is not None
    except NOT_SQL:
        return False


def _answer(row: Row) -> str:
    return _plain(row.sql if isinstance(row, Example) else row.assistant)


def _sameness(row: Row) -> tuple[str, ...]:
    if isinstance(row, Example):
        return row.db_id, _plain(row.question), _plain(row.evidence), _plain(row.sql)
    return row.system, _plain(row.user), _plain(row.assistant)


def _plain(text: str) -> str:
    """The text less differences in spacing, case and a last semicolon."""
    return re.sub(r"\s+", " ", text).strip(" ;").casefold()
