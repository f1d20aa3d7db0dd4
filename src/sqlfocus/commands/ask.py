"""``sqlfocus ask``: a question to a database, answered with SQL and its rows."""

from __future__ import annotations

import argparse
import sys
from typing import Any

ENGINE_HELP = "what runs the model: a GGUF file llama.cpp, where it is installed, else transformers (%(default)s)"

VALUES_HELP = "sample values a column's schema line shows at most (as in the model's training, else 3)"
CANDIDATES_HELP = (
    "write up to so many different answers, run them, and take the one that runs and fits the question best; of a "
    "server's answers, the one that most agree with (%(default)s)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("question", help="the question, in the language the model was trained for")
    parser.add_argument(
        "--model", required=True, help="adapter, merged model, base, GGUF file, or the URL of a server's /v1"
    )
    parser.add_argument("--database", required=True, help="SQLite file, or a URL like mysql://user:password@host/db")
    parser.add_argument("--evidence", default="", help="a hint that the question needs")
    parser.add_argument("--schema", help="which schema of the database (PostgreSQL, MySQL)")
    parser.add_argument("--prompt_template", help="for a base model; a fine-tuned one knows its own")
    parser.add_argument("--max_values", type=int, metavar="N", help=VALUES_HELP)
    parser.add_argument("--engine", choices=("auto", "transformers", "llamacpp"), default="auto", help=ENGINE_HELP)
    parser.add_argument("--free", action="store_true", help="let the model write what it will, not only valid SQL")
    parser.add_argument("--candidates", type=int, default=1, metavar="N", help=CANDIDATES_HELP)
    parser.add_argument("--rows", type=int, default=20, help="most rows to print (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print the SQL and its rows; status 1 where the model's answer is no SQL that may and does run."""
    from sqlfocus.answer import Request, answer_with_repair
    from sqlfocus.errors import UserError
    from sqlfocus.evaluation.report import layout
    from sqlfocus.execution.runner import open_runner
    from sqlfocus.models.named import max_values
    from sqlfocus.schema.database import read_database

    if not args.question.strip():
        raise UserError("the question is empty")
    if args.candidates < 1:
        raise UserError(f"--candidates {args.candidates}: it has to be at least 1")
    database = read_database(args.database, schema=args.schema, max_values=max_values(args.model, args.max_values))
    for warning in database.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    from sqlfocus.inference.loading import load_engine

    engine, template = load_engine(
        args.model,
        engine=args.engine,
        prompt_template=args.prompt_template,
        batch_size=args.candidates,
        save_prefixes=True,
    )
    execution = open_runner(args.database)
    try:
        request = Request(
            *(args.question, database.mschema(), args.evidence, database.dialect),
            run=execution.run,
            database=database,
            free=args.free,
        )
        given = answer_with_repair(engine, template, request, candidates=args.candidates).answer
    finally:
        execution.close()
    if not given.sql:
        sys.stderr.write(f"The model answered with no SQL: {given.completion.strip()[:300]}\n")
        return 1
    print(given.sql)  # noqa: T201
    if given.result is None:
        sys.stderr.write(f"Not run: {given.permit.reason}\n")
        return 1
    if given.result.error:
        sys.stderr.write(f"It does not run: {given.result.error}\n")
        return 1
    print()  # noqa: T201
    rows = [[_shown(value) for value in row] for row in given.result.rows[: args.rows]]
    print(layout(given.result.columns, rows, left=True))  # noqa: T201
    left = len(given.result.rows) - args.rows
    if left > 0 or given.result.truncated:
        more = "more rows" if given.result.truncated else f"{left} more rows"
        sys.stderr.write(f"… and {more}; --rows shows more\n")
    return 0


def _shown(value: Any) -> str:
    return "NULL" if value is None else " ".join(str(value).splitlines())
