"""Our verdicts against those of Spider's official evaluator, on the same predictions.

    python benchmarks/verdicts.py --spider DIR [--quick] [--json FILE] [--predictions FILE …]

Predictions are Spider's dev gold queries with one thing changed (``verdict_cases/mutations.py``) and any files that
``sqlfocus evaluate`` saved. The official evaluator is run from the PyPI package nl2sql360 in an environment of its own,
which is made once. Every disagreement is listed with its class; one that no class explains makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verdict_cases.mutations import mutate

from sqlfocus.answer import finish
from sqlfocus.evaluation import verdict as rules
from sqlfocus.evaluation.difficulty import LEVELS, hardness
from sqlfocus.evaluation.evaluate import LIMITS, database_file
from sqlfocus.evaluation.report import layout
from sqlfocus.evaluation.saved import read_predictions
from sqlfocus.evaluation.verdict import Verdict, compare, orders_its_result
from sqlfocus.execution.runner import Limits, Result, Runner

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_ROWS = "wta_1"
PACKAGES = ("nl2sql360==1.1.0", "sqlparse==0.6.1", "nltk==3.10.4", "regex", "tqdm", "loguru")

CLASSES = {
    "distinct": "the official evaluator strips DISTINCT from both queries; with its --keep_distinct it agrees",
    "order": "the gold query orders a subquery only; the official evaluator takes any ORDER BY in it for the result's",
    "noise": "floats differ by the noise of summing in another order",
    "guard": "the guard refuses a query that the official evaluator runs",
    "spaces": "the official evaluator repairs '> =' to '>=' before it runs a prediction",
    "late": "the official evaluator did not come to a verdict in time",
    "long": "the predicted result is longer than our limits",
}


@dataclass(slots=True)
class Case:
    """One prediction with both verdicts."""

    kind: str
    db_id: str
    gold: str
    predicted: str
    ours: str = ""
    reason: str = ""
    empty: bool = False
    official: bool | str = ""
    keep_distinct: bool | str = ""
    explanation: str = ""

    @property
    def agrees(self) -> bool:
        return (self.ours == "right") is self.official


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument(
        "--predictions", type=Path, nargs="+", default=[], help="saved predictions to compare on as well"
    )
    parser.add_argument("--mutations", type=int, default=5, help="at most so many a question (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the questions")
    parser.add_argument("--json", type=Path, help="write all cases there")
    parser.add_argument("--official_python", type=Path, help="a Python that has nl2sql360; else an environment is made")
    args = parser.parse_args()
    if not (args.spider / "dev.json").is_file():
        print(f"{args.spider}: no dev.json there; name Spider's folder with --spider. Nothing is compared.")
        return 0

    cases, levels = _cases(args)
    python = args.official_python or _environment()
    start = time.monotonic()
    counted = _judge(cases, args.spider / "database")
    ours_seconds = time.monotonic() - start
    start = time.monotonic()
    official_levels = _ask_official(python, cases, args.spider / "database")
    official_seconds = time.monotonic() - start
    _explain(cases, args.spider / "database")
    if args.json:
        rows = [{field: getattr(case, field) for field in Case.__slots__} for case in cases]
        args.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    _print(cases, counted, ours_seconds, official_seconds)
    _print_levels(levels, official_levels)
    return 1 if any(not case.agrees and not case.explanation for case in cases) else 0


def _cases(args: argparse.Namespace) -> tuple[list[Case], dict[tuple[str, str], str]]:
    """The cases, and our difficulty level of each dev question's gold query."""
    rows = json.loads((args.spider / "dev.json").read_text(encoding="utf-8"))
    levels = {(row["db_id"], row["query"]): hardness(row["query"]) for row in rows}
    rows = [row for row in rows if row["db_id"] != WITHOUT_ROWS][:: 10 if args.quick else 1]
    cases = [
        Case(kind, row["db_id"], row["query"], sql)
        for number, row in enumerate(rows)
        for kind, sql in mutate(row["query"], number, args.mutations)
    ]
    for path in args.predictions:
        for saved in read_predictions(path):
            cases += [
                Case(saved.model, example.db_id, example.sql, finish("", text).sql or "no SQL")
                for example, text in zip(saved.examples, saved.completions, strict=True)
                if example.db_id != WITHOUT_ROWS
            ]
    return cases, levels


def _results(runner: Runner, databases: Path, case: Case) -> tuple[Any, Result]:
    file = database_file(databases, case.db_id)
    return finish("", case.predicted, run=lambda sql: runner.run(file, sql)), runner.run(file, case.gold)


def _judge(cases: list[Case], databases: Path) -> Counter[str]:
    counted: Counter[str] = Counter()
    with Runner(Limits(seconds=10, rows=LIMITS.rows, bytes=LIMITS.bytes, memory=LIMITS.memory)) as runner:
        for case in cases:
            answer, gold = _results(runner, databases, case)
            if answer.result is None:
                found = Verdict.REFUSED if answer.permit.parsed else Verdict.UNPARSABLE
                case.reason = answer.permit.reason
            else:
                found = compare(answer.result, gold, ordered=orders_its_result(case.gold))
                case.reason = answer.result.error or ("truncated" if answer.result.truncated else "")
                case.empty = found is Verdict.RIGHT and not gold.rows
            case.ours = found.value
            counted[found.value] += 1
    return counted


def _environment() -> Path:
    """A virtual environment with the official evaluator, made once in the temporary folder."""
    folder = Path(tempfile.gettempdir()) / "sqlfocus-official-evaluator"
    python = folder / "bin" / "python"
    if not python.is_file():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", "--no-deps", *PACKAGES], check=True)
    return python


def _ask_official(python: Path, cases: list[Case], databases: Path) -> dict[tuple[str, str], str]:
    items = [[case.db_id, case.gold, case.predicted] for case in cases]
    done = subprocess.run(
        [python, Path(__file__).parent / "verdict_cases" / "official.py"],
        input=json.dumps({"databases": str(databases.resolve()), "items": items, "seconds": 10}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    levels = {}
    for case, (default, keep_distinct, level) in zip(cases, json.loads(done.stdout), strict=True):
        case.official, case.keep_distinct = default, keep_distinct
        levels[case.db_id, case.gold] = level
    return levels


def _explain(cases: list[Case], databases: Path) -> None:
    """Name the cause of each disagreement: a class holds only where undoing its cause gives the official verdict."""
    with Runner(Limits(seconds=10, rows=LIMITS.rows, bytes=LIMITS.bytes, memory=LIMITS.memory)) as runner:
        for case in cases:
            if not case.agrees:
                case.explanation = _cause(case, runner, databases)


def _cause(case: Case, runner: Runner, databases: Path) -> str:
    if not isinstance(case.official, bool):
        return "late" if case.official == "timeout" else ""
    if case.ours == "refused" and case.official:
        return "guard"
    if case.keep_distinct is (case.ours == "right"):
        return "distinct"
    if any(sign in case.predicted for sign in ("> =", "< =", "! =")):
        return "spaces"
    if case.reason == "truncated":
        return "long"
    answer, gold = _results(runner, databases, case)
    if answer.result is None or answer.result.error or gold.error:
        return ""
    if "order by" in case.gold.lower() and not orders_its_result(case.gold):
        strict = compare(answer.result, gold, ordered=True)
        if (strict is Verdict.RIGHT) is case.official:
            return "order"
    tolerances = rules.RELATIVE_TOLERANCE, rules.ABSOLUTE_TOLERANCE
    rules.RELATIVE_TOLERANCE = rules.ABSOLUTE_TOLERANCE = 0.0
    exact = compare(answer.result, gold, ordered=orders_its_result(case.gold))
    rules.RELATIVE_TOLERANCE, rules.ABSOLUTE_TOLERANCE = tolerances
    return "noise" if (exact is Verdict.RIGHT) is case.official else ""


def _print(cases: list[Case], counted: Counter[str], ours_seconds: float, official_seconds: float) -> None:
    kinds = list(dict.fromkeys(case.kind for case in cases))
    rows = []
    for kind in [*sorted(kinds), "all"]:
        group = [case for case in cases if kind in (case.kind, "all")]
        ours, official = sum(case.ours == "right" for case in group), sum(case.official is True for case in group)
        agreed = sum(case.agrees for case in group)
        kept = sum((case.ours == "right") is case.keep_distinct for case in group)
        shares = [f"{100 * count / len(group):.2f} %" for count in (agreed, kept)]
        rows.append([kind, str(len(group)), str(ours), str(official), *shares])
    print(layout(["prediction", "cases", "right: ours", "official", "agree", "agree, keep_distinct"], rows))
    print("\nOur verdicts: " + ", ".join(f"{count} {name}" for name, count in counted.most_common()))
    print(f"Right verdicts that rest on empty results: {sum(case.empty for case in cases)}")
    print(f"Seconds: ours {ours_seconds:.1f}, official {official_seconds:.1f} (two verdicts a case)\n")
    disagreements = [case for case in cases if not case.agrees]
    causes = Counter(case.explanation or "UNEXPLAINED" for case in disagreements)
    print(layout(["disagreements", "cases"], [[name, str(count)] for name, count in causes.most_common()]))
    for name in causes:
        print(f"\n{name}: {CLASSES.get(name, 'no class explains these')}")
        for case in disagreements:
            if (case.explanation or "UNEXPLAINED") == name:
                print(f"  {case.db_id} [{case.kind}] ours {case.ours}, official {case.official} {case.reason}")
                print(f"    gold      {case.gold}\n    predicted {case.predicted}")


def _print_levels(ours: dict[tuple[str, str], str], official: dict[tuple[str, str], str]) -> None:
    shared = [key for key in ours if key in official]
    same = sum(ours[key] == official[key] for key in shared)
    print(f"\nDifficulty: {same} of {len(shared)} different gold queries have the official level.")
    for key in shared:
        if ours[key] != official[key]:
            print(f"  {key[0]}: ours {ours[key]}, official {official[key]}: {key[1]}")
    print("Levels of ours: " + ", ".join(f"{name} {sum(ours[key] == name for key in shared)}" for name in LEVELS))


if __name__ == "__main__":
    sys.exit(main())
