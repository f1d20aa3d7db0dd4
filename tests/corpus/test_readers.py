"""The forms of training rows, and the line at fault."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.readers import FORMS, Conversation, read_training_rows
from sqlfocus.errors import UserError

EXAMPLE = {"question": "How many singers?", "sql": "SELECT count(*) FROM singer", "db_id": "concert_singer"}
CHAT = {"system": "CREATE TABLE singer (id INT)", "user": "How many singers?", "assistant": "```sql\nSELECT 1\n```"}
ALPACA = {"instruction": "Write SQL for this schema.", "input": "How many?", "output": "SELECT 1"}
OPENAI = {
    "messages": [
        {"role": "system", "content": "You write SQL."},
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": "SELECT 1", "weight": 1},
    ]
}


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (EXAMPLE, Example(**EXAMPLE)),
        ({**EXAMPLE, "evidence": "e", "dialect": "mysql"}, Example(**EXAMPLE, evidence="e", dialect="mysql")),
        (CHAT, Conversation(**CHAT)),  # its fences stay: what is learnt is the answer as it is
        ({"user": "u", "assistant": "a"}, Conversation("", "u", "a")),
        (ALPACA, Conversation("", "Write SQL for this schema.\nHow many?", "SELECT 1")),
        ({**ALPACA, "input": "", "system": "s"}, Conversation("s", "Write SQL for this schema.", "SELECT 1")),
        ({"instruction": "i", "output": "o"}, Conversation("", "i", "o")),
        (OPENAI, Conversation("You write SQL.", "How many?", "SELECT 1")),
        ({"messages": OPENAI["messages"][1:]}, Conversation("", "How many?", "SELECT 1")),
    ],
)
@pytest.mark.parametrize("as_array", [False, True])
def test_each_form_is_recognised_in_lines_and_in_an_array(tmp_path, row, expected, as_array):
    path = tmp_path / "rows.json"
    if as_array:
        path.write_text("\n " + json.dumps([row, row], indent=1), encoding="utf-8")
    else:
        write(path, [row, row])
    assert read_training_rows(path) == [expected, expected]


def test_a_conversation_survives_writing_and_reading(tmp_path):
    rows = [Conversation("表结构", "问题", "SELECT 1"), Conversation("", "u", "a")]
    assert read_training_rows(write(tmp_path / "rows.jsonl", [row.to_json() for row in rows])) == rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([EXAMPLE, CHAT], "rows.jsonl:2: a system/user/assistant row among question/sql/db_id rows"),
        ([CHAT, CHAT, OPENAI], "rows.jsonl:3: a messages row among system/user/assistant rows"),
        ([{"text": "x", "label": 1}], "rows.jsonl:1: not a known form of row (its fields: label, text); known are "),
        ([EXAMPLE, "SELECT 1"], "rows.jsonl:2: a record is a JSON object, this is str"),
        ([EXAMPLE, {**EXAMPLE, "sql": ""}], 'rows.jsonl:2: the record has no text in "sql"'),
        ([{**CHAT, "assistant": None}], 'rows.jsonl:1: the record has no text in "assistant"'),
        ([{**CHAT, "system": 5}], 'rows.jsonl:1: the record has no text in "system"'),
        ([{**ALPACA, "history": [["a", "b"]]}], 'rows.jsonl:1: the row has a "history"'),
        ([{"messages": "hi"}], 'rows.jsonl:1: "messages" is not a list of objects'),
        ([{"messages": OPENAI["messages"] * 2}], "rows.jsonl:1: the roles are system, user, assistant, system"),
        ([{"messages": []}], "rows.jsonl:1: the roles are none"),
        (
            [{"messages": [{"role": "user", "content": [{"type": "text"}]}, {"role": "assistant", "content": "a"}]}],
            'rows.jsonl:1: the record has no text in "content"',
        ),
        ([], "rows.jsonl: the file holds no rows"),
    ],
)
def test_a_file_at_fault_is_named_with_its_line(tmp_path, rows, message):
    with pytest.raises(UserError) as caught:
        read_training_rows(write(tmp_path / "rows.jsonl", rows))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"question": "q"\n', r"rows\.json:1: not JSON: .* at column \d+"),
        ('[{"question": "q"},\n{"question" "q"}]', r"rows\.json:2: not JSON: .* at column \d+"),
        ("[]", r"rows\.json: the file holds no rows"),
        (json.dumps([EXAMPLE, {**EXAMPLE, "db_id": 1}]), r'rows\.json: row 2: the record has no text in "db_id"'),
    ],
)
def test_malformed_json_is_named(tmp_path, text, message):
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_training_rows(tmp_path / "rows.json")


def test_what_is_not_text_and_what_is_not_there_are_said(tmp_path):
    (tmp_path / "rows.json").write_bytes(b"[\xff\xfe]")
    with pytest.raises(UserError, match=r"rows\.json: not UTF-8 text"):
        read_training_rows(tmp_path / "rows.json")
    with pytest.raises(UserError, match=r"none\.jsonl: no such file"):
        read_training_rows(tmp_path / "none.jsonl")


def test_the_documented_rows_are_read_as_their_forms(tmp_path):
    text = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^```json\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    kinds = []
    for row in rows:
        (tmp_path / "row.jsonl").write_text(row, encoding="utf-8")
        (read,) = read_training_rows(tmp_path / "row.jsonl")
        kinds.append(type(read))
    assert kinds == [Example, Conversation, Conversation, Conversation]
    for fields in FORMS.values():
        assert all(f"`{field}`" in text for field in fields)
