"""One question with its SQL: the record that every room passes on.

In a file it is one JSON object a line, for instance

    {"question": "How many singers are there?", "sql": "SELECT count(*) FROM singer", "db_id": "concert_singer"}

with ``evidence`` (a hint) and ``dialect`` (``sqlite`` unless said) where they differ from their defaults, and
``rejected``, wrong SQL that a model is to learn not to write, where there is some.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.files import read_json_lines, write_json_lines

DIALECTS = ("sqlite", "mysql", "postgres")


@dataclass(frozen=True, slots=True)
class Example:
    """A question and its SQL, asked of the database ``db_id``."""

    question: str
    sql: str
    db_id: str
    evidence: str = ""
    dialect: str = "sqlite"
    rejected: str = ""

    def to_json(self) -> dict[str, str]:
        """The JSON object, without the fields that have their default."""
        row = {"question": self.question, "sql": self.sql, "db_id": self.db_id}
        if self.evidence:
            row["evidence"] = self.evidence
        if self.dialect != "sqlite":
            row["dialect"] = self.dialect
        if self.rejected:
            row["rejected"] = self.rejected
        return row

    @classmethod
    def from_json(cls, row: Any, where: str) -> Example:
        """The example of a JSON object; ``where`` (file and line) stands at the head of an error.

        Raises:
            UserError: not an object, a field is missing, empty or not text, or the dialect is unknown.
        """
        if not isinstance(row, dict):
            raise UserError(f"{where}: a record is a JSON object, this is {type(row).__name__}")
        for field in ("question", "sql", "db_id"):
            if not isinstance(row.get(field), str) or not row[field].strip():
                raise UserError(f'{where}: the record has no text in "{field}"')
        evidence = row.get("evidence") or ""
        dialect = row.get("dialect") or "sqlite"
        rejected = row.get("rejected") or ""
        for field, value in (("evidence", evidence), ("rejected", rejected)):
            if not isinstance(value, str):
                raise UserError(f'{where}: "{field}" is not text')
        if dialect not in DIALECTS:
            raise UserError(f'{where}: "dialect" is {dialect!r}; known are {", ".join(DIALECTS)}')
        question, sql, db_id = (row[field].strip() for field in ("question", "sql", "db_id"))
        return cls(question, sql, db_id, evidence.strip(), dialect, rejected.strip())


def read_examples(path: Path) -> list[Example]:
    """Read a JSONL file of examples.

    Raises:
        UserError: the file is missing or empty, or a line is not an example (with file and line).
    """
    examples = [Example.from_json(row, f"{path}:{number}") for number, row in read_json_lines(path)]
    if not examples:
        raise UserError(f"{path}: the file holds no examples")
    return examples


def write_examples(path: Path, examples: Iterable[Example], *, force: bool = False) -> int:
    """Write examples as JSONL and return how many; a file that is there is replaced only with ``force``."""
    return write_json_lines(path, (example.to_json() for example in examples), force=force)
