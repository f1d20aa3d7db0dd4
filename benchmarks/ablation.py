"""What each lever gave: EX from saved predictions, as the tables in docs/accuracy.md.

    python benchmarks/ablation.py [--spider DIR] [--write FILE] [--quick] [--json FILE]

docs/predictions/ablation.json names the predictions, what they were made with, and what training and an answer took.
Every SQL is run and compared with the gold query's result, but on wta_1, which has no rows; two rows are compared
question by question (Tango's interval). With --write the tables take their place in a Markdown file, between the lines
that mark it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlfocus.corpus.spider import read_spider
from sqlfocus.evaluation.evaluate import evaluate
from sqlfocus.evaluation.paired import pair
from sqlfocus.evaluation.report import layout
from sqlfocus.evaluation.saved import read_predictions
from sqlfocus.evaluation.score import Score
from sqlfocus.evaluation.verdict import Verdict
from sqlfocus.files import atomic_write

ROOT = Path(__file__).resolve().parents[1]
PREDICTIONS = ROOT / "docs" / "predictions"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: ``predictions`` and, to be compared with, those in ``against``, files without ``.jsonl``."""

    table: str
    lever: str
    predictions: str
    against: str = ""
    minutes: float | None = None
    """Of training."""
    milliseconds: float | None = None
    """An answer, one of 32 at a time."""


def main() -> int:
    args = parse()
    rows = [Row(**row) for row in json.loads(args.table.read_text(encoding="utf-8"))]
    if args.quick:
        rows = [row for row in rows if row.table == rows[0].table][:2]
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is scored.")
        return 0
    print(f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores.", file=sys.stderr)
    benchmark = read_spider(args.spider)
    questions = [*benchmark.dev, *benchmark.train]
    right: dict[str, list[bool]] = {}
    for name in dict.fromkeys(name for row in rows for name in (row.predictions, row.against) if name):
        (saved,) = read_predictions(args.table.parent / f"{name}.jsonl", questions)
        found = evaluate(saved.examples, args.spider / "database", saved.predictor(), exclude=["wta_1"])
        right[name] = [one.verdict is Verdict.RIGHT for one in found.predictions]
        print(f"{name}: {sum(right[name])}/{len(right[name])}", file=sys.stderr, flush=True)
    text = "\n\n".join(tables(rows, right))
    print(text)
    if args.write:
        place(args.write, "ablation", text)
    if args.json:
        figures = {f"ex_{name}": sum(verdicts) / len(verdicts) for name, verdicts in right.items()}
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--table", type=Path, default=PREDICTIONS / "ablation.json", help="what is compared")
    parser.add_argument("--write", type=Path, metavar="FILE", help="Markdown file whose tables are to be replaced")
    parser.add_argument("--quick", action="store_true", help="two rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


def tables(rows: list[Row], right: dict[str, list[bool]]) -> list[str]:
    """A heading and a table for each kind of questions and model."""
    found = []
    for title in dict.fromkeys(row.table for row in rows):
        lines = [line(row, right) for row in rows if row.table == title]
        head = ["lever", "EX", "95 %", "right", "gain", "95 %", "training min", "ms an answer"]
        found.append(f"### {title}\n\n{layout(head, lines, markdown=True)}")
    return found


def line(row: Row, right: dict[str, list[bool]]) -> list[str]:
    verdicts = right[row.predictions]
    score = Score(sum(verdicts), len(verdicts))
    low, high = score.interval
    cells = [row.lever, f"{score.ex:.3f}", f"{low:.3f}–{high:.3f}", f"{score.right}/{score.questions}"]
    if row.against:
        both = pair(verdicts, right[row.against])
        lower, upper = both.interval()
        cells += [f"{both.difference:+.3f}", f"{lower:+.3f}–{upper:+.3f}"]
    else:
        cells += ["", ""]
    return [*cells, *("" if value is None else f"{value:.0f}" for value in (row.minutes, row.milliseconds))]


def place(path: Path, name: str, text: str) -> None:
    """Put tables between the marks of that name in a Markdown file."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = path.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    with atomic_write(path) as out:
        out.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
