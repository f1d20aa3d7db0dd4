"""Run a query on MySQL, MariaDB or PostgreSQL: in a read-only transaction, with a statement timeout, streamed.

A read-only transaction is what the server grants to a well-behaved client; a query that got past the guard could end
it. What holds is a role that may do nothing but SELECT, and docs/evaluation.md says how to make one.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from sqlfocus.errors import UserError
from sqlfocus.execution.runner import Limits, Result

_DRIVERS = {"mysql": "pymysql", "mariadb": "pymysql", "postgresql": "psycopg", "postgres": "psycopg"}
_EXTRAS = {"pymysql": "mysql", "psycopg": "postgres"}
_DIALECTS = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "postgres"}
ROWS_A_FETCH = 500


class ServerRunner:
    """Runs queries on one server's database over one connection.

    Raises:
        UserError: the URL is not understood, the driver is missing, or the server cannot be reached.
    """

    def __init__(self, url: str, limits: Limits) -> None:
        self._limits = limits
        self._url = server_url(url)
        self.dialect = _DIALECTS[self._url.get_backend_name()]
        self._engine = self._connectable()
        try:
            self._engine.connect().close()
        except SQLAlchemyError as error:
            raise UserError(f"{self._shown()}: cannot be reached: {reason(error)}") from error

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
        """Close the connection."""
        self._engine.dispose()

    def _connectable(self) -> Engine:
        seconds = self._limits.seconds
        arguments: dict[str, Any]
        if self.dialect == "postgres":
            settings = {
                "default_transaction_read_only": "on",
                "statement_timeout": str(int(seconds * 1000)),
                # The guard writes strings by this rule; a role could have turned it off.
                "standard_conforming_strings": "on",
            }
            arguments = {
                "connect_timeout": 10,
                "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
            }
        else:
            # The server's own limit covers some statements only; the socket's covers the rest.
            arguments = {"connect_timeout": 10, "read_timeout": int(seconds) + 2}
        try:
            engine = create_engine(self._url, poolclass=StaticPool, connect_args=arguments)
        except ModuleNotFoundError as error:
            driver = self._url.get_driver_name()
            raise UserError(
                f"{self._shown()}: the driver {driver} is not installed; "
                f"run: pip install 'sql-focus-finetune[{_EXTRAS.get(driver, driver)}]'"
            ) from error
        if self.dialect == "mysql":
            event.listen(engine, "connect", self._prepare_mysql)
        return engine

    def _prepare_mysql(self, connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            # The guard writes strings by the default rules.
            cursor.execute(
                "SET SESSION sql_mode = REPLACE(REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), 'ANSI_QUOTES', '')"
            )
            # A stream that is left early is read to its end by PyMySQL, so let its end come soon.
            cursor.execute(f"SET SESSION sql_select_limit = {self._limits.rows + 1}")
            cursor.execute("SELECT VERSION()")
            if "mariadb" in cursor.fetchone()[0].lower():
                cursor.execute(f"SET SESSION max_statement_time = {self._limits.seconds:f}")
            else:
                cursor.execute(f"SET SESSION max_execution_time = {int(self._limits.seconds * 1000)}")

    def _explain(self, error: SQLAlchemyError) -> str:
        text = reason(error)
        said = text.lower()
        stopped = ("max_statement_time", "maximum statement execution time", "statement timeout", "timed out")
        if any(word in said for word in stopped):
            return f"timeout: stopped after {self._limits.seconds:g} s"
        if "read-only transaction" in said or "read only transaction" in said:
            return f"refused: a query may only read ({text})"
        return text

    def _shown(self) -> str:
        return self._url.render_as_string(hide_password=True)


def server_url(url: str) -> URL:
    """The URL with the driver that the project installs, where it names none.

    Raises:
        UserError: it is no URL of a database that the project knows.
    """
    try:
        parsed = make_url(url)
        scheme, _, driver = parsed.drivername.partition("+")
        if scheme not in _DRIVERS:
            raise UserError(f"{scheme}: no such kind of database; known are sqlite, mysql, mariadb and postgresql")
        scheme = "postgresql" if scheme == "postgres" else scheme
        return parsed.set(drivername=f"{scheme}+{driver or _DRIVERS[scheme]}")
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UserError(
            "the database URL is not understood; it has the form mysql://user:password@host:port/database"
        ) from error


def reason(error: SQLAlchemyError) -> str:
    """The driver's message, on one line, without what SQLAlchemy adds."""
    original: Any = error.orig if isinstance(error, (DBAPIError, OperationalError)) else error
    # PyMySQL's errors are (number, message).
    text = original.args[-1] if getattr(original, "args", ()) and isinstance(original.args[-1], str) else str(original)
    return " ".join(text.split())[:300] or type(original).__name__
