"""Run a query on MySQL, MariaDB or PostgreSQL: in a read-only transaction, with a statement timeout, streamed.

A read-only transaction is what the server grants to a well-behaved client; a query that got past the guard could end
it. What holds is a role that may do nothing but SELECT, and docs/evaluation.md says how to make one.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from sqlfocus.execution.runner import Limits, Result
from sqlfocus.schema.connect import connect, open_engine, reason

ROWS_A_FETCH = 500
_STOPPED = ("max_statement_time", "maximum statement execution time", "statement timeout")


class ServerRunner:
    """Runs queries on one server's database, each over a connection of its own.

    Raises:
        UserError: the URL is not understood, the driver is missing, or the server cannot be reached.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self._limits = limits
        self._engine, self.dialect = open_engine(url)
        event.listen(self._engine, "connect", self._prepare)
        connect(self._engine).close()

    def run(self, sql: str) -> Result:
        """Run one query; what goes wrong with it is in the result."""
        start = time.monotonic()
        rows: list[tuple[Any, ...]] = []
        weight, truncated = 0, False
        try:
            options = {"stream_results": True, "no_parameters": True, "max_row_buffer": ROWS_A_FETCH}
            with (
                self._engine.connect() as connection,
                closing(connection.exec_driver_sql(sql, execution_options=options)) as result,
            ):
                if not result.returns_rows:
                    return Result(error="refused: a query returns rows, this does not")
                columns = tuple(result.keys())
                for row in result:
                    weight += 8 * len(row) + sum(len(value) for value in row if isinstance(value, (str, bytes)))
                    if len(rows) == self._limits.rows or weight > self._limits.bytes:
                        truncated = True
                        break
                    rows.append(tuple(row))
        except SQLAlchemyError as error:
            return Result(seconds=time.monotonic() - start, error=self._explain(error))
        return Result(columns, rows, truncated, time.monotonic() - start)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.dispose()

    def _prepare(self, connection: Any, record: Any) -> None:
        """Set up a session, which ``open_engine`` has made read-only; the guard writes strings by the default rules."""
        milliseconds = int(self._limits.seconds * 1000)
        with connection.cursor() as cursor:
            if self.dialect == "postgres":
                cursor.execute(f"SET statement_timeout = {milliseconds}; SET standard_conforming_strings = on")
                connection.commit()
                return
            cursor.execute(
                "SET SESSION sql_mode = REPLACE(REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), 'ANSI_QUOTES', '')"
            )
            # A stream that is left early is read to its end by PyMySQL, so let its end come soon.
            cursor.execute(f"SET SESSION sql_select_limit = {self._limits.rows + 1}")
            cursor.execute("SELECT VERSION()")
            if "mariadb" in cursor.fetchone()[0].lower():
                cursor.execute(f"SET SESSION max_statement_time = {self._limits.seconds:f}")
            else:
                cursor.execute(f"SET SESSION max_execution_time = {milliseconds}")

    def _explain(self, error: SQLAlchemyError) -> str:
        text = reason(error, self._engine.url)
        said = text.lower()
        if any(word in said for word in _STOPPED):
            return f"timeout: stopped after {self._limits.seconds:g} s"
        if "read-only transaction" in said or "read only transaction" in said:
            return f"refused: a query may only read ({text})"
        return text
