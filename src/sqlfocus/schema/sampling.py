"""Sample values: bounded statements, many tables' at once, and what to do where a table or column cannot be read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import place, reason
from sqlfocus.schema.first_rows import Source, TypedName, first, first_of_all, quoting
from sqlfocus.schema.values import choose_values, read_at_most

# A table of more rows is read only so far, for each column.
SQLITE_ROWS = 10_000
# A view may have to read all of a big table to give its first row.
SECONDS = 10
# SQLite takes 500 terms in a compound statement, and compounds of compounds.
_TERMS = 400


# What drivers raise on fetching: their own errors, and Python's where a value has no Python form.
_UNREADABLE = (SQLAlchemyError, ValueError, TypeError, ArithmeticError)
_Chosen = tuple[dict[str, tuple[str, ...]], list[str]]


@dataclass(frozen=True, slots=True)
class Samples:
    """``examples`` for each column that can be read; ``warnings`` for what cannot."""

    examples: dict[str, tuple[str, ...]]
    warnings: list[str]


def sample_all(connection: Connection, sources: Sequence[Source], max_values: int) -> list[Samples]:
    """:func:`sample` of each source, in their order. A server's tables are read together, in few round trips.

    Raises:
        UserError: the connection is lost.
    """
    found: dict[int, Samples] = {}
    if connection.dialect.name != "sqlite":
        together = [i for i, source in enumerate(sources) if source.columns and not source.is_view]
        values = first_of_all(connection, [sources[i] for i in together], read_at_most(max_values))
        for i, listed in zip(together, values, strict=True):
            if listed is not None:
                found[i] = Samples(*_chosen(connection, sources[i], sources[i].columns, listed, max_values))
    return [found[i] if i in found else sample(connection, source, max_values) for i, source in enumerate(sources)]


def sample(connection: Connection, source: Source, max_values: int) -> Samples:
    """Choose sample values for the columns of a table, with one statement if all of them can be read.

    With ``max_values=0`` that statement only asks whether they can. A column that cannot be selected is left out with a
    warning; one whose values cannot be fetched stays, without values, with a warning. Empty ``examples`` say that
    nothing of the table can be read.

    Raises:
        UserError: the connection is lost.
    """
    if not source.columns:
        return Samples({}, [f"{source.label}: left out, it has no columns"])
    try:
        return Samples(*_choose(connection, source, source.columns, max_values))
    except _UNREADABLE as error:
        why = _recover(connection, error)
        if out_of_time(error):
            return Samples(
                dict.fromkeys((name for name, _ in source.columns), ()),
                [f"{source.label}: no values shown, reading took more than {SECONDS} seconds"],
            )
    examples: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for column in source.columns:
        found, said = _column_alone(connection, source, column, max_values)
        examples |= found
        notes += said
    if not examples:
        notes = [f"{source.label}: left out, cannot be read ({why})"]
    return Samples(examples, notes)


def _column_alone(connection: Connection, source: Source, column: TypedName, max_values: int) -> _Chosen:
    name = column[0]
    try:
        return _choose(connection, source, [column], max_values)
    except _UNREADABLE as error:
        why = _recover(connection, error)
    try:
        _choose(connection, source, [column], 0)
    except _UNREADABLE as error:
        return {}, [f"{source.label}.{name}: left out, cannot be read ({_recover(connection, error)})"]
    return {name: ()}, [f"{source.label}.{name}: no values shown, they cannot be read ({why})"]


def _recover(connection: Connection, error: BaseException) -> str:
    if connection.invalidated or connection.closed:
        why = reason(error, connection.engine.url)
        raise UserError(f"{place(connection.engine.url)}: the connection was lost ({why}); try again") from error
    connection.rollback()
    return reason(error, connection.engine.url)


def out_of_time(error: BaseException) -> bool:
    """Whether a statement failed because it took too long."""
    cause = getattr(error, "orig", None)
    if not isinstance(error, DBAPIError) or cause is None:
        return False
    codes = (getattr(cause, "sqlstate", None), *cause.args[:1])
    # PostgreSQL's query_canceled, MariaDB's and MySQL's numbers, SQLite's message.
    return any(code in codes for code in ("57014", 1969, 3024, "interrupted"))


def _choose(connection: Connection, source: Source, columns: Sequence[TypedName], max_values: int) -> _Chosen:
    count = read_at_most(max_values)
    exact = connection.dialect.name == "sqlite" and not source.is_view and count
    with time_limit(connection, time.monotonic() + SECONDS):
        found = (
            _distinct(connection, source.name, columns, count) if exact else first(connection, source, columns, count)
        )
    return _chosen(connection, source, columns, found, max_values)


def _chosen(
    connection: Connection,
    source: Source,
    columns: Sequence[TypedName],
    found: Sequence[Sequence[Any]],
    max_values: int,
) -> _Chosen:
    """Of the first distinct values of each column those to show; no column's ``found`` says that there are no rows."""
    examples: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for (name, type_), values in zip(columns, found or [[] for _ in columns], strict=True):
        where = f"{source.label}.{name}"
        if connection.dialect.name == "sqlite":
            try:
                values = _as_declared(values, type_, connection.dialect)
            except UnicodeError:
                notes.append(f"{where}: no values shown, they are not UTF-8")
                values = []
            except (ValueError, TypeError, ArithmeticError):
                notes.append(f"{where}: no values shown, they are not of the declared type {type_!s}")
                values = []
        elif connection.dialect.name in ("mysql", "mariadb"):
            values = [_clock(value) if isinstance(value, timedelta) else value for value in values]
        examples[name] = choose_values(values, _type_name(type_), max_values)
    return examples, notes


def _clock(value: timedelta) -> str:
    """A TIME of MySQL as it writes it, which may be negative or longer than a day; drivers make a timedelta of it."""
    size = abs(value)
    minutes, seconds = divmod(size // timedelta(seconds=1), 60)
    text = f"{'-' if value < timedelta() else ''}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return f"{text}.{size.microseconds:06}" if size.microseconds else text


@lru_cache(maxsize=1024)
def _type_name(type_: types.TypeEngine[Any]) -> str:
    return str(type_)  # SQLAlchemy sets up a dialect each time


def _distinct(connection: Connection, table: str, columns: Sequence[TypedName], count: int) -> list[list[Any]]:
    """The first ``count`` distinct values of each column of an SQLite table, in the order that SQLite finds them.

    That order is an index's or the rows', as SQLite's planner sees fit, and M-Schema's reference shows it. A plain
    SELECT DISTINCT on each column gives it, but reads a big table whole where a column has few values. So that is asked
    of small tables only, and of the first rows of big ones; which of the two, the statement finds out by itself.
    """
    quoted = quoting(connection)
    source = quoted(table)
    # A limit of nothing ends a term before it reads a row; a condition would be asked of each row. The plus keeps a
    # column's type from converting the values of the next.
    all_rows = f"(SELECT CASE WHEN n <= {SQLITE_ROWS} THEN {count} ELSE 0 END FROM size)"
    first_rows = f"(SELECT CASE WHEN n <= {SQLITE_ROWS} THEN 0 ELSE {SQLITE_ROWS} END FROM size)"
    terms = []
    for i, (name, _) in enumerate(columns):
        select = f"{quoted(name)} AS x FROM {source} LIMIT"
        terms.append(f"SELECT {i}, +x FROM (SELECT DISTINCT {select} {all_rows})")
        terms.append(f"SELECT {i}, +x FROM (SELECT DISTINCT x FROM (SELECT {select} {first_rows}) LIMIT {count})")
    compounds = (" UNION ALL ".join(terms[start : start + _TERMS]) for start in range(0, len(terms), _TERMS))
    statement = (
        f"WITH size(n) AS (SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {SQLITE_ROWS + 1})) "
        + " UNION ALL ".join(f"SELECT * FROM ({compound})" for compound in compounds)
    )
    found: list[list[Any]] = [[] for _ in columns]
    for i, value in connection.exec_driver_sql(statement):
        found[i].append(value)
    return found


def _as_declared(values: Sequence[Any], type_: types.TypeEngine[Any], dialect: sa.Dialect) -> list[Any]:
    """SQLite's values as SQLAlchemy reads them for the declared type.

    Raises:
        UnicodeError: some are not UTF-8.
        ValueError, TypeError, ArithmeticError: some are not of that type.
    """
    for value in values:
        if isinstance(value, str):
            value.encode("utf-8")
    if isinstance(type_, types.Boolean) and any(value not in (None, 0, 1) for value in values):
        return list(values)  # bool() would make True of 'F'
    if isinstance(type_, types.JSON):
        return list(values)
    process = type_.dialect_impl(dialect).result_processor(dialect, None)
    return list(values) if process is None else [process(value) for value in values]


def limit_time(connection: Connection) -> None:
    """Let a server stop statements of this connection after some seconds; :func:`sample` does it for SQLite."""
    limits = {
        "postgresql": f"SET statement_timeout = {SECONDS * 1000}",
        "mariadb": f"SET SESSION max_statement_time = {SECONDS}",
        "mysql": f"SET SESSION max_execution_time = {SECONDS * 1000}",
    }
    name = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else connection.dialect.name
    if name in limits:
        connection.exec_driver_sql(limits[name])
        connection.commit()


@contextmanager
def time_limit(connection: Connection, end: float) -> Iterator[None]:
    """Stops statements of an SQLite connection at ``end``, of the monotonic clock; a server's :func:`limit_time` does.

    What stops them is an error of which :func:`out_of_time` is true.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: int(time.monotonic() > end), 100_000)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
