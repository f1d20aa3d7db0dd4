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
import threading
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.execution import streams
from sqlfocus.execution.runner import Limits, Result
from sqlfocus.execution.watch import GRACE_SECONDS, STOPPED, Turns, Watch
from sqlfocus.schema.connect import connect, open_engine, place, reason

CANCEL_SECONDS = 5.0
SLOW_SECONDS = 5.0
"""How much longer than a query may take a silent server is waited for in connecting to it."""
_STOPPED = ("max_statement_time", "maximum statement execution time", "statement timeout")


class ServerRunner:
    """Runs queries on one server's database, ``workers`` at a time, each over a connection of its own.

    Raises:
        UserError: the URL is not understood, the driver is missing or another one is asked for, or the server cannot
            be reached.
    """

    def __init__(self, url: str, limits: Limits, workers: int = 1) -> None:
        self._limits = limits
        # Not before the query was asked to end and was hung up; it counts while the server is connected to.
        silence = limits.seconds + 2 * GRACE_SECONDS + SLOW_SECONDS
        self._engine, self.dialect = open_engine(url, silence_seconds=silence)
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
            try:
                connection = self._connection()
            except self._errors as failure:
                return Result(seconds=time.monotonic() - start, error=self._unavailable(failure))
            with contextlib.closing(connection), streams.wire(connection, self.dialect) as wire:
                result = self._run(connection, wire, sql, stop)
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

    def _run(self, connection: Any, wire: socket.socket, sql: str, stop: threading.Event | None) -> Result:
        ends = [lambda: self._cancel(connection), lambda: streams.hang_up(wire)]
        watch = Watch(self._limits.seconds, stop, ends)
        failure: BaseException | None = None
        result = Result()
        try:
            stream = streams.postgres if self.dialect == "postgres" else streams.mysql
            with contextlib.closing(stream(connection, sql, self._limits.rows + 1)) as rows:
                result = self._take(rows)
        except self._errors as error:
            failure = error
        finally:
            ended = watch.finish()
        if ended and (failure or ended == STOPPED):
            return Result(error=ended)
        if failure and streams.is_lost(connection, self.dialect):
            return Result(error=self._unavailable(failure))
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

    def _unavailable(self, error: BaseException) -> str:
        return f"unavailable: {place(self._engine.url)} ({reason(error, self._engine.url)})"

    def _explain(self, error: BaseException) -> str:
        text = reason(error, self._engine.url)
        said = text.lower()
        if any(word in said for word in _STOPPED):
            return f"timeout: stopped after {self._limits.seconds:g} s"
        if "read-only transaction" in said or "read only transaction" in said:
            return f"refused: a query may only read ({text})"
        return text


def _size(value: Any) -> int:
    """About how many bytes a value takes, as :class:`Limits` counts them."""
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    if isinstance(value, memoryview):
        return value.nbytes
    return 0 if value is None or isinstance(value, (int, float)) else len(repr(value))
