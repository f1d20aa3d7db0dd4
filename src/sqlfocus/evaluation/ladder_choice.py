"""Which quantized model to take: the smallest that is not seen to lose anything, nor may well lose much.

A quantized type may be taken where two things hold for EX less the reference's, on the same questions:

- the upper end of the 95 % interval is not below 0: no loss is seen;
- its lower end is not below the margin, 5 points unless told: so large a loss is unlikely (2.5 %).

Without the second, few questions would recommend whatever is smallest, since on few questions nothing is seen. Of the
types that may be taken, the smallest is; where there is none, the reference is kept. Where the reference's own EX is no
more than the margin, nothing is recommended: there is too little to lose.

The interval is each type's own. Since the smallest of several is picked, less can be said of it than of a type that was
named before: the sentence also has the loss by Bonferroni's intervals, which hold for all types at once in 95 of 100
cases. The rule does without them: they are wider than need be where types answer alike, as these do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlfocus.evaluation.ladder import Measured, Rung
from sqlfocus.evaluation.paired import Paired, pair
from sqlfocus.evaluation.score import Score
from sqlfocus.files import readable


@dataclass(frozen=True, slots=True)
class Compared:
    """A rung beside the reference, on the questions that both were judged on."""

    measured: Measured
    score: Score
    pair: Paired
    equal: float
    """The share of questions with the same SQL as the reference's, or the same text that is none, 0 to 1."""
    lost: list[tuple[dict[str, Any], dict[str, Any]]]
    """Predictions that are wrong where the reference's are right, with those."""

    @property
    def rung(self) -> Rung:
        """The rung."""
        return self.measured.rung

    @property
    def size(self) -> float:
        """Bytes of the weights."""
        return self.measured.figures["size"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is recommended, and on what grounds."""

    reference: Compared
    taken: Compared | None
    """None where no quantized type may be taken."""
    sentence: str
    reasons: list[str]
    """Why each smaller type was passed over, a line each."""


def compare_to(measured: Sequence[Measured], reference: Rung) -> list[Compared]:
    """Each rung beside the reference, which is among them."""
    (base,) = [one for one in measured if one.rung == reference]
    theirs = _by_question(base.rows)
    found = []
    for one in measured:
        mine = _by_question(one.rows)
        both = [(mine[question], theirs[question]) for question in mine if question in theirs]
        verdicts = [tuple(row["verdict"] == "right" for row in rows) for rows in both]
        right = sum(row["verdict"] == "right" for row in one.rows)
        found.append(
            Compared(
                one,
                Score(right, len(one.rows)),
                pair([first for first, _ in verdicts], [second for _, second in verdicts]),
                sum(_answer(first) == _answer(second) for first, second in both) / len(both) if both else 0.0,
                [rows for rows, verdict in zip(both, verdicts, strict=True) if verdict == (False, True)],
            )
        )
    return found


def _answer(row: dict[str, Any]) -> str:
    return str(row["sql"] or row["completion"])


def _by_question(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their question; one that is asked twice has a number."""
    seen: dict[tuple[Any, ...], int] = defaultdict(int)
    found = {}
    for row in rows:
        question = tuple(row.get(name) for name in ("db_id", "question", "gold", "evidence"))
        found[(question, seen[question])] = row
        seen[question] += 1
    return found


_NOT_JUDGED = "Nothing is recommended: no question could be judged, since every gold query fails; check the data."


def choose(compared: Sequence[Compared], reference: Rung, *, margin: float) -> Choice:
    """Choose among the quantized rungs, and say why; ``margin`` is a share, 0 to 1."""
    (base,) = [one for one in compared if one.rung == reference]
    quantized = sorted((one for one in compared if one.rung.quantized and one is not base), key=lambda one: one.size)
    reasons: list[str] = []
    if not base.score.questions:
        return Choice(base, None, _NOT_JUDGED, reasons)
    if quantized and base.score.ex <= margin:
        return Choice(base, None, _nothing_to_lose(base, margin), reasons)
    for one in quantized:
        low, high = one.pair.interval()
        if high >= 0 and low >= -margin:
            return Choice(base, one, _taken(one, base, len(quantized), margin), reasons)
        reasons.append(_passed_over(one, margin))
    return Choice(base, None, _none_taken(base, quantized, margin), reasons)


def _taken(one: Compared, base: Compared, types: int, margin: float) -> str:
    low, high = one.pair.interval()
    parts = [
        f"Take {one.rung.name} ({readable(one.size)}, {100 * one.size / base.size:.0f} % of {base.rung.name}): EX "
        f"{one.score.ex:.3f} to {base.rung.name}'s {base.score.ex:.3f}, difference {signed(one.pair.difference)}, 95 % "
        f"interval {signed(low)} to {signed(high)} on {one.pair.questions} questions; {_unlikely(low)} (2.5 %)."
    ]
    if types > 1:
        wider = one.pair.interval(1 - 0.05 / types)[0]
        parts.append(f"With all {types} types looked at allowed for, {_unlikely(wider)}.")
    told = min(0.01, margin)
    needed = one.pair.questions_for(told)
    parts.append(f"To tell a loss of {points(told)} from none, about {needed:,} questions are needed.")
    return " ".join(parts)


def _unlikely(low: float) -> str:
    return f"a loss of more than {points(-low)} is unlikely" if low < 0 else "a loss is unlikely"


def _nothing_to_lose(base: Compared, margin: float) -> str:
    right, asked = base.score.right, base.score.questions
    return (
        f"Nothing is recommended: {base.rung.name} is right on {right} of {asked} questions, no more than the margin "
        f"of {points(margin)}, so that a loss would not show. Fine-tune, or ask what the model can answer."
    )


def _none_taken(base: Compared, quantized: Sequence[Compared], margin: float) -> str:
    if not quantized:
        return f"There is no quantized type to choose; {base.rung.name} is all that can be taken."
    seen = [one for one in quantized if one.pair.interval()[1] >= 0]
    sentence = f"Keep {base.rung.name} ({readable(base.size)}): on {base.pair.questions} questions "
    if not seen:
        return sentence + "every quantized type loses EX."
    sentence += f"a loss of {points(margin)} cannot be ruled out for any type that is not seen to lose EX."
    # How far each is from the margin, if it is as good as it looks, but no better than the reference.
    away = [(one, margin + min(0.0, one.pair.difference)) for one in seen]
    needed = [one.pair.questions_for(distance) for one, distance in away if distance > 0]
    return f"{sentence} About {min(needed):,} questions would do for that." if needed else sentence


def _passed_over(one: Compared, margin: float) -> str:
    low, high = one.pair.interval()
    if high < 0:
        why = f"it loses {points(-one.pair.difference)} (95 % interval {100 * -high:.1f} to {points(-low)})"
    else:
        lost = points(-low) if points(-low) != points(margin) else f"a little over {points(margin)}"
        why = f"it may lose {lost}, more than the {points(margin)} that are to be unlikely"
    return f"{one.rung.name} ({readable(one.size)}) is passed over: {why}."


def figures(compared: Sequence[Compared], choice: Choice) -> dict[str, Any]:
    """All of it as one flat object; a rung's figures end with its name."""
    found: dict[str, Any] = {
        "recommended": choice.taken.rung.name if choice.taken is not None else None,
        "recommendation": choice.sentence,
        "reference": choice.reference.rung.name,
        "questions": choice.reference.score.questions,
    }
    for one in compared:
        found |= {f"{name}_{one.rung.file_name}": value for name, value in _figures(one)}
    return found


def _figures(one: Compared) -> Iterator[tuple[str, float]]:
    low, high = one.score.interval
    yield from (("ex", one.score.ex), ("ex_low", low), ("ex_high", high), ("right", one.score.right))
    low, high = one.pair.interval()
    yield from (("difference", one.pair.difference), ("difference_low", low), ("difference_high", high))
    yield from (("gained", one.pair.gained), ("lost", one.pair.lost), ("p", one.pair.p), ("equal", one.equal))
    yield from one.measured.figures.items()


def signed(value: float) -> str:
    """A difference, its sign always shown: ``+0.015``, ``−0.003``."""
    return f"{value:+.3f}".replace("-", "−")


def points(share: float) -> str:
    """A share of questions in points: 0.021 is ``2.1 points``.

    >>> points(0.021), points(0.01), points(0.05)
    ('2.1 points', '1 point', '5 points')
    """
    shown = f"{100 * share:.1f}".removesuffix(".0")
    return f"{shown} point{'' if shown == '1' else 's'}"
