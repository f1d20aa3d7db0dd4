"""``sqlfocus compare``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlfocus.commands.evaluate import add_measuring_arguments
from sqlfocus.commands.serve import SETTINGS

if TYPE_CHECKING:
    from sqlfocus.evaluation.ladder import Task
    from sqlfocus.models.record import ModelRecord

MARGIN = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--model", help="folder of a merged model: its base, adapter and GGUF files are found from it")
    parser.add_argument(
        "--gguf",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="GGUF files, or folders of them (default: those in MODEL-GGUF beside the model)",
    )
    parser.add_argument("--base", help="the base model (default: as the model's record has it)")
    parser.add_argument("--no_base", action="store_true", help="leave the base out")
    parser.add_argument("--adapter", type=Path, help="adapter folder (default: save-model/NAME-lora for NAME-R1)")
    parser.add_argument("--data", type=Path, required=True, help="JSONL file of questions with their SQL")
    parser.add_argument(
        "--limit", type=int, default=300, help="ask so many questions, spread evenly over the file (%(default)s)"
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=MARGIN,
        help="how large a loss of EX has to be unlikely for a type to be recommended, 0 to 1 (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, help="folder of report and results (default: output/compare/NAME, by the model's name)"
    )
    parser.add_argument("--force", action="store_true", help="measure again what was measured before")
    parser.add_argument(
        "--tracking",
        choices=("auto", "online", "offline", "local", "disabled"),
        default="auto",
        help="SwanLab's mode; auto: online when a key is there, else offline",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, as one flat object")
    add_measuring_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure the ladder and write the report; 0, or 1 where a rung could not be measured."""
    from sqlfocus.errors import UserError
    from sqlfocus.evaluation.ladder import measure_ladder
    from sqlfocus.evaluation.ladder_choice import choose, compare_to, figures
    from sqlfocus.evaluation.ladder_page import page
    from sqlfocus.evaluation.ladder_report import notes, svg, table
    from sqlfocus.evaluation.ladder_rungs import find_rungs, reference_of
    from sqlfocus.evaluation.ladder_tracking import track, tracking_mode
    from sqlfocus.files import atomic_write

    for name in ("limit", "batch_size", "max_new_tokens"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} {getattr(args, name)}: it has to be at least 1")
    if not 0 < args.margin < 1:
        raise UserError(f"--margin {args.margin:g}: it is a share of the questions, between 0 and 1; 0.05 is 5 points")
    for name, value in SETTINGS.items():  # so that memory is what serving would take
        os.environ.setdefault(name, value)
    rungs, record = find_rungs(
        args.model, args.gguf, base=args.base, adapter=args.adapter, with_base=not args.no_base, say=_say
    )
    mode = tracking_mode(args.tracking, say=_say)
    name = _name(args.model, args.gguf)
    output = args.output or Path("output/compare") / name
    for file in (output / "compare.html", args.json):
        if file is not None:
            _check_place(file)
    task = _task(args, record)
    measured, failed = measure_ladder(rungs, task, output / "rungs", force=args.force, say=_say)
    if not measured:
        raise UserError(f"no model could be measured; {next(iter(failed.items()))[0]}: {next(iter(failed.values()))}")
    reference = reference_of([one.rung for one in measured])
    compared = compare_to(measured, reference)
    choice = choose(compared, reference, margin=args.margin)
    sys.stdout.write(table(compared, choice, markdown=args.format == "markdown") + "\n\n")
    for line in notes(compared, choice):
        sys.stdout.write(line + "\n")
    settings = _settings(args, task)
    for file, text in (
        (output / "compare.html", page(compared, choice, name=name, settings=settings, failed=failed)),
        (output / "compare.svg", svg(compared, choice, title=f"Compare {name}")),
        (args.json, json.dumps(figures(compared, choice), ensure_ascii=False, indent=1) + "\n"),
    ):
        if file is not None:
            with atomic_write(file) as out:
                out.write(text)
    _say(f"Report: {output / 'compare.html'}; plot: {output / 'compare.svg'}")
    with contextlib.redirect_stdout(sys.stderr):  # SwanLab prints, and the table may go to a file
        seen = track(compared, choice, name=name, settings=settings, mode=mode, folder=output / "swanlog")
    if seen:
        _say(seen)
    return 1 if failed else 0


def _name(model: str | None, gguf: Sequence[Path]) -> str:
    """What is compared: the merged model's name, which is also that of its GGUF files' folder less ``-GGUF``."""
    place = Path(model or gguf[0]).expanduser().resolve()
    return (place.name if place.is_dir() else place.stem).removesuffix("-GGUF")


def _check_place(file: Path) -> None:
    """Refuse what cannot be written before an hour is spent on what is to stand there.

    Raises:
        UserError: ``file`` is a folder, or its folder cannot be made or written.
    """
    from sqlfocus.errors import UserError
    from sqlfocus.files import writing_failed

    if file.is_dir():
        raise UserError(f"{file}: a folder; name a file in it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise writing_failed(file, error) from error


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _task(args: argparse.Namespace, record: ModelRecord | None) -> Task:
    """The questions and settings, the same for all rungs: schema texts and prompt template are the tuned model's."""
    from sqlfocus.errors import UserError
    from sqlfocus.evaluation.ladder import Task
    from sqlfocus.evaluation.questions import read_questions, schema_folder, schema_reader

    examples, _ = read_questions(args.data, args.databases, exclude=args.exclude_databases, limit=args.limit)
    if not examples:
        raise UserError("no questions are left to ask; check the data file and --exclude_databases")
    folder = schema_folder(args.data, args.schema_dir)
    schema_of = schema_reader(args.databases, folder, max_values=record.max_values if record is not None else None)
    return Task(
        examples,
        {db_id: schema_of(db_id) for db_id in sorted({example.db_id for example in examples})},
        args.databases,
        rule=args.rule,
        free=args.free,
        batch_size=args.batch_size,
        max_new_tokens=args.max_new_tokens,
        prompt_template=record.prompt_template if record is not None else None,
        hub=record.hub if record is not None else "huggingface",
    )


def _settings(args: argparse.Namespace, task: Task) -> dict[str, str]:
    """What a report says of how it was measured."""
    from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE

    return {
        "data": str(args.data),
        "questions": f"{len(task.examples)} on {len(task.schemas)} databases",
        "left out": ", ".join(args.exclude_databases) or "no database",
        "rule": task.rule,
        "prompt template": task.prompt_template or DEFAULT_TEMPLATE,
        "answers": "free" if task.free else "held to SQL that is valid on the schema",
        "batch size": str(task.batch_size),
        "longest answer": f"{task.max_new_tokens} tokens",
        "margin": f"{args.margin:g}",
    }
