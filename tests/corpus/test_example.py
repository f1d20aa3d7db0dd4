"""The record type and its file."""

from __future__ import annotations

import pytest

from sqlfocus.corpus.example import Example, read_examples, write_examples
from sqlfocus.errors import UserError

ROW = {"question": "有几位歌手？", "sql": "SELECT count(*) FROM singer", "db_id": "concert_singer"}


def test_examples_survive_writing_and_reading(tmp_path):
    examples = [Example(**ROW), Example(**ROW, evidence="a singer sings", dialect="mysql")]
    path = tmp_path / "data.jsonl"
    assert write_examples(path, examples) == 2
    assert read_examples(path) == examples
    assert "有几位歌手" in path.read_text(encoding="utf-8")  # as it is, not escaped
    assert "dialect" not in path.read_text(encoding="utf-8").splitlines()[0]  # defaults are not written


def test_a_file_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "data.jsonl"
    write_examples(path, [Example(**ROW)])
    with pytest.raises(UserError, match="--force"):
        write_examples(path, [])
    assert read_examples(path) == [Example(**ROW)]


def test_unknown_fields_and_blanks_around_are_dropped():
    assert Example.from_json({**ROW, "sql": " SELECT 1\n", "split": "x"}, "here").sql == "SELECT 1"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1], "here: a record is a JSON object, this is list"),
        ({**ROW, "sql": None}, 'here: the record has no text in "sql"'),
        ({**ROW, "question": "  "}, 'here: the record has no text in "question"'),
        ({"question": "q", "sql": "s"}, 'here: the record has no text in "db_id"'),
        ({**ROW, "evidence": 3}, 'here: "evidence" is not text'),
        ({**ROW, "rejected": ["SELECT 1"]}, 'here: "rejected" is not text'),
        ({**ROW, "dialect": "oracle"}, "here: \"dialect\" is 'oracle'; known are sqlite, mysql, postgres"),
    ],
)
def test_a_record_at_fault_is_one_clear_line(row, message):
    with pytest.raises(UserError) as caught:
        Example.from_json(row, "here")
    assert str(caught.value) == message


def test_a_file_without_examples_is_said(tmp_path):
    (tmp_path / "data.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match=r"data\.jsonl: the file holds no examples"):
        read_examples(tmp_path / "data.jsonl")
