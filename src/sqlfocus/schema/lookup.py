"""Reads the text values of a live database into a :class:`ValueIndex`, so that those a question names are found."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import connect, open_engine, place, reason
from sqlfocus.schema.mschema import Column, Database, Table, shown_type
from sqlfocus.schema.sampling import limit_time, out_of_time, time_limit
from sqlfocus.schema.value_index import LONGEST_VALUE, MOST_FOUND, Found, Place, ValueIndex, hint, usable
from sqlfocus.schema.words import terms

__all__ = ["MOST_FOUND", "Found", "ValueIndex", "hint", "read_values"]

VALUES_A_COLUMN = 5_000
"""Of a column so many distinct values are read at most."""
VALUES = 100_000
"""… and of a database; an index of so many takes about 30 MB."""
ROWS = 100_000
"""So many rows of a table are looked at, for each column."""
SECONDS = 30.0
"""After which no more columns are read."""

# Types that hold no words. What is not named here may: VARCHAR, TEXT, enumerations, SQLite's columns without a type.
_NOT_TEXT = re.compile(
    r"INT|SERIAL|REAL|\bNUM|DEC|DOUB|FLOA|BOOL|\bBIT|DATE|TIME|YEAR|BLOB|BINARY|BYTEA|IMAGE|JSON|XML|UUID|MONEY|INET|"
    r"CIDR|MACADDR|\[|GEOM|GEOG|POINT|POLYGON|VECTOR|\bOID"
)
# Names and comments of columns whose values are no one's business, or mean nothing to a question.
_SECRET = re.compile(
    r"passw|pwd|secret|credential|api_?key|e_?mail|密码|口令|密钥|令牌|邮箱|邮件|网址|身份证|银行卡", re.IGNORECASE
)
_SECRET_WORDS = frozenset(
    ("token", "salt", "hash", "md5", "sha", "sha1", "sha256", "url", "uri", "mail", "pin", "ssn", "iban")
)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]+\.\w|://|^www\.", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w+/-]{32,}={0,2}", re.IGNORECASE)


def read_values(
    url: str,
    database: Database,
    *,
    values_a_column: int = VALUES_A_COLUMN,
    values: int = VALUES,
    rows: int = ROWS,
    seconds: float = SECONDS,
) -> ValueIndex:
    """Read distinct values of the text columns of ``database``, which was read from ``url``.

    One statement a column, of ``rows`` rows at most, over a connection that only reads. Values of more than
    :data:`LONGEST_VALUE` characters or several lines are left out, and so is a column whose name, comment or values
    look like secrets, e-mail addresses, URLs, hashes or free text. What is known in part only, or not read, is said in
    the index's ``partial`` and ``notes``.

    Raises:
        UserError: no connection, or it is lost.
    """
    engine, _ = open_engine(url)
    try:
        with connect(engine) as connection:
            limit_time(connection)
            end = time.monotonic() + seconds
            with time_limit(connection, end):
                return _Reader(connection, values_a_column, rows, end).read(database, values)
    finally:
        engine.dispose()


class _Reader:
    """Reads columns over one connection until ``end``."""

    def __init__(self, connection: Connection, most: int, rows: int, end: float) -> None:
        self.connection = connection
        self.most = most
        self.rows = rows
        self.end = end
        self.found: dict[Place, list[str]] = {}
        self.partial: list[str] = []
        self.notes: list[str] = []

    def read(self, database: Database, values: int) -> ValueIndex:
        left = values
        unread: list[str] = []
        for table in database.tables:
            whole: bool | None = None
            for column in table.columns:
                if not _is_text(column) or _looks_secret(column):
                    continue
                label = _label(table, column)
                if not left or time.monotonic() > self.end:
                    unread.append(label)
                    continue
                texts = self._texts(table, column, min(self.most, left))
                if texts is None:
                    continue
                whole = self._is_whole(table) if whole is None else whole
                if not whole or len(texts) > min(self.most, left):
                    self.partial.append(label)
                texts = texts[: min(self.most, left)]
                if _worth_knowing(texts):
                    kept = [text for text in texts if usable(text)]
                    self.found[table.schema, table.name, column.name] = kept
                    left -= len(kept)
        if unread:
            more = f" and {len(unread) - 3} more" if unread[3:] else ""
            why = "enough values were read" if not left else "reading took too long"
            self.notes.append(f"{', '.join(unread[:3])}{more}: values not looked up, {why}")
        names = [name for table in database.tables for name in (table.name, *(column.name for column in table.columns))]
        return ValueIndex(self.found, names=names, partial=self.partial, notes=self.notes)

    def _texts(self, table: Table, column: Column, most: int) -> list[str] | None:
        """The first ``most`` distinct texts and one more where there is one; None where they cannot be read."""
        source = sa.table(table.name, sa.column(column.name), schema=table.schema or None)
        value: sa.ColumnElement[Any] = source.c[column.name]
        if self.connection.dialect.name == "postgresql":
            value = sa.cast(value, sa.Text)  # an enumeration's too
        first = sa.select(sa.func.substr(value, 1, LONGEST_VALUE + 1).label("v")).select_from(source)
        rows = first.where(source.c[column.name].is_not(None)).limit(self.rows).subquery()
        try:
            found = self.connection.execute(sa.select(rows.c.v).distinct().limit(most + 1)).scalars().all()
        except (SQLAlchemyError, UnicodeError) as error:
            self._recover(error, _label(table, column))
            return None
        return [value for value in found if isinstance(value, str)]

    def _is_whole(self, table: Table) -> bool:
        """Whether all of a table's rows were looked at."""
        source = sa.table(table.name, schema=table.schema or None)
        some = sa.select(sa.literal_column("1").label("one")).select_from(source).limit(self.rows + 1).subquery()
        try:
            count = self.connection.execute(sa.select(sa.func.count()).select_from(some)).scalar()
        except SQLAlchemyError as error:
            self._recover(error, table.name)
            return False
        return int(count or 0) <= self.rows

    def _recover(self, error: Exception, label: str) -> None:
        where, why = self.connection.engine.url, reason(error, self.connection.engine.url)
        if self.connection.invalidated or self.connection.closed:
            raise UserError(f"{place(where)}: the connection was lost ({why}); try again") from error
        self.connection.rollback()
        said = "reading took too long" if out_of_time(error) else f"they cannot be read ({why})"
        self.notes.append(f"{label}: values not looked up, {said}")


def _label(table: Table, column: Column) -> str:
    return ".".join(name for name in (table.schema, table.name, column.name) if name)


def _is_text(column: Column) -> bool:
    return not _NOT_TEXT.search(shown_type(column.type))


def _looks_secret(column: Column) -> bool:
    said = f"{column.name} {column.comment}"
    return bool(_SECRET.search(said)) or not _SECRET_WORDS.isdisjoint(terms(said))


def _worth_knowing(texts: Sequence[str]) -> bool:
    """Whether a column's values are such that questions name: no addresses, and most neither hashes nor free text."""
    if any(_ADDRESS.search(text) for text in texts):
        return False
    bad = sum(len(text) > LONGEST_VALUE or bool(_HASH.fullmatch(text)) for text in texts)
    return 2 * bad <= len(texts)
