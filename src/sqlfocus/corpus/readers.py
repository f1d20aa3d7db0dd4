"""Training rows in the forms that people have; docs/data.md shows one of each.

Three kinds of rows carry their own prompt: ``{system, user, assistant}``, Alpaca's ``{instruction, input, output}`` and
OpenAI's ``{messages}``. They become a :class:`Conversation`. A row of ``question``, ``sql`` and ``db_id`` becomes an
:class:`~sqlfocus.corpus.example.Example`, whose prompt is made from a schema text and a prompt template.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfocus.corpus.example import Example
from sqlfocus.errors import UserError
from sqlfocus.files import parse_json, read_json_lines

# A row is of the first form whose fields it has.
FORMS = {
    "messages": ("messages",),
    "system/user/assistant": ("user", "assistant"),
    "instruction/input/output": ("instruction", "output"),
    "question/sql/db_id": ("question", "sql"),
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A ready chat sample: it goes through the model's chat template as it is, and ``assistant`` is what is learnt.

    ``system`` is empty where the row has none; a system message is sent all the same.
    """

    system: str
    user: str
    assistant: str

    def to_json(self) -> dict[str, str]:
        """The JSON object, in the form that holds every conversation."""
        return {"system": self.system, "user": self.user, "assistant": self.assistant}


def read_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each JSON value of a JSON Lines file, or of a file that is one JSON array, and where it stands.

    Where is ``file:line``, or ``file: row N`` in an array, counted from 1.

    Raises:
        UserError: the file is missing, is not UTF-8 or not JSON.
    """
    if not _is_array(path):
        for number, value in read_json_lines(path):
            yield f"{path}:{number}", value
        return
    for number, value in enumerate(read_json(path), 1):
        yield f"{path}: row {number}", value


def read_json(path: Path) -> Any:
    """The value of a file that is JSON as a whole.

    Raises:
        UserError: the file is missing, is not UTF-8, or not JSON (with line and column).
    """
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_training_rows(path: Path) -> list[Example | Conversation]:
    """Read a file whose rows are all of one form; see :data:`FORMS`.

    Raises:
        UserError: the file is missing, empty or not JSON, a row is of no known form, of another form than the rows
            before it, or lacks text (the message has file and line).
    """
    rows: list[Example | Conversation] = []
    first_form = ""
    for where, row in read_rows(path):
        form = _form(row, where)
        first_form = first_form or form
        if form != first_form:
            raise UserError(f"{where}: a {form} row among {first_form} rows; put each form into a file of its own")
        rows.append(Example.from_json(row, where) if form == "question/sql/db_id" else _conversation(row, form, where))
    if not rows:
        raise UserError(f"{path}: the file holds no rows")
    return rows


def _is_array(path: Path) -> bool:
    """Whether the first character that is not blank opens an array. The reader complains of a file that is not text."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return next((line.lstrip()[0] for line in file if line.strip()), "") == "["
    except (OSError, UnicodeDecodeError):
        return False


def _form(row: Any, where: str) -> str:
    if not isinstance(row, dict):
        raise UserError(f"{where}: a record is a JSON object, this is {type(row).__name__}")
    for form, fields in FORMS.items():
        if all(field in row for field in fields):
            return form
    found = ", ".join(sorted(row)[:8]) or "none"
    raise UserError(f"{where}: not a known form of row (its fields: {found}); known are {', '.join(FORMS)}")


def _conversation(row: dict[str, Any], form: str, where: str) -> Conversation:
    if form == "messages":
        return _from_messages(row["messages"], where)
    if form == "system/user/assistant":
        return Conversation(
            _text(row, "system", where, needed=False), _text(row, "user", where), _text(row, "assistant", where)
        )
    if row.get("history"):
        raise UserError(f'{where}: the row has a "history"; a row is one question and one answer')
    instruction, more = _text(row, "instruction", where), _text(row, "input", where, needed=False)
    user = f"{instruction}\n{more}" if more.strip() else instruction
    return Conversation(_text(row, "system", where, needed=False), user, _text(row, "output", where))


def _from_messages(messages: Any, where: str) -> Conversation:
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise UserError(f'{where}: "messages" is not a list of objects with "role" and "content"')
    roles = [str(message.get("role")) for message in messages]
    if roles not in (["system", "user", "assistant"], ["user", "assistant"]):
        raise UserError(
            f"{where}: the roles are {', '.join(roles) or 'none'}; a row is one question and one answer: "
            "an optional system message, a user message, an assistant message"
        )
    texts = [_text(message, "content", where, needed=message["role"] != "system") for message in messages]
    return Conversation(*(texts if len(texts) == 3 else ["", *texts]))


def _text(row: dict[str, Any], field: str, where: str, *, needed: bool = True) -> str:
    value = row.get(field)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()):
        raise UserError(f'{where}: the record has no text in "{field}"')
    return value
