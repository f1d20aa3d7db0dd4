"""A chart that suits a result: which kind, and which columns on which axis. Whoever shows it draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlfocus.web.cells import Kind

MOST_BARS = 60
"""More categories than that cannot be read."""
MOST_SERIES = 4
_KEY = ("id", "_id", "code", "no", "number", "编号", "号")


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A chart: the place of the column on the horizontal axis, and those of the ones that are drawn against it."""

    kind: Literal["bar", "line", "scatter"]
    x: int
    y: tuple[int, ...]


def chart_for(columns: Sequence[tuple[str, Kind]], rows: Sequence[Sequence[Any]]) -> ChartSpec | None:
    """The chart that suits a result, or None where a table says more.

    Numbers over time make lines, numbers by category bars, two numbers alone points. Keys are no measurements: a column
    called ``id`` or ``…_id`` is drawn against nothing.

    >>> chart_for([("town", "text"), ("orders", "number")], [("Perth", 3), ("Bern", 5)])
    ChartSpec(kind='bar', x=0, y=(1,))
    >>> chart_for([("id", "number"), ("town", "text")], [(1, "Perth"), (2, "Bern")]) is None
    True
    """
    if len(rows) < 2:
        return None
    numbers = [
        place
        for place, (name, kind) in enumerate(columns)
        if kind == "number" and not _is_key(name) and all(row[place] is None or _is_number(row[place]) for row in rows)
    ]
    times = [place for place, (_, kind) in enumerate(columns) if kind == "time"]
    texts = [place for place, (_, kind) in enumerate(columns) if kind == "text"]
    years = [place for place in numbers if _is_year(columns[place][0], rows, place)]
    if years and not times and len(numbers) > 1:
        times = years[:1]
        numbers = [place for place in numbers if place != years[0]]
    if not numbers:
        return None
    series = tuple(numbers[:MOST_SERIES])
    if times and not texts and _distinct(rows, times[0]):
        return ChartSpec("line", times[0], series)
    if len(texts) == 1 and not times and len(rows) <= MOST_BARS and _distinct(rows, texts[0]):
        return ChartSpec("bar", texts[0], series)
    if len(numbers) == 2 and len(columns) == 2:
        return ChartSpec("scatter", numbers[0], (numbers[1],))
    return None


def _is_key(name: str) -> bool:
    return name.lower() in _KEY or name.lower().endswith(("_id", "编号")) or name.endswith("ID")


def _is_year(name: str, rows: Sequence[Sequence[Any]], place: int) -> bool:
    named = "year" in name.lower() or "年" in name
    return named and all(row[place] is None or 1000 <= row[place] <= 3000 for row in rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _distinct(rows: Sequence[Sequence[Any]], place: int) -> bool:
    """Whether each value stands once: else it is no axis."""
    return len({row[place] for row in rows}) == len(rows)
