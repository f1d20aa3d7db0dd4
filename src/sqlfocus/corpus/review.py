"""The review file: what people say of answers, and what a reviewer says of that. JSON Lines that are only added to.

The service adds a line for each verdict on an answer, an *entry*, with an ``id`` and an empty ``review``. A reviewer's
decision is a line of its own, ``{"reviews": ID, "review": "accept"}`` (or ``reject``); the last one counts. So the
service and a reviewer may write at the same time, and nothing that is there is written again. Whoever prefers an editor
writes the word into the entry's own ``review``.
"""

from __future__ import annotations

import datetime
import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlfocus.corpus.example import DIALECTS
from sqlfocus.errors import UserError
from sqlfocus.files import parse_json

DECISIONS = ("accept", "reject")
VERDICTS = ("right", "wrong")
_TEXTS = ("question", "evidence", "database", "dialect", "schema", "sql_query", "verdict", "corrected_sql")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a person said of one answer; ``where`` is its file and line.

    ``schema`` is the M-Schema text of the ``database`` at that time; both are empty where the question brought a schema
    of its own. ``review`` is ``accept``, ``reject`` or empty.
    """

    id: str
    question: str
    sql_query: str
    verdict: str
    where: str
    corrected_sql: str = ""
    evidence: str = ""
    database: str = ""
    dialect: str = ""
    schema: str = ""
    at: str = ""
    review: str = ""

    @property
    def sql(self) -> str:
        """The SQL that is right by this person's word; empty where there is none."""
        return (self.sql_query if self.verdict == "right" else self.corrected_sql).strip()

    @property
    def rejected(self) -> str:
        """The model's SQL, where this person wrote another in its place; else empty."""
        return self.sql_query.strip() if self.verdict != "right" and self.corrected_sql.strip() else ""

    @property
    def lack(self) -> str:
        """Why nothing can be learnt from the entry, whatever a reviewer says; empty where something can."""
        if not self.sql:
            return "no SQL that would be right"
        return "" if self.schema else "no schema: asked without a connected database"


@dataclass(frozen=True, slots=True)
class Reviews:
    """A review file's entries in their order, and the lines that could not be read: where, and why."""

    entries: list[Entry] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def read_reviews(path: Path) -> Reviews:
    """Read a review file.

    A line that is none of its lines stops nothing: it is in ``unreadable``. A last line without its end is one that is
    being written, and is left for the next time.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; the service writes it, where --feedback_file says") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    entries: dict[str, Entry] = {}
    unreadable = []
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        where = f"{path}:{number}"
        if line.strip():
            try:
                _take(line, where, entries)
            except ValueError as error:
                unreadable.append(f"{where}: {error}")
    return Reviews(list(entries.values()), unreadable)


def add_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to the file, which is made where there is none, in one write, so that others' lines stay whole.

    Raises:
        UserError: the file cannot be written.
    """
    line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            if file.seek(0, 2):
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # half a line, of a disk that was full: it stays one by itself
                    line = b"\n" + line
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        raise UserError(f"{path}: feedback cannot be kept ({error.strerror or error})") from error


def add_decision(path: Path, entry_id: str, decision: str) -> None:
    """Add a reviewer's decision, one of :data:`DECISIONS`, on an entry.

    Raises:
        UserError: the file cannot be written.
    """
    add_line(path, {"reviews": entry_id, "review": decision, "at": now()})


def is_entry(line: bytes) -> bool:
    """Whether a line is one that the service wrote: an entry, not a decision on one."""
    return bool(line.strip()) and not line.startswith(b'{"reviews"')


def now() -> str:
    """The moment as the file has it: UTC, in ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _take(line: bytes, where: str, entries: dict[str, Entry]) -> None:
    """Add what a line says to ``entries``.

    Raises:
        ValueError: it says nothing that is known.
    """
    try:
        row = parse_json(line.decode())
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    review = row.get("review") or ""
    if review not in ("", *DECISIONS):
        raise ValueError(f'"review" is {review!r}; it is accept, reject or empty')
    if "reviews" in row:
        of = row["reviews"]
        if not isinstance(of, str) or of not in entries:
            raise ValueError("reviews an entry that does not stand before it")
        entries[of] = replace(entries[of], review=review)
        return
    texts = {name: row.get(name) or "" for name in (*_TEXTS, "id", "at")}
    if wrong := next((name for name, value in texts.items() if not isinstance(value, str)), None):
        raise ValueError(f'"{wrong}" is not text')
    if missing := next((name for name in ("id", "question") if not texts[name].strip()), None):
        raise ValueError(f'there is no text in "{missing}"')
    if texts["verdict"] not in VERDICTS:
        raise ValueError('"verdict" is neither right nor wrong')
    if texts["schema"] and (texts["dialect"] not in DIALECTS or not texts["database"]):
        raise ValueError(f'"database" is empty, or "dialect" none of {", ".join(DIALECTS)}')
    if texts["id"] in entries:
        raise ValueError("an entry before it has the same id")
    entries[texts["id"]] = Entry(where=where, review=review, **texts)
