"""The first distinct values of the columns of a server's tables, or of a view: which statements give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection

from sqlfocus.schema.batches import fetch_all

# Of a server's tables and of all views so many rows are read, for all columns together.
ROWS = 1_000
# So many of them come first; they have values enough for most columns. Drivers written in Python take most of the time.
_FIRST_ROWS = 10
# Longer values are never shown; no need to fetch them whole.
_LONGEST_TEXT = 300

TypedName = tuple[str, types.TypeEngine[Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """A table to sample: ``columns`` are pairs of a name and SQLAlchemy's type."""

    name: str
    columns: Sequence[TypedName]
    schema: str | None = None
    is_view: bool = False

    @property
    def label(self) -> str:
        """What to call the table in a warning."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


def first(connection: Connection, source: Source, columns: Sequence[TypedName], count: int) -> list[list[Any]]:
    """The first ``count`` distinct values of each column among the table's first rows."""
    statement = _select(connection, source, columns, ROWS if count else 0)
    return _by_column(
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).fetchall(), count
    )


def first_of_all(connection: Connection, sources: Sequence[Source], count: int) -> list[list[list[Any]] | None]:
    """What :func:`first` gives of each source, or None where that fails.

    The first rows of all columns, and for columns that then have too few values the further rows of these alone.
    """
    few = min(max(_FIRST_ROWS, 2 * count), ROWS) if count else 0
    rows_of = fetch_all(connection, [_select(connection, source, source.columns, few) for source in sources])
    values: list[list[list[Any]] | None] = [None if rows is None else _by_column(rows, count) for rows in rows_of]
    short: dict[int, list[int]] = {}
    for i, (source, rows, listed) in enumerate(zip(sources, rows_of, values, strict=True)):
        if rows and listed and len(rows) == few < ROWS:
            columns = [
                number
                for number, (_, type_) in enumerate(source.columns)
                if len(listed[number]) < count and not isinstance(type_, types.LargeBinary)
            ]
            if columns:
                short[i] = columns
    statements = [_further(connection, sources[i], [sources[i].columns[c] for c in short[i]]) for i in short]
    for i, rows in zip(short, fetch_all(connection, statements), strict=True):
        if rows is None:
            values[i] = None
            continue
        listed = values[i] or []
        for number, found in zip(short[i], _by_column(rows, count), strict=False):
            listed[number] = found
    return values


def _by_column(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """The first ``count`` distinct values of each column of ``rows``; none for no rows."""
    return [_first_distinct(column, count) for column in zip(*rows, strict=True)]


def _select(connection: Connection, source: Source, columns: Sequence[TypedName], rows: int) -> str:
    """The statement for a table's first rows."""
    quoted = quoting(connection)
    table = ".".join(quoted(name) for name in (source.schema, source.name) if name)
    if connection.dialect.name in ("mysql", "mariadb") and not source.is_view:
        # An index that has all the columns asked for is read in their place, and has equal values side by side.
        table += " USE INDEX ()"
    selected = (f"{_selected(quoted(name), type_)} AS c{number}" for number, (name, type_) in enumerate(columns))
    return f"SELECT {', '.join(selected)} FROM {table} LIMIT {rows}"


def _further(connection: Connection, source: Source, columns: Sequence[TypedName]) -> str:
    """The statement for the first rows of columns with few values; the rows may come without their duplicates."""
    select = _select(connection, source, columns, ROWS)
    if connection.dialect.name not in ("mysql", "mariadb"):
        return select  # DISTINCT would give the rows another order
    # MariaDB gives distinct rows in the order of the first of each, as its temporary table keeps them; MySQL was not
    # run. Their DISTINCT takes texts that differ in case for equal; with the texts' own bytes beside them only equal
    # ones are.
    names = [f"c{number}" for number in range(len(columns))]
    texts = [name for name, (_, type_) in zip(names, columns, strict=True) if isinstance(type_, types.String)]
    names += [f"CRC32(CONCAT_WS(',', {', '.join(f'HEX({name})' for name in texts)}))"] if texts else []
    return f"SELECT DISTINCT {', '.join(names)} FROM ({select}) AS first_rows"


def quoting(connection: Connection) -> Callable[[str], str]:
    """How the database quotes a name. SQLAlchemy's way doubles percent signs, for statements that have parameters."""
    quote = "`" if connection.dialect.name in ("mysql", "mariadb") else '"'
    return lambda name: quote + name.replace(quote, quote * 2) + quote


def _selected(column: str, type_: types.TypeEngine[Any]) -> str:
    if isinstance(type_, types.LargeBinary):  # permission is asked for, the bytes are not fetched
        return f"CASE WHEN {column} IS NULL THEN NULL END"
    if isinstance(type_, mysql.BIT):  # else its bytes come, of which nothing is shown
        return f"{column} + 0"
    is_text = isinstance(type_, types.String) and not isinstance(type_, types.Enum)
    if is_text and not 0 < (getattr(type_, "length", None) or 0) <= _LONGEST_TEXT:
        return f"substr({column}, 1, {_LONGEST_TEXT})"
    return column


def _first_distinct(values: Iterable[Any], count: int) -> list[Any]:
    found: dict[Any, Any] = {}
    for value in values:
        found.setdefault(repr(value), value)
        if len(found) >= count:
            break
    return list(found.values())
