"""What sqlglot does with text that is no SQL."""

from __future__ import annotations

from sqlglot.errors import SqlglotError

NOT_SQL: tuple[type[Exception], ...] = (
    SqlglotError,
    RecursionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What its parser and generator raise then: their own errors and, at odd texts, Python's. What models and people write
is odd at times, so whoever gives sqlglot such a text expects them all."""
