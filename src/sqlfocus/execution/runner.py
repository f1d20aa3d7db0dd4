"""Run a query read-only and within limits: on SQLite files in processes that can be killed, on servers in transactions.

A query may hang inside one step of SQLite, where no handler is called, or ask for more memory than there is. So each
runs in a process of its own (``worker.py``), which is killed when its time is up and started again for the next.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import marshal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from sqlfocus.errors import UserError
from sqlfocus.execution import worker
from sqlfocus.execution.watch import STOPPED, Turns, Watch


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use: seconds, rows and bytes of its result, and bytes of memory of the process it runs in.

    A text counts as many bytes as it has characters. Memory is bounded on Linux alone; on a server it is the server's
    to bound.
    """

    seconds: float = 10.0
    rows: int = 10_000
    bytes: int = 64 << 20
    memory: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Result:
    """A query's columns and rows, or why there are none.

    ``truncated`` says that the rows stop at a limit. ``error`` is empty when the query ran, else one line that begins
    with ``timeout:``, ``stopped:``, ``memory:``, ``refused:``, ``busy:`` or ``unavailable:`` (the database is not there
    or went away), or the database's own message.
    """

    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    truncated: bool = False
    seconds: float = 0.0
    error: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether the time limit stopped the query."""
        return self.error.startswith("timeout:")

    @property
    def unavailable(self) -> bool:
        """Whether it was not for the query that there is no result, but for the database."""
        return self.error.startswith("unavailable:")

    @property
    def busy(self) -> bool:
        """Whether there was no worker for it in time."""
        return self.error.startswith("busy:")

    @property
    def stopped(self) -> bool:
        """Whether someone stopped the query."""
        return self.error.startswith("stopped:")


class Execution(Protocol):
    """One database that queries can be run on, by any number of threads."""

    @property
    def dialect(self) -> str:
        """``sqlite``, ``mysql`` or ``postgres``."""
        ...

    def run(self, sql: str, *, stop: threading.Event | None = None) -> Result:
        """Run one query; what goes wrong with it is in the result.

        Setting ``stop`` ends the query within half a second, with the error ``stopped: …``, in whatever thread it is
        set and whether the query waits or runs; only connecting to a server is not cut short.

        Waiting for one of the workers takes at most as long as a query may run; then the error is ``busy: …``. The
        query's own time begins after that.
        """
        ...

    def close(self) -> None:
        """Let go of connections and processes.

        On a file a query that runs or waits ends with ``unavailable: …``, and so does every later one.
        """
        ...


class Runner:
    """Runs queries on SQLite files, ``workers`` at a time; :meth:`run` may be called by several threads."""

    def __init__(self, limits: Limits | None = None, *, workers: int = 1) -> None:
        self.limits = limits or Limits()
        self._turns = Turns(workers, self.limits.seconds)
        self._workers = [_Worker(self.limits) for _ in range(workers)]
        self._idle = list(self._workers)
        if sys.version_info < (3, 11):
            _say_that_values_are_unlimited()

    def run(self, database: Path, sql: str, *, stop: threading.Event | None = None) -> Result:
        """Run one query on a database file; see :meth:`Execution.run`.

        Raises:
            UserError: there is no such file.
        """
        if not database.is_file():
            raise UserError(f"{database}: no such database file")
        if error := self._turns.enter(stop):
            return Result(error=error)
        # The one that was used last first: the others are started only when they are needed.
        mine = self._idle.pop()
        try:
            return mine.run(database, sql, stop)
        finally:
            self._idle.append(mine)
            self._turns.leave()

    def close(self) -> None:
        """End the processes; nothing is started from now on."""
        for each in self._workers:
            each.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@functools.cache
def _say_that_values_are_unlimited() -> None:
    logging.getLogger(__name__).warning(
        "Python 3.10 cannot limit the length of a value in SQLite: the memory limit alone stops a huge one."
    )


_CLOSED = "unavailable: the runner was closed"


class _Worker:
    """One process, started when it is first needed and again after it was killed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._changing = threading.RLock()

    def run(self, database: Path, sql: str, stop: threading.Event | None) -> Result:
        limits = self._limits
        try:
            process = self._running()
        except OSError as failure:
            return Result(error=f"unavailable: the process for the query cannot be started ({failure.strerror})")
        if process is None:
            return Result(error=_CLOSED)
        assert process.stdin is not None and process.stdout is not None
        request = marshal.dumps((str(database), sql, limits.seconds, limits.rows, limits.bytes))
        start = time.monotonic()
        watch = Watch(limits.seconds, stop, [process.kill])
        reply = None
        try:
            worker.write_frame(process.stdin, request)
            reply = worker.read_frame(process.stdout)
        # OSError: the process is gone, a broken pipe or, on Windows, EINVAL. ValueError: close() closed its pipes.
        except (OSError, ValueError):
            pass
        finally:
            ended = watch.finish()
            # Killed in the very moment of its answer, or left by Ctrl-C in the middle of one: it is of no more use.
            if ended or reply is None:
                self.stop()
        if reply is not None and ended != STOPPED:
            columns, rows, truncated, seconds, error = marshal.loads(reply)
            return Result(columns, rows, truncated, seconds, error)
        seconds = time.monotonic() - start
        if ended:
            return Result(seconds=seconds, error=ended)
        if self._closed:
            return Result(seconds=seconds, error=_CLOSED)
        if process.returncode == worker.OUT_OF_MEMORY:
            return Result(seconds=seconds, error="memory: the result needs more memory than it may have")
        return Result(seconds=seconds, error=f"the process that ran the query died (status {process.returncode})")

    def _running(self) -> subprocess.Popen[bytes] | None:
        """The process, started where there is none; None after :meth:`close`."""
        with self._changing:
            if self._closed:
                return None
            if self._process is None or self._process.poll() is not None:
                self.stop()
                self._process = subprocess.Popen(
                    # Isolated and without site-packages: it starts faster, and nothing of the user's is imported.
                    [sys.executable, "-I", "-S", worker.__file__, str(self._limits.memory)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            return self._process

    def close(self) -> None:
        """End the process, the query in it too, and start no other."""
        with self._changing:
            self._closed = True
        self.stop()

    def stop(self) -> None:
        with self._changing:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class _File:
    """A SQLite file as an :class:`Execution`."""

    dialect = "sqlite"

    def __init__(self, database: Path, limits: Limits, workers: int) -> None:
        self._database = database
        self._runner = Runner(limits, workers=workers)

    def run(self, sql: str, *, stop: threading.Event | None = None) -> Result:
        try:
            return self._runner.run(self._database, sql, stop=stop)
        except UserError as error:
            return Result(error=f"unavailable: {error}")

    def close(self) -> None:
        self._runner.close()


def open_runner(database: str | Path, limits: Limits | None = None, *, workers: int = 1) -> Execution:
    """Open a database to run queries on: a path, ``sqlite:///path``, or a URL of MySQL, MariaDB or PostgreSQL.

    ``workers`` queries run at a time: so many processes that read the file, or connections to the server.

    Raises:
        UserError: there is no such file, the server cannot be reached, or its driver is not installed.
    """
    text = str(database)
    if "://" in text and not text.startswith("sqlite:"):
        from sqlfocus.execution.server import ServerRunner  # SQLAlchemy, which no SQLite user waits for

        return ServerRunner(text, limits or Limits(), workers)
    path = Path(text.removeprefix("sqlite:///")).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such database file")
    return _File(path, limits or Limits(), workers)
