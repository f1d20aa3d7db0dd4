"""Predictions on disk: written as JSON lines, read to be scored again without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlfocus.corpus.example import Example
from sqlfocus.errors import UserError
from sqlfocus.evaluation.evaluate import Predict, Tell
from sqlfocus.evaluation.score import Evaluation
from sqlfocus.files import read_json_lines, write_json_lines
from sqlfocus.inference.engine import Completion


@dataclass(frozen=True, slots=True)
class SavedPredictions:
    """One model's questions and what it wrote for them."""

    model: str
    examples: list[Example] = field(default_factory=list)
    completions: list[str] = field(default_factory=list)

    def predictor(self) -> Predict:
        """Answers each question with what the file has for it; questions that are equal, in the file's order."""
        left: dict[Example, list[str]] = {}
        for example, completion in zip(self.examples, self.completions, strict=True):
            left.setdefault(example, []).append(completion)

        def predict(examples: Sequence[Example], tell: Tell) -> None:
            for place, example in enumerate(examples):
                tell(place, [Completion(left[example].pop(0), 0, True)])

        return predict


def write_predictions(path: Path, evaluations: Sequence[Evaluation]) -> int:
    """Write the predictions of all evaluations, atomically, and return how many there are."""
    rows = (
        {"model": evaluation.model, **prediction.to_json()}
        for evaluation in evaluations
        for prediction in [*evaluation.predictions, *evaluation.gold_failed]
    )
    return write_json_lines(path, rows)


def read_predictions(path: Path, questions: Sequence[Example] = ()) -> list[SavedPredictions]:
    """Read a predictions file: one entry a model, in the file's order.

    A row needs ``db_id``, ``question``, ``completion`` or ``sql``, and ``gold``, unless the question is one of
    ``questions``, which then say its SQL. Without ``model`` it is the file's.

    Raises:
        UserError: the file is missing or empty, or a row lacks a field (with file and line).
    """
    models: dict[str, SavedPredictions] = {}
    # A question that is there twice may have other SQL the second time: a model's answers come in the same order.
    known: dict[tuple[str, str], list[Example]] = {}
    for one in questions:
        known.setdefault((one.db_id, one.question), []).append(one)
    asked: Counter[tuple[str, tuple[str, str]]] = Counter()
    for number, row in read_json_lines(path):
        where = f"{path}:{number}"
        if not isinstance(row, dict):
            raise UserError(f"{where}: a prediction is a JSON object, this is {type(row).__name__}")
        name = str(row.get("model") or path.stem)
        saved = models.setdefault(name, SavedPredictions(name))
        if row.get("gold") is None and questions:
            key = (_text(row, "db_id", where).strip(), _text(row, "question", where).strip())
            if key not in known:
                raise UserError(f"{where}: the question is not in --data, on the database {key[0]}: {key[1]!r}")
            saved.examples.append(known[key][asked[name, key] % len(known[key])])
            asked[name, key] += 1
        else:
            saved.examples.append(Example.from_json({**row, "sql": _gold(row, where)}, where))
        saved.completions.append(_text(row, "completion" if row.get("completion") is not None else "sql", where))
    if not models:
        raise UserError(f"{path}: the file holds no predictions; make one with `sqlfocus evaluate --model … --output`")
    return list(models.values())


def _gold(row: dict[str, Any], where: str) -> str:
    if row.get("gold") is None:
        raise UserError(
            f'{where}: the prediction has no "gold"; name the file with the questions and their SQL: --data'
        )
    return _text(row, "gold", where)


def _text(row: dict[str, Any], name: str, where: str) -> str:
    if not isinstance(row.get(name), str):
        raise UserError(f'{where}: the prediction has no text in "{name}"')
    return str(row[name])
