"""Waiting for a query's turn, and ending it when its time is up or someone presses Stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

GRACE_SECONDS = 0.2
"""How long a query has to stop itself after its time limit, and how long one way to end it has before the next."""
LOOK_SECONDS = 0.05
"""How often a stop is looked for: the longest that pressing Stop waits before anything happens."""
STOPPED = "stopped: the query was cancelled"


class Turns:
    """Lets so many queries run at a time; the others wait, at most ``seconds``."""

    def __init__(self, places: int, seconds: float) -> None:
        self._free = threading.Semaphore(places)
        self._seconds = seconds

    def enter(self, stop: threading.Event | None) -> str:
        """Wait for a turn; returns "" when it has come (:meth:`leave` ends it), else why it has not."""
        end = time.monotonic() + self._seconds
        while True:
            if stop is not None and stop.is_set():
                return STOPPED
            left = end - time.monotonic()
            wait = left if stop is None else min(left, LOOK_SECONDS)
            if self._free.acquire(timeout=max(wait, 0)):
                return ""
            if left <= 0:
                return f"busy: other queries ran for all of {self._seconds:g} s; try again"

    def leave(self) -> None:
        """Let the next one in."""
        self._free.release()


class Watch:
    """Watches over one query from another thread, until :meth:`finish`.

    When ``seconds`` are over or ``stop`` is set, the ``ends`` are called, each in a thread of its own and
    :data:`GRACE_SECONDS` after the one before, as long as the query goes on.
    """

    def __init__(self, seconds: float, stop: threading.Event | None, ends: Sequence[Callable[[], None]]) -> None:
        self._seconds = seconds
        self._stop = stop
        self._ends = ends
        self._error = ""
        self._done = threading.Event()
        self._deciding = threading.Lock()
        threading.Thread(target=self._look, daemon=True).start()

    def finish(self) -> str:
        """The query is over. Returns why it was ended, or "" where it came to its end by itself."""
        with self._deciding:
            self._done.set()
            return self._error

    def _look(self) -> None:
        end = time.monotonic() + self._seconds + GRACE_SECONDS
        while True:
            left = end - time.monotonic()
            if self._done.wait(max(left if self._stop is None else min(left, LOOK_SECONDS), 0)):
                return
            if self._stop is not None and self._stop.is_set():
                error = STOPPED
            elif left <= 0:
                error = f"timeout: ended after {self._seconds:g} s"
            else:
                continue
            break
        with self._deciding:
            if self._done.is_set():
                return
            self._error = error
        for act in self._ends:
            threading.Thread(target=act, daemon=True).start()
            if self._done.wait(GRACE_SECONDS):
                return
