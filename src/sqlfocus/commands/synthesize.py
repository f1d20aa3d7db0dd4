"""``sqlfocus synthesize``: question–SQL pairs from a database, without a model and without a network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "url",
        metavar="URL|FILE",
        help="an SQLite file or a database URL (mysql://user:password@host/name, postgresql://…)",
    )
    parser.add_argument("--count", type=int, metavar="N", default=2000, help="how many pairs (default: 2000)")
    parser.add_argument(
        "--languages",
        nargs="+",
        metavar="LANG",
        default=["en"],
        help="languages of the questions: en, zh (default: en)",
    )
    parser.add_argument(
        "--phrasings",
        type=int,
        metavar="N",
        default=2,
        help="questions for one query in each language; more of them means fewer queries (default: 2)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", default=42, help="the same seed makes the same pairs (default: 42)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the JSONL file to write (default: standard output)"
    )
    parser.add_argument("--test_output", type=Path, metavar="FILE", help="set some apart for testing, in this file")
    parser.add_argument(
        "--test_share", type=float, metavar="SHARE", default=0.1, help="how many to set apart (default: 0.1, a tenth)"
    )
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="only these tables (default: all)")
    parser.add_argument("--exclude", nargs="+", metavar="NAME", default=(), help="leave out these tables")
    parser.add_argument("--schema", metavar="NAME", help="the schema to read (default: the connection's own)")
    parser.add_argument("--force", action="store_true", help="replace files that exist")


def run(args: argparse.Namespace) -> int:
    """Make the pairs and write them; the summary goes to standard error."""
    from sqlfocus.corpus.example import Example, write_examples
    from sqlfocus.corpus.synthesis.split import split
    from sqlfocus.corpus.synthesis.synthesis import synthesize
    from sqlfocus.errors import UserError
    from sqlfocus.execution.runner import Limits, open_runner
    from sqlfocus.schema.database import read_database

    outputs = [path for path in (args.output, args.test_output) if path is not None]
    if args.test_output is not None and args.output is None:
        raise UserError("--test_output needs --output, the file for the other pairs")
    if len(outputs) == 2 and outputs[0].resolve() == outputs[1].resolve():
        raise UserError(f"{args.output}: --output and --test_output are the same file; name two")
    for path in outputs:
        if path.exists() and not args.force:
            raise UserError(f"{path}: the file exists; name another, or pass --force to replace it")
    database = read_database(args.url, schema=args.schema, tables=args.tables, exclude=args.exclude)
    for warning in database.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    runner = open_runner(args.url, Limits(seconds=5.0, rows=5_000))
    try:
        made = synthesize(
            database, runner, count=args.count, seed=args.seed, languages=args.languages, phrasings=args.phrasings
        )
    finally:
        runner.close()
    for line in made.summary(args.count):
        sys.stderr.write(line + "\n")
    if args.output is None:
        for example in made.examples:
            sys.stdout.write(json.dumps(example.to_json(), ensure_ascii=False) + "\n")
        return 0
    train: list[Example] = made.examples
    test: list[Example] = []
    if args.test_output is not None:
        train, test = split(made.examples, args.test_share, seed=args.seed)
    write_examples(args.output, train, force=args.force)
    sys.stderr.write(f"wrote {len(train)} pairs to {args.output}\n")
    if args.test_output is not None:
        write_examples(args.test_output, test, force=args.force)
        sys.stderr.write(f"wrote {len(test)} to {args.test_output}; no query shape with the same columns is in both\n")
    return 0
