"""Feedback: what people say of answers, kept in the review file until someone has looked through it.

``sqlfocus prepare feedback --review`` goes through the entries, ``sqlfocus prepare feedback`` makes training data of
those that a reviewer accepted; :mod:`sqlfocus.corpus.review` has the file's form.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

from sqlfocus.corpus.review import add_line, is_entry, now
from sqlfocus.web.live import LiveDatabase
from sqlfocus.web.messages import Feedback


class ReviewFile:
    """The review file, to which several threads may add."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._entries: int | None = None

    def add(self, feedback: Feedback, database: LiveDatabase | None, model: str) -> int:
        """Add an entry; returns how many there are then.

        Raises:
            UserError: the file cannot be written.
        """
        entry = {
            "id": uuid.uuid4().hex,
            "question": feedback.question,
            "evidence": feedback.evidence,
            "database": database.name if database else "",
            "dialect": database.dialect if database else "",
            "schema": database.known.text if database else "",
            "sql_query": feedback.sql_query,
            "verdict": feedback.verdict,
            "corrected_sql": feedback.corrected_sql,
            "model": model,
            "at": now(),
            "review": "",
        }
        with self._lock:
            if self._entries is None:
                self._entries = _count(self.path)
            add_line(self.path, entry)
            self._entries += 1
            return self._entries


def _count(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(map(is_entry, file))
