"""Tables of evaluations side by side, in plain text and in Markdown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from sqlfocus.evaluation.difficulty import LEVELS
from sqlfocus.evaluation.score import Evaluation, Score

GOLD_FAILURES_SHOWN = 20


def table(evaluations: Sequence[Evaluation], *, markdown: bool = False) -> str:
    """One line a model: EX with its 95 % interval, how many predictions parse, pass the guard and run, EX by level.

    The levels are Spider's; the number of their questions stands in the heading where it is the same for all models.
    """
    levels = [evaluation.by(lambda prediction: prediction.hardness) for evaluation in evaluations]
    shown = [level for level in LEVELS if any(level in scores for scores in levels)]
    head = ["model", "EX", "95 %", "right", "parse", "allowed", "run", *(_heading(level, levels) for level in shown)]
    rows = []
    for name, evaluation, scores in zip(labels(evaluations), evaluations, levels, strict=True):
        total = evaluation.score
        low, high = total.interval
        row = [name, f"{total.ex:.3f}", f"{low:.3f}–{high:.3f}", f"{total.right}/{total.questions}"]
        row += [_share(count, total) for count in (evaluation.parsed, evaluation.permitted, evaluation.ran)]
        rows.append(row + [_ex(scores.get(level)) for level in shown])
    return layout(head, rows, markdown=markdown)


def database_table(evaluations: Sequence[Evaluation], *, markdown: bool = False) -> str:
    """One line a database: the number of its questions and each model's EX on them."""
    scores = [evaluation.by(lambda prediction: prediction.example.db_id) for evaluation in evaluations]
    names = sorted({name for each in scores for name in each})
    rows = [
        [
            name,
            str(max(each[name].questions for each in scores if name in each)),
            *(_ex(each.get(name)) for each in scores),
        ]
        for name in names
    ]
    return layout(["database", "questions", *labels(evaluations)], rows, markdown=markdown)


def notes(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """What a reader of the table has to know besides, a line each; what holds for all models is said once."""
    yield from dict.fromkeys(line for evaluation in evaluations for line in _shared_notes(evaluation))
    for name, evaluation in zip(labels(evaluations), evaluations, strict=True):
        if evaluation.resting_on_empty:
            yield f"{name}: {evaluation.resting_on_empty} right verdicts rest on two results without rows."


def _shared_notes(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.excluded:
        yield f"{evaluation.excluded} questions left out with their databases."
    if failed := evaluation.gold_failed:
        yield f"{len(failed)} questions left out because their gold query fails:"
        for prediction in failed[:GOLD_FAILURES_SHOWN]:
            yield f"  {prediction.example.db_id}: {prediction.example.sql} ({prediction.reason})"
        if len(failed) > GOLD_FAILURES_SHOWN:
            yield f"  and {len(failed) - GOLD_FAILURES_SHOWN} more; they are in the predictions file"
    for db_id in evaluation.empty_databases:
        yield f"The database {db_id} has no rows, its verdicts tell nothing; --exclude_databases {db_id} leaves it out."


def labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """What to call the models: the last part of a path or hub name where that tells them apart, else all of it."""
    short = [evaluation.model.rstrip("/").rsplit("/", 1)[-1] for evaluation in evaluations]
    return short if len(set(short)) == len(short) else [evaluation.model for evaluation in evaluations]


def layout(head: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool = False, left: bool = False) -> str:
    """Lay out a table: the first column (with ``left`` all) to the left, the others to the right.

    A wide character, Chinese for instance, counts as two.

    >>> print(layout(["model", "EX"], [["a", "0.5"]], markdown=True))
    | model |  EX |
    |:------|----:|
    | a     | 0.5 |
    """
    widths = [max(_width(row[place]) for row in [head, *rows]) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell + " " * (width - _width(cell)) if left or place == 0 else " " * (width - _width(cell)) + cell
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()

    if markdown:
        rule = [
            ":" + "-" * (width + 1) if left or place == 0 else "-" * (width + 1) + ":"
            for place, width in enumerate(widths)
        ]
        lines = [line(head), f"|{'|'.join(rule)}|"]
    else:
        lines = [line(head), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(line(row) for row in rows)])


def _heading(level: str, scores: Sequence[dict[str, Score]]) -> str:
    counts = {each[level].questions for each in scores if level in each}
    return f"{level} ({counts.pop()})" if len(counts) == 1 else level


def _ex(score: Score | None) -> str:
    return f"{score.ex:.3f}" if score is not None else "–"


def _share(count: int, total: Score) -> str:
    return f"{100 * count / total.questions:.1f} %" if total.questions else "–"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
