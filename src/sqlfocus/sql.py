"""SQL through sqlglot: how all of the project reads it, and what comes of text that is no SQL."""

from __future__ import annotations

import logging

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

NOT_SQL: tuple[type[Exception], ...] = (
    SqlglotError,
    RecursionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What the parser and the generator raise then: their own errors and, at odd texts, Python's. What models and people
write is odd at times, so whoever reads such a text expects them all."""

# It warns of statements that it knows by their first word alone, quoting them; whoever reads here hears by an error.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

MOST_NESTED_TYPES = 6
"""So many parentheses behind the names of types may stand one in the other."""


def parse(sql: str, dialect: str) -> list[exp.Expr | None]:
    """The statements of a text, as ``sqlglot.parse`` has them.

    sqlglot reads what is in parentheses behind a type's name twice, as a size and as an argument, so that
    ``time(time(time(…`` takes twice as long with each level (four times behind MySQL's BINARY), and hours with thirty.
    Here it is refused.

    >>> parse("SELECT 1", "sqlite")[0].sql()
    'SELECT 1'

    Raises:
        ParseError: it cannot be read, or types are nested too deeply.
        Others of :data:`NOT_SQL`.
    """
    reader = Dialect.get_or_raise(dialect)
    tokens = reader.tokenize(sql)
    types = reader.parser_class.TYPE_TOKENS
    behind: list[bool] = []
    before = None
    for token in tokens:
        if token.token_type is TokenType.L_PAREN:
            behind.append(before in types)
            if sum(behind) > MOST_NESTED_TYPES:
                raise ParseError("functions that are called as types are nested too deeply")
        elif token.token_type is TokenType.R_PAREN and behind:
            behind.pop()
        before = token.token_type
    found: list[exp.Expr | None] = reader.parser().parse(tokens, sql)
    return found


def parse_one(sql: str, dialect: str) -> exp.Expr:
    """The one statement of a text, or the first of several.

    Raises:
        ParseError: there is none, it cannot be read, or types are nested too deeply.
        Others of :data:`NOT_SQL`.
    """
    first = next(iter(parse(sql, dialect)), None)
    if first is None:
        raise ParseError(f"no SQL in {sql[:100]!r}")
    return first
