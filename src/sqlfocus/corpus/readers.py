"""Training rows in the forms that people have.

Three kinds of chat rows carry their prompt with them: ``{system, user, assistant}``, Alpaca's ``{instruction, input,
output}`` and OpenAI's ``{messages}``. They become :class:`Conversation`; a row with ``question``, ``sql`` and ``db_id`` is
an :class:`~sqlfocus.corpus.example.Example`. A file holds one form.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfocus.corpus.example import Example
from sqlfocus.errors import UserError
from sqlfocus.files import read_json_lines


@dataclass(frozen=True, slots=True)
class Conversation:
    """A ready chat sample: it goes through the model's chat template as it is, and ``assistant`` is what is learnt."""

    system: str
    user: str
    assistant: str


def read_training_rows(path: Path) -> list[Example | Conversation]:
    rows: list[Example | Conversation] = []
    for number, row in read_json_lines(path):
        where = f"{path}:{number}"
        rows.append(Example.from_json(row, where))
    return rows
