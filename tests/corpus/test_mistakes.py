import json

import pytest

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.mistakes import with_mistakes
from sqlfocus.errors import UserError

ROWS = [
    Example("How many singers?", "SELECT count(*) FROM singer", "music", "a hint"),
    Example("Which names?", "SELECT name FROM singer", "music"),
    Example("How many singers?", "SELECT count(*) FROM artist", "radio"),
]


def predictions(tmp_path, *rows, name="predictions.jsonl"):
    path = tmp_path / name
    fields = ("db_id", "question", "sql", "verdict")
    path.write_text("".join(json.dumps(dict(zip(fields, row, strict=True))) + "\n" for row in rows))
    return path


def test_what_was_answered_wrongly_is_rejected(tmp_path):
    first = predictions(
        tmp_path,
        ("music", "How many singers?", "SELECT sum(id) FROM singer", "wrong"),
        ("music", "Which names?", "SELECT id FROM singer", "timeout"),
        ("radio", "How many singers?", "SELECT count(*) FROM artist", "right"),
    )
    second = predictions(
        tmp_path,
        ("music", "How many singers?", "SELECT sum(id) FROM singer", "wrong"),
        ("music", "How many singers?", "SELECT count(nothing) FROM singer", "error"),
        ("music", "How many singers?", ROWS[0].sql, "wrong"),  # its gold query's order of rows, say
        ("music", "of another file?", "SELECT 1", "wrong"),
        name="second.jsonl",
    )
    found, answered = with_mistakes(ROWS, [first, second])
    assert answered == 3
    assert [one.rejected for one in found] == [
        "SELECT sum(id) FROM singer",
        "SELECT count(nothing) FROM singer",
        "",
        "",
    ]
    assert found[0].evidence == "a hint" and found[2:] == ROWS[1:]


def test_predictions_of_other_questions_or_without_a_verdict_are_refused(tmp_path):
    path = predictions(tmp_path, ("music", "What else?", "SELECT 1", "wrong"))
    with pytest.raises(UserError, match="none of the predictions is on a question of --source"):
        with_mistakes(ROWS, [path])
    path.write_text('{"db_id": "music", "question": "How many singers?", "sql": "SELECT 1"}\n')
    with pytest.raises(UserError, match=r"predictions.jsonl:1: a prediction has texts in db_id, question, sql and ver"):
        with_mistakes(ROWS, [path])
