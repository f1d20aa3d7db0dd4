"""Run a query on MySQL, MariaDB or PostgreSQL: in a read-only transaction, with a statement timeout, streamed.

Each query has a connection of its own, which is closed after it: what a query changes in its session (settings, locks,
temporary tables) ends with it, what it changes in a transaction is never committed, and a server that was restarted is
met anew. A read-only transaction alone is what the server grants to a well-behaved client; a query that got past the
guard could end it. So only what the server itself takes for a query is run: what a cursor can be declared for in
PostgreSQL, what can stand in a subquery in MySQL. docs/safety.md says what this does not hold, and how to make a role
that can do no more than SELECT, which does.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.execution.runner import Limits, Result
from sqlfocus.execution.watch import STOPPED, Turns, Watch
from sqlfocus.schema.connect import connect, open_engine, place, reason

CANCEL_SECONDS = 5.0
_STOPPED = ("max_statement_time", "maximum statement execution time", "statement timeout")


class ServerRunner:
    """Runs queries on one server's database, ``workers`` at a time, each over a connection of its own.

    Raises:
        UserError: the URL is not understood, the driver is missing or another one is asked for, or the server cannot
            be reached.
    """

    def __init__(self, url: str, limits: Limits, workers: int = 1) -> None:
        self._limits = limits
        self._engine, self.dialect = open_engine(url)
        driver = {"mysql": "pymysql", "postgres": "psycopg"}[self.dialect]
        if self._engine.dialect.driver != driver:
            raise UserError(f"{place(self._engine.url)}: queries run over {driver}; leave out the driver in the URL")
        self._turns = Turns(workers, limits.seconds)
        self._errors = (self._engine.dialect.loaded_dbapi.Error, SQLAlchemyError, RuntimeError, OSError, ValueError)
        event.listen(self._engine, "connect", self._prepare)
        connect(self._engine).close()

    def run(self, sql: str, *, stop: threading.Event | None = None) -> Result:
        """Run one query; see :meth:`sqlfocus.execution.runner.Execution.run`."""
        if error := self._turns.enter(stop):
            return Result(error=error)
        start = time.monotonic()
        try:
            with contextlib.closing(self._connection()) as connection:
                result = self._run(connection, sql, stop)
        except self._errors as failure:
            result = Result(error=self._explain(failure))
        finally:
            self._turns.leave()
        return Result(result.columns, result.rows, result.truncated, time.monotonic() - start, result.error)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.dispose()

    def _connection(self) -> Any:
        """A driver's connection, set up, out of SQLAlchemy's hands."""
        pooled = self._engine.raw_connection()
        driver = pooled.driver_connection
        pooled.detach()
        return driver

    def _run(self, connection: Any, sql: str, stop: threading.Event | None) -> Result:
        watch = Watch(
            self._limits.seconds, stop, [lambda: self._cancel(connection), lambda: _hang_up(connection, self.dialect)]
        )
        failure: BaseException | None = None
        result = Result()
        try:
            stream = _postgres if self.dialect == "postgres" else _mysql
            with contextlib.closing(stream(connection, sql, self._limits.rows + 1)) as rows:
                result = self._take(rows)
        except self._errors as error:
            failure = error
        finally:
            ended = watch.finish()
        if ended and (failure or ended == STOPPED):
            return Result(error=ended)
        return Result(error=self._explain(failure)) if failure else result

    def _take(self, rows: Iterator[tuple[Any, ...]]) -> Result:
        """The rows within the limits; the first of ``rows`` are the names of the columns."""
        columns = next(rows)
        if not columns:
            return Result(error="refused: a query returns rows, this does not")
        kept: list[tuple[Any, ...]] = []
        weight = 0
        for row in rows:
            weight += sum(8 + _size(value) for value in row)
            if len(kept) == self._limits.rows or weight > self._limits.bytes:
                return Result(columns, kept, truncated=True)
            kept.append(row)
        return Result(columns, kept)

    def _cancel(self, connection: Any) -> None:
        """Ask the server, over another connection, to give the query up."""
        with contextlib.suppress(*self._errors):
            if self.dialect == "postgres":
                connection.cancel_safe(timeout=CANCEL_SECONDS)
                return
            number = connection.thread_id()
            with contextlib.closing(self._connection()) as other, other.cursor() as cursor:
                cursor.execute(f"KILL QUERY {number}")

    def _prepare(self, connection: Any, record: Any) -> None:
        """Set up a session, which ``open_engine`` has made read-only; the guard writes strings by the default rules."""
        milliseconds = int(self._limits.seconds * 1000)
        with connection.cursor() as cursor:
            if self.dialect == "postgres":
                # A cursor's plan would be made for its first rows, where all are wanted.
                cursor.execute(
                    f"SET statement_timeout = {milliseconds}; SET standard_conforming_strings = on; "
                    "SET cursor_tuple_fraction = 1"
                )
                connection.commit()
                return
            cursor.execute("SELECT VERSION()")
            mariadb = "mariadb" in cursor.fetchone()[0].lower()
            limit = (
                f"max_statement_time = {self._limits.seconds:f}" if mariadb else f"max_execution_time = {milliseconds}"
            )
            cursor.execute(
                "SET SESSION sql_mode = REPLACE(REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), 'ANSI_QUOTES', ''), "
                f"sql_select_limit = {self._limits.rows + 1}, {limit}"
            )

    def _explain(self, error: BaseException) -> str:
        text = reason(error, self._engine.url)
        said = text.lower()
        if any(word in said for word in _STOPPED):
            return f"timeout: stopped after {self._limits.seconds:g} s"
        if "read-only transaction" in said or "read only transaction" in said:
            return f"refused: a query may only read ({text})"
        return text


def _postgres(connection: Any, sql: str, most: int) -> Generator[tuple[Any, ...]]:
    """The names of a query's columns, then its rows, one at a time.

    A cursor takes queries alone, and psycopg declares it by the protocol that takes one statement alone. The rows are
    not fetched through it, since it would hold hundreds in memory before the first is weighed.
    """
    with connection.cursor("query", scrollable=False) as declared, connection.cursor() as fetching:
        declared.execute(sql)
        yield tuple(column.name for column in declared.description or ())
        with contextlib.closing(fetching.stream(f'FETCH FORWARD {most} FROM "query"')) as rows:
            yield from rows


def _mysql(connection: Any, sql: str, most: int) -> Generator[tuple[Any, ...]]:
    """The names of a query's columns, then its rows, one at a time; the session has been told ``most``.

    That the text can stand in a subquery is found out by preparing that, which runs nothing. It keeps out whatever is
    not a query as a whole, blocks of statements, SET STATEMENT and INTO among it.
    """
    from pymysql.cursors import SSCursor

    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION READ ONLY")
        probe = connection.escape(f"SELECT EXISTS ({sql}\n)")
        cursor.execute(f"PREPARE probe FROM {probe}")
    cursor = connection.cursor(SSCursor)
    try:
        cursor.execute(sql)
        yield tuple(column[0] for column in cursor.description or ())
        while (row := cursor.fetchone()) is not None:
            yield row
    finally:
        # Closing it would read the rest of the rows; the connection is closed instead.
        if cursor._result is not None:
            cursor._result.unbuffered_active = False


def _hang_up(connection: Any, dialect: str) -> None:
    """End a connection whose server does not answer, under the hands of the thread that waits for it."""
    with contextlib.suppress(Exception):
        number = connection.fileno() if dialect == "postgres" else connection._sock.fileno()
        with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as same:
            same.shutdown(socket.SHUT_RDWR)


def _size(value: Any) -> int:
    """About how many bytes a value takes, as :class:`Limits` counts them."""
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    if isinstance(value, memoryview):
        return value.nbytes
    if isinstance(value, dict):
        return sum(16 + _size(key) + _size(inner) for key, inner in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return sum(8 + _size(inner) for inner in value)
    return 0 if value is None else sys.getsizeof(value)
