"""``sqlfocus prepare``: training and evaluation files from benchmarks, rows of one's own, feedback, or mistakes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import MAX_VALUES

if TYPE_CHECKING:
    from sqlfocus.corpus.preparation import Prepared, Row
    from sqlfocus.corpus.prompt import Prompt
    from sqlfocus.corpus.spider import Benchmark

    Measure = Callable[[Prompt, str], int]

TRAINING_LENGTH = 1024  # the default of finetune's --max_seq_length


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="spider|bird|jsonl|feedback|mistakes")
    spider = kinds.add_parser("spider", help="from Spider's folder", allow_abbrev=False)
    bird = kinds.add_parser("bird", help="from BIRD's folder", allow_abbrev=False)
    jsonl = kinds.add_parser("jsonl", help="from a file of rows: JSON Lines or a JSON array", allow_abbrev=False)
    for kind, what in ((spider, "its folder"), (bird, "its folder"), (jsonl, "the file")):
        kind.add_argument("--source", type=Path, required=True, help=what)
        kind.add_argument("--output", type=Path, default=Path("data"), help="folder to write to (default: data)")
        kind.add_argument("--force", action="store_true", help="replace data files and schema texts that are there")
        kind.add_argument(
            "--max_values",
            type=int,
            metavar="N",
            default=MAX_VALUES,
            help="sample values a column at most in the schema texts (default: %(default)s; 0: none)",
        )
        kind.add_argument(
            "--style",
            choices=("house", "kept"),
            default="kept" if kind is jsonl else "house",
            help="how SQL to train on is written: in this project's one style where SQLite is proven to do the same, "
            "or kept as it is (default: %(default)s)",
        )
        kind.add_argument("--tokenizer", help="count tokens with this model's tokenizer, in place of characters")
    spider.add_argument(
        "--download",
        nargs="?",
        const="",
        metavar="URL",
        help="where Spider is not in --source, fetch it there from its authors, or their archive from URL",
    )
    jsonl.add_argument("--databases", type=Path, help="folder with <db_id>/<db_id>.sqlite or <db_id>.sqlite")
    jsonl.add_argument("--dev_share", type=float, default=0.1, help="share of the queries to hold out (default: 0.1)")
    _add_feedback(
        kinds.add_parser("feedback", help="from what people said of the service's answers", allow_abbrev=False)
    )
    _add_mistakes(
        kinds.add_parser("mistakes", help="from rows and what a model answered wrongly to them", allow_abbrev=False)
    )


def _add_feedback(feedback: argparse.ArgumentParser) -> None:
    feedback.add_argument(
        "--feedback_file",
        type=Path,
        metavar="FILE",
        default=Path("output/feedback.jsonl"),
        help="where the service keeps it (default: output/feedback.jsonl)",
    )
    feedback.add_argument(
        "--review",
        action="store_true",
        help="go through what is not reviewed yet, here in the terminal, and write no rows",
    )
    feedback.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        default=Path("data/feedback_train.jsonl"),
        help="the file to write; schema texts go into schemas/ beside it (default: data/feedback_train.jsonl)",
    )
    feedback.add_argument("--force", action="store_true", help="replace the file if it is there")
    feedback.add_argument("--tokenizer", help="count tokens with this model's tokenizer, in place of characters")


def _add_mistakes(mistakes: argparse.ArgumentParser) -> None:
    mistakes.add_argument("--source", type=Path, required=True, metavar="FILE", help="rows: question, sql, db_id")
    mistakes.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="`sqlfocus evaluate --output` of them, by a model that was not trained on them",
    )
    mistakes.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the file to write (default: mistakes_data.jsonl beside --source, where the schema texts are)",
    )
    mistakes.add_argument("--force", action="store_true", help="replace the file if it is there")


def run(args: argparse.Namespace) -> int:
    """Read everything, then write, then say what came of it."""
    from sqlfocus.corpus.preparation import PARTS, check_free, data_file

    if args.kind == "feedback":
        return _feedback(args)
    if args.kind == "mistakes":
        return _mistakes(args)
    if args.max_values < 0:
        raise UserError(f"--max_values is {args.max_values}; it is 0 or more")
    check_free([data_file(args.output, part) for part in PARTS], force=args.force)
    measure, unit = _measure(args.tokenizer)
    prepared = {"spider": _spider, "bird": _bird, "jsonl": _jsonl}[args.kind](args)
    lengths = _lengths(prepared, measure)
    prepared.write(args.output)
    files = {part: data_file(args.output, part) for part in PARTS}
    sys.stdout.write("\n".join(_summary(prepared, files, lengths, unit)) + "\n")
    return 0


def _feedback(args: argparse.Namespace) -> int:
    """Review feedback, or make rows of what was accepted."""
    from sqlfocus.corpus.feedback import prepare_feedback, write_feedback
    from sqlfocus.corpus.preparation import check_free
    from sqlfocus.corpus.review import read_reviews

    if args.review:
        from sqlfocus.commands.reviewing import review

        return review(args.feedback_file)
    check_free([args.output], force=args.force)
    measure, unit = _measure(args.tokenizer)
    prepared = prepare_feedback(read_reviews(args.feedback_file), args.output.parent)
    lengths = _lengths(prepared, measure)
    write_feedback(prepared, args.output)
    sys.stdout.write("\n".join(_summary(prepared, {"train": args.output}, lengths, unit)) + "\n")
    return 0


def _mistakes(args: argparse.Namespace) -> int:
    """Rows with the wrong answers that they got."""
    from sqlfocus.corpus.example import read_examples, write_examples
    from sqlfocus.corpus.mistakes import with_mistakes

    output = args.output or args.source.parent / "mistakes_data.jsonl"
    rows, answered = with_mistakes(read_examples(args.source), args.predictions)
    write_examples(output, rows, force=args.force)
    wrong = sum(bool(row.rejected) for row in rows)
    sys.stdout.write(f"{output}: {len(rows)} rows, {wrong} with a rejected answer; {answered} were answered\n")
    return 0


def _spider(args: argparse.Namespace) -> Prepared:
    from sqlfocus.corpus.download import SPIDER_URL, download_spider
    from sqlfocus.corpus.spider import read_spider, spider_root

    if args.download is not None and spider_root(args.source) is None:
        download_spider(args.source, args.download or SPIDER_URL)
    return _benchmark(args, read_spider(args.source))


def _bird(args: argparse.Namespace) -> Prepared:
    from sqlfocus.corpus.spider import read_bird

    return _benchmark(args, read_bird(args.source))


def _benchmark(args: argparse.Namespace, found: Benchmark) -> Prepared:
    from sqlfocus.corpus.preparation import prepare

    rows: dict[str, Sequence[Row]] = {"train": found.train, "dev": found.dev}
    prepared = prepare(
        rows,
        args.output,
        files=found.files,
        tables=found.tables,
        max_values=args.max_values,
        house_style=args.style == "house",
        force=args.force,
    )
    for part, count in found.empty.items():
        prepared.left_out[part]["no text in question or SQL"] += count
    return prepared


def _jsonl(args: argparse.Namespace) -> Prepared:
    from sqlfocus.corpus.example import Example
    from sqlfocus.corpus.preparation import prepare, split
    from sqlfocus.corpus.readers import read_training_rows
    from sqlfocus.corpus.spider import find_database

    if not 0 <= args.dev_share < 1:
        raise UserError(f"--dev_share {args.dev_share}: a share is a number from 0 to below 1")
    if args.databases is not None and not args.databases.is_dir():
        raise UserError(f"{args.databases}: no such folder; --databases names the one with the SQLite files")
    rows = read_training_rows(args.source)
    files = {}
    if args.databases is not None:
        for db_id in {row.db_id for row in rows if isinstance(row, Example)}:
            path = find_database(args.databases, db_id)
            if path is not None:
                files[db_id] = path
    return prepare(
        split(rows, args.dev_share),
        args.output,
        files=files,
        tables={},
        max_values=args.max_values,
        house_style=args.style == "house",
        force=args.force,
    )


def _measure(tokenizer_name: str | None) -> tuple[Measure, str]:
    """What measures a prompt with its answer, and in which unit."""
    if tokenizer_name is None:
        return lambda prompt, answer: len(prompt.system) + len(prompt.user) + len(answer), "characters"
    from sqlfocus.models.installed import need_training

    need_training("--tokenizer")
    from sqlfocus.inference.chat import prompt_ids
    from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
    from sqlfocus.models.loading import Source, find_model, load_tokenizer

    # A hub's name goes to transformers as it is, which fetches the tokenizer's files and not the weights.
    on_hub = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", tokenizer_name) and not Path(tokenizer_name).exists()
    source = Source(Path(tokenizer_name)) if on_hub else find_model(tokenizer_name)
    tokenizer = TransformersTokenizer(load_tokenizer(source))

    def measure(prompt: Prompt, answer: str) -> int:
        return len(prompt_ids(tokenizer, prompt)) + len(tokenizer.ids(answer)) + 1

    return measure, "tokens"


def _lengths(prepared: Prepared, measure: Measure) -> dict[str, list[int]]:
    """The length of every row, as it would be trained on with the default prompt template."""
    from sqlfocus.corpus.example import Example
    from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE, Prompt, template_named

    template = template_named(DEFAULT_TEMPLATE)
    lengths: dict[str, list[int]] = {}
    for part, rows in prepared.rows.items():
        lengths[part] = []
        for row in rows:
            if isinstance(row, Example):
                schema = prepared.schema(row.db_id)
                prompt = template.prompt(
                    schema=schema, question=row.question, evidence=row.evidence, dialect=row.dialect
                )
                lengths[part].append(measure(prompt, template.answer(row.sql)))
            else:
                lengths[part].append(measure(Prompt(row.system, row.user), row.assistant))
    return lengths


def _summary(
    prepared: Prepared, files: Mapping[str, Path], lengths: Mapping[str, Sequence[int]], unit: str
) -> list[str]:
    from sqlfocus.corpus.example import Example
    from sqlfocus.corpus.preparation import percentiles

    lines = []
    for part, rows in prepared.rows.items():
        databases = len({row.db_id for row in rows if isinstance(row, Example)})
        on = f" on {databases} databases" if databases else ""
        path = files[part]
        none = f"{part}: no rows; {path} is left as it was" if path.exists() else f"{part}: no rows, no file"
        lines.append(f"{path}: {len(rows)} rows{on}" if rows else none)
        lines += [f"  left out {count}: {reason}" for reason, count in sorted(prepared.left_out[part].items())]
    if prepared.schemas:
        lines.append(f"{files['train'].parent / 'schemas'}: {len(prepared.schemas)} schema texts")
    lines.append(f"length of prompt and SQL in {unit}:     50 %     90 %     99 %  longest")
    for part, values in lengths.items():
        if values:
            shown = "".join(f"{value:>9,}" for value in percentiles(values))
            lines.append(f"  {part}".ljust(len(f"length of prompt and SQL in {unit}:")) + shown)
            too_long = sum(value > TRAINING_LENGTH for value in values)
            if unit == "tokens" and too_long and part == "train":
                lines.append(
                    f"  {too_long} have more than {TRAINING_LENGTH}; raise finetune's --max_seq_length for them"
                )
    return lines + [f"note: {note}" for note in prepared.notes]
