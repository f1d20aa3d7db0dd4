"""Which sample values a column shows, by M-Schema's rules (docs/mschema.md)."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlfocus.schema.mschema import shown_type

DATE_TYPES = ("DATE", "TIME", "DATETIME", "TIMESTAMP")
# No address is longer; without a bound the pattern takes quadratic time on a long text.
_LONGEST_ADDRESS = 254
_ADDRESS = re.compile(r"[\w.-]+@[\w.-]+\.\w+$")


def read_at_most(max_values: int) -> int:
    """How many distinct values to read for ``max_values`` shown: two more, because NULL and '' are dropped."""
    return max_values + 2 if max_values else 0


def choose_values(values: Iterable[Any], type_name: str, max_values: int) -> tuple[str, ...]:
    """Choose what to show of a column's first distinct ``values``, as the database driver gives them.

    NULL and the empty text are dropped. One value stands for a date or a time. Nothing is shown of bytes, nor of a
    column one of whose values looks like an e-mail address or a URL. Where the longest has more than 20 characters one
    is shown, where it has more than 50 none.

    >>> choose_values([None, "Perth", "", "Oslo"], "TEXT", 3)
    ('Perth', 'Oslo')
    >>> choose_values([Decimal("2.50"), Decimal("3")], "NUMERIC(8, 2)", 3)
    ('2.5', '3.0')
    >>> choose_values(["a@example.com"], "TEXT", 3)
    ()
    """
    present = [value for value in values if value is not None and value != ""]
    texts: list[str] = []
    for value in present:
        if isinstance(value, datetime.date):  # a datetime is one too
            texts = [str(value)]
            break
        text = _text(value)
        if text is None or (len(text) <= _LONGEST_ADDRESS and _ADDRESS.match(text)):
            return ()
        if "http://" in text or "https://" in text:
            return ()
        texts.append(text)
    shown = [text for text in texts if text][:max_values]
    longest = max(map(len, shown), default=0)
    if shown_type(type_name) in DATE_TYPES:
        return tuple(shown[:1])
    if longest > 50:
        return ()
    return tuple(shown[:1] if longest > 20 else shown)


def _text(value: Any) -> str | None:
    """A value as text; None for one that has no text worth reading."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return None
    if isinstance(value, Decimal):
        return str(float(value))
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
