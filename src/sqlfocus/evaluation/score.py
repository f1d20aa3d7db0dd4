"""What a measurement gives: predictions with their verdicts, and the shares that are counted over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlfocus.answer import Answer
from sqlfocus.corpus.example import Example
from sqlfocus.evaluation.verdict import Verdict
from sqlfocus.execution.runner import Result

ROWS_SHOWN = 5
CHARACTERS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Score:
    """How many of how many are right.

    >>> score = Score(right=47, questions=50)
    >>> f"{score.ex:.3f}", [round(end, 3) for end in score.interval]
    ('0.940', [0.838, 0.979])
    """

    right: int
    questions: int

    @property
    def ex(self) -> float:
        """Execution accuracy, 0 to 1; 0 where there are no questions."""
        return self.right / self.questions if self.questions else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of Wilson's 95 % interval for the share (Wilson, 1927); it is right for small numbers too."""
        n, z = self.questions, 1.959964
        if n == 0:
            return 0.0, 1.0
        middle = (self.ex + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.ex * (1 - self.ex) / n + z * z / (4 * n * n))
        return (middle - half if self.right else 0.0), (middle + half if self.right < n else 1.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question with what a model wrote for it and what came of it."""

    example: Example
    answer: Answer
    verdict: Verdict
    hardness: str
    gold: Result
    reason: str = ""
    """Why the verdict is neither right nor wrong: the guard's rule or the database's message."""

    @property
    def rests_on_empty(self) -> bool:
        """Whether it counts as right because both results have no rows, which says little."""
        return self.verdict is Verdict.RIGHT and not self.gold.rows

    def to_json(self) -> dict[str, Any]:
        """The row of a predictions file: enough to read, and to score again without the model."""
        example = self.example.to_json()
        return {
            "db_id": example.pop("db_id"),
            "question": example.pop("question"),
            "gold": example.pop("sql"),
            **example,
            "sql": self.answer.sql,
            "completion": self.answer.completion,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "hardness": self.hardness,
            "gold_result": shorten(self.gold),
            "result": shorten(self.answer.result) if self.answer.result is not None else None,
        }


@dataclass(slots=True)
class Evaluation:
    """A model over a benchmark; questions whose gold query fails are kept apart and count for nothing."""

    model: str
    rule: str = "spider"
    predictions: list[Prediction] = field(default_factory=list)
    gold_failed: list[Prediction] = field(default_factory=list)
    empty_databases: list[str] = field(default_factory=list)
    """Databases without a single row, on which a verdict says next to nothing."""
    excluded: int = 0
    """Questions left out because their database was to be."""

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Take in judged predictions."""
        for prediction in predictions:
            failed = prediction.verdict is Verdict.GOLD_FAILED
            (self.gold_failed if failed else self.predictions).append(prediction)

    @property
    def score(self) -> Score:
        """EX over all questions."""
        return _score(self.predictions)

    def count(self, *verdicts: Verdict) -> int:
        """How many predictions have one of the verdicts."""
        return sum(prediction.verdict in verdicts for prediction in self.predictions)

    @property
    def parsed(self) -> int:
        """How many predictions are SQL."""
        return len(self.predictions) - self.count(Verdict.UNPARSABLE)

    @property
    def permitted(self) -> int:
        """How many predictions pass the guard."""
        return self.parsed - self.count(Verdict.REFUSED)

    @property
    def ran(self) -> int:
        """How many predictions give a result."""
        return self.count(Verdict.RIGHT, Verdict.WRONG)

    @property
    def resting_on_empty(self) -> int:
        """How many right verdicts rest on two results without rows."""
        return sum(prediction.rests_on_empty for prediction in self.predictions)

    def by(self, key: Callable[[Prediction], str]) -> dict[str, Score]:
        """EX of each group of predictions, in the order in which the groups come up."""
        groups: dict[str, list[Prediction]] = {}
        for prediction in self.predictions:
            groups.setdefault(key(prediction), []).append(prediction)
        return {name: _score(group) for name, group in groups.items()}


def _score(predictions: Sequence[Prediction]) -> Score:
    return Score(sum(prediction.verdict is Verdict.RIGHT for prediction in predictions), len(predictions))


def shorten(result: Result) -> dict[str, Any]:
    """A result's first rows, as JSON: long texts cut, what JSON does not know as text."""
    if result.error:
        return {"error": result.error}
    return {
        "columns": list(result.columns),
        "rows": [[_json_value(value) for value in row] for row in result.rows[:ROWS_SHOWN]],
        "row_count": len(result.rows),
        "truncated": result.truncated,
    }


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= CHARACTERS_SHOWN else text[:CHARACTERS_SHOWN] + "…"
