"""Real values: a sample of each table's rows, read in at most three queries a table, and bounded for big tables."""

from __future__ import annotations

import datetime
import decimal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlfocus.corpus.synthesis.quoting import qualified, quoted
from sqlfocus.schema.mschema import Table

BIG = 10_000
"""From how many rows a table is big: it is sampled at both ends, and queries are tried on its first ``BIG`` rows."""
SAMPLE = 1_000


class Outcome(Protocol):
    """What running a query gave; ``error`` is falsy where it ran."""

    @property
    def rows(self) -> Sequence[Sequence[Any]]: ...
    @property
    def error(self) -> object: ...


class Connection(Protocol):
    """Runs one read-only query within limits of time and rows, and reports an error in the outcome."""

    def run(self, sql: str) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What the sample shows of a column; ``values`` are the distinct ones, the most frequent first."""

    values: tuple[Any, ...]
    counts: tuple[int, ...]
    nulls: float
    filled: int

    @property
    def unique(self) -> bool:
        return self.filled > 2 and len(self.values) == self.filled


@dataclass(frozen=True, slots=True)
class TableProfile:
    """``rows`` is exact up to ``BIG`` and ``BIG + 1`` above."""

    rows: int
    columns: dict[str, ColumnProfile]
    sample: tuple[tuple[Any, ...], ...]


def read_profile(table: Table, connection: Connection, dialect: str) -> TableProfile | str:
    """Sample a table; a table that cannot be read gives the reason as text."""
    name = qualified(table.schema, table.name, dialect)
    counted = connection.run(f"SELECT count(*) FROM (SELECT 1 AS one FROM {name} LIMIT {BIG + 1}) AS part")
    if counted.error:
        return str(counted.error)
    rows = int(counted.rows[0][0])
    columns = ", ".join(quoted(column.name, dialect) for column in table.columns)
    sampled = connection.run(f"SELECT {columns} FROM {name} LIMIT {SAMPLE}")
    if sampled.error:
        return str(sampled.error)
    sample = list(sampled.rows)
    key = [quoted(column.name, dialect) for column in table.columns if column.primary_key]
    if rows > SAMPLE and key:
        order = ", ".join(f"{column} DESC" for column in key)
        tail = connection.run(f"SELECT {columns} FROM {name} ORDER BY {order} LIMIT {SAMPLE}")
        if not tail.error:
            sample += list(tail.rows)[: max(0, rows - SAMPLE)]
    normalized = tuple(tuple(normal(value) for value in row) for row in sample)
    profiles = {column.name: _column([row[place] for row in normalized]) for place, column in enumerate(table.columns)}
    return TableProfile(rows, profiles, normalized)


def normal(value: Any) -> Any:
    """A value as the other modules compare it: decimals as int or float, dates as ISO text, memory as bytes."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bool, int, float, str, bytes)) or value is None:
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    return str(value)


def _column(values: list[Any]) -> ColumnProfile:
    filled = [value for value in values if value is not None and value != ""]
    # Counted by type too, because 1 and True and 1.0 are one key of a dictionary.
    counts = Counter((type(value).__name__, value) for value in filled if not isinstance(value, bytes))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1]))
    return ColumnProfile(
        tuple(value for (_, value), _ in ordered),
        tuple(count for _, count in ordered),
        sum(value is None for value in values) / len(values) if values else 0.0,
        len(filled),
    )
