"""What a ladder gave, to read: a table, its plot, and the lines that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlfocus.evaluation.ladder_choice import Choice, Compared, signed
from sqlfocus.evaluation.ladder_plot import Point, plot
from sqlfocus.evaluation.report import layout
from sqlfocus.files import readable

HEAD = (
    *("model", "EX", "95 %", "difference", "its 95 %", "p", "same SQL", "size", "share", "memory"),
    *("first token", "new schema", "tokens/s", "answers/s"),
)


def table(compared: Sequence[Compared], choice: Choice, *, markdown: bool = False) -> str:
    """One line a rung, the reference and the recommended one marked."""
    return layout(HEAD, [cells(one, choice) for one in compared], markdown=markdown)


def cells(one: Compared, choice: Choice) -> list[str]:
    """A rung's line in the table, under :data:`HEAD`."""
    figures = one.measured.figures
    low, high = one.score.interval
    row = [_marked(one, choice), f"{one.score.ex:.3f}", f"{low:.3f}–{high:.3f}"]
    if one is choice.reference:
        row += ["–"] * 4
    else:
        low, high = one.pair.interval()
        row += [signed(one.pair.difference), f"{signed(low)} to {signed(high)}", f"{one.pair.p:.2g}"]
        row.append(f"{100 * one.equal:.1f} %")
    row += [readable(one.size), f"{100 * one.size / choice.reference.size:.0f} %", readable(figures["memory"])]
    row += [f"{1000 * figures[name]:,.0f} ms" for name in ("first_token", "first_token_cold")]
    return row + [f"{figures[name]:.1f}" for name in ("tokens_per_second", "answers_per_second")]


def notes(compared: Sequence[Compared], choice: Choice) -> Iterator[str]:
    """What a reader of the table has to know besides, a line each, the recommendation first."""
    yield choice.sentence
    yield from choice.reasons
    name = choice.reference.rung.name
    if choice.reference.rung.quantized:
        yield f"There is no model in F16 here: {name}, the largest file, is the reference."
    ran: dict[str, list[str]] = {}
    for one in compared:
        ran.setdefault(one.measured.ran, []).append(one.rung.name)
    yield "What ran them: " + "; ".join(f"{what}: {', '.join(names)}" for what, names in ran.items()) + "."
    failed = max(one.measured.gold_failed for one in compared)
    if failed:
        yield f"{failed} questions left out because their gold query fails."
    for one in compared:
        asked = max(one.score.questions, choice.reference.score.questions)
        if one.pair.questions < asked:
            yield f"{one.rung.name}: {asked - one.pair.questions} questions were judged on one side alone."


def svg(compared: Sequence[Compared], choice: Choice, *, title: str) -> str:
    """EX against file size."""
    points = []
    for one in compared:
        role = "taken" if one is choice.taken else "quantized" if one.rung.quantized else "whole"
        low, high = one.score.interval
        points.append(Point(one.rung.name, one.size, one.score.ex, low, high, role, one is choice.reference))
    return plot(points, title=title)


def _marked(one: Compared, choice: Choice) -> str:
    if one is choice.reference:
        return f"{one.rung.name} (reference)"
    return f"{one.rung.name} (recommended)" if one is choice.taken else one.rung.name
