"""How many questions may be under way: more are turned away at once, so that none waits for ever."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """No question more is taken now.

    Attributes:
        retry_after: in how many seconds there may be a place.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after} s")
        self.retry_after = retry_after


class Gate:
    """Lets ``most`` questions in at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.inside = 0
        self.refused = 0
        self._left: deque[float] = deque(maxlen=64)
        """When the last ones left, from which the time to a place is told."""
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have a place while the block runs.

        Raises:
            Full: there is none.
        """
        with self._lock:
            if self.inside >= self.most:
                self.refused += 1
                raise Full(self._retry_after())
            self.inside += 1
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1
                self._left.append(time.monotonic())

    def _retry_after(self) -> int:
        """About how long until half of the places are free again, by how quickly they became so: 1 to 60 seconds."""
        if len(self._left) < 2:
            return 5
        seconds_each = (time.monotonic() - self._left[0]) / len(self._left)
        return max(1, min(60, round(seconds_each * self.most / 2)))
