"""The review file: what people say of answers, a JSON line each, until someone has looked through it.

``sqlfocus prepare feedback`` makes training data of the entries that a reviewer took.
"""

from __future__ import annotations

import datetime
import json
import threading
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.web.live import LiveDatabase
from sqlfocus.web.messages import Feedback


class ReviewFile:
    """A file that grows line by line; several threads may add to it.

    A line has ``question``, ``evidence``, ``database``, ``dialect``, ``schema`` (the M-Schema text), ``sql_query``,
    ``verdict`` (``right`` or ``wrong``), ``corrected_sql``, ``model``, ``at``, and ``review``, which is empty: whoever
    reviews writes ``accept`` or ``reject`` there.
    """

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
            "question": feedback.question,
            "evidence": feedback.evidence,
            "database": database.name if database else "",
            "dialect": database.dialect if database else "",
            "schema": database.known.text if database else "",
            "sql_query": feedback.sql_query,
            "verdict": feedback.verdict,
            "corrected_sql": feedback.corrected_sql,
            "model": model,
            "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "review": "",
        }
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self._entries is None:
                    self._entries = _lines(self.path)
                with self.path.open("a", encoding="utf-8", newline="\n") as file:
                    file.write(line)
            except OSError as error:
                raise UserError(f"{self.path}: feedback cannot be kept ({error.strerror or error})") from error
            self._entries += 1
            return self._entries


def _lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)
