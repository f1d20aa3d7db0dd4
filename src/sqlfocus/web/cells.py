"""Values of a result as JSON has them."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Kind = Literal["number", "text", "time", "boolean", "binary", "empty"]
JSON_INTEGER = 2**53 - 1
"""Beyond it a browser's numbers skip integers, and such a value goes as text."""
SHOWN_BYTES = 64
"""So much of a binary value is sent, in hexadecimal."""
_EXACT_DIGITS = 15
_DAY = r"\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?"
_CLOCK = r"[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
_TIME = re.compile(f"{_DAY}(?:(?<=-\\d\\d-\\d\\d){_CLOCK})?")
_TIMES = (datetime.date, datetime.time, datetime.timedelta)


def cell(value: Any) -> str | int | float | bool | None:
    """A value as JSON has it; what has no such form comes as text, exact.

    >>> cell(decimal.Decimal("12.50")), cell(2**60), cell(datetime.date(2026, 1, 2)), cell(b"\\x01\\xff")
    (12.5, '1152921504606846976', '2026-01-02', '0x01ff')
    """
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else _encodable(value)
    if isinstance(value, int):
        return value if abs(value) <= JSON_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        exact = value.is_finite() and len(value.as_tuple().digits) <= _EXACT_DIGITS
        return (int(value) if value == value.to_integral_value() else float(value)) if exact else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        more = f"… ({len(data)} bytes)" if len(data) > SHOWN_BYTES else ""
        return f"0x{data[:SHOWN_BYTES].hex()}{more}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, _TIMES):
        return value.isoformat() if not isinstance(value, datetime.timedelta) else str(value)
    return _encodable(str(value))


def _encodable(text: str) -> str:
    """Text without halves of surrogate pairs, which UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode() if not text.isprintable() else text


def kind(values: Iterable[Any]) -> Kind:
    """What most of a column's values are, of the first 1000 or so that the caller gives.

    >>> kind([None, 1, 2.5]), kind([None]), kind(["2024-01-02", "2024-02-03"]), kind(["a", "2024-02-03"])
    ('number', 'empty', 'time', 'text')
    """
    counts: dict[Kind, int] = {}
    for value in values:
        if value is not None:
            one = _kind(value)
            counts[one] = counts.get(one, 0) + 1
    if not counts:
        return "empty"
    if len(counts) > 1 and "text" in counts:
        return "text"
    return max(counts, key=lambda one: counts[one])


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float, decimal.Decimal)):
        return "number"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "binary"
    if isinstance(value, _TIMES) or (isinstance(value, str) and _is_time(value)):
        return "time"
    return "text"


def _is_time(text: str) -> bool:
    """Whether a text is a day or a moment in ISO's form, as SQLite's dates are."""
    return _TIME.fullmatch(text) is not None


def columns_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[str, Kind]]:
    """A result's columns with the kinds of their values."""
    seen = rows[:1000]
    return [(name, kind(row[place] for row in seen)) for place, name in enumerate(names)]
