"""From what a model answered wrongly to training rows: beside the right SQL its own, rejected.

The answers are those of a model that was not trained on the questions: one that was would hardly be wrong on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.preparation import even_spacing
from sqlfocus.errors import UserError
from sqlfocus.files import read_json_lines

MISTAKES = ("wrong", "error")
"""The verdicts of SQL that runs to another result than the right one, or does not run."""


def with_mistakes(rows: Sequence[Example], predictions: Sequence[Path]) -> tuple[list[Example], int]:
    """The rows, those that were answered wrongly with the answer as ``rejected``, and how many rows were answered.

    ``predictions`` are files of ``sqlfocus evaluate --output``. A question that several models answered wrongly is
    there once for each answer, and once where all were right.

    Raises:
        UserError: a file is missing or a line is not a prediction with its verdict, or none is on one of the rows.
    """
    wrong: dict[tuple[str, str], dict[str, None]] = {}
    for path in predictions:
        for number, row in read_json_lines(path):
            texts = [row.get(name) for name in ("db_id", "question", "sql", "verdict")] if isinstance(row, dict) else []
            if not texts or not all(isinstance(text, str) for text in texts):
                raise UserError(
                    f"{path}:{number}: a prediction has texts in db_id, question, sql and verdict, as `sqlfocus "
                    "evaluate --output` writes them"
                )
            db_id, question, sql, verdict = map(str.strip, map(str, texts))
            answers = wrong.setdefault((db_id, question), {})
            if verdict in MISTAKES and sql:
                answers[even_spacing(sql)] = None
    found, answered = [], 0
    for example in rows:
        answers = wrong.get((example.db_id, example.question), {})
        answered += (example.db_id, example.question) in wrong
        others = [sql for sql in answers if sql != example.sql]
        found += [replace(example, rejected=sql) for sql in others] or [example]
    if not answered:
        raise UserError("none of the predictions is on a question of --source: they have other questions or db_ids")
    return found, answered
