"""``sqlfocus schema``: print a database's or a DDL script's schema as M-Schema."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sqlfocus.schema.mschema import MAX_VALUES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "source",
        metavar="URL|FILE",
        help="an SQLite file, a database URL (mysql://user:password@host/name, postgresql://…) or a DDL script (*.sql)",
    )
    parser.add_argument(
        "--tables", nargs="+", metavar="NAME", help="only these tables; wildcards are allowed: 'order*' (default: all)"
    )
    parser.add_argument("--exclude", nargs="+", metavar="NAME", default=(), help="leave out these tables")
    parser.add_argument(
        "--max_values",
        type=int,
        metavar="N",
        default=MAX_VALUES,
        help="sample values a column at most (default: %(default)s; 0: none)",
    )
    parser.add_argument("--schema", metavar="NAME", help="the schema to read (default: the connection's own)")
    parser.add_argument(
        "--dialect", choices=("sqlite", "mysql", "postgres"), help="a DDL script's dialect (default: guessed)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the schema to standard output, and what could not be read to standard error."""
    from sqlfocus.errors import UserError
    from sqlfocus.schema.database import read_database
    from sqlfocus.schema.ddl import read_ddl

    if args.max_values < 0:
        raise UserError(f"--max_values is {args.max_values}; it is 0 or more")
    if args.source.lower().endswith(".sql") and "://" not in args.source:
        database = read_ddl(Path(args.source), dialect=args.dialect, schema=args.schema)
        database = database.pick(args.tables, args.exclude)
    elif args.dialect:
        raise UserError("--dialect is for DDL scripts (*.sql); a database's own is known")
    else:
        database = read_database(
            args.source, schema=args.schema, tables=args.tables, exclude=args.exclude, max_values=args.max_values
        )
    for warning in database.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    sys.stdout.write(database.mschema() + "\n")
    return 0
