"""Queries on connected databases: judged by the guard, run within limits, and stopped by name. No model takes part."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Result
from sqlfocus.web.live import Catalog, LiveDatabase
from sqlfocus.web.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Executed:
    """A query that ran: what the guard made of it, the tables it reads, and its result."""

    sql: str
    tables: tuple[str, ...]
    result: Result


class Queries:
    """Runs queries on a catalog's databases; any number of threads may use it."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._running: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def database(self, name: str | None = None) -> LiveDatabase:
        """A connected database by its name; the first, where none is given.

        Raises:
            ProblemError: there is none.
        """
        try:
            return self.catalog.get(name)
        except KeyError as error:
            raise ProblemError("no-database", str(error.args[0])) from error

    def execute(self, sql: str, *, database: str | None = None, name: str | None = None) -> Executed:
        """Run a query that the guard lets through; ``name`` is what :meth:`stop` knows the run by.

        Raises:
            ProblemError: there is no such database, the guard refuses, or the query fails.
        """
        live = self.database(database)
        permit = check(sql, dialect=live.dialect, database=live.known.database)
        if not permit.allowed:
            raise ProblemError("sql-refused", permit.reason)
        with self.stoppable(name) as stop:
            result = live.execution.run(permit.sql, stop=stop)
        if result.error:
            raise ProblemError(failure(result.error), result.error)
        return Executed(permit.sql, permit.tables, result)

    def stop(self, name: str) -> bool:
        """Stop a run; returns whether there was one of that name."""
        with self._lock:
            event = self._running.get(name)
        if event is not None:
            event.set()
        return event is not None

    @contextmanager
    def stoppable(self, name: str | None) -> Iterator[threading.Event]:
        """What ends a run when it is set; while the block lasts, :meth:`stop` sets it by ``name``.

        Raises:
            ProblemError: another run has the name.
        """
        event = threading.Event()
        if name is None:
            yield event
            return
        with self._lock:
            if name in self._running:
                raise ProblemError("bad-request", f"the id {name} is in use by a query that still runs")
            self._running[name] = event
        try:
            yield event
        finally:
            with self._lock:
                del self._running[name]


def failure(error: str) -> str:
    """The kind of problem that a query's error is."""
    if error.startswith("busy:"):
        return "queue-full"
    if error.startswith("unavailable:"):
        return "database-unavailable"
    return "sql-stopped" if error.startswith(("timeout:", "memory:", "stopped:")) else "sql-failed"
