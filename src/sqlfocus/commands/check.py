"""``sqlfocus check``: whether the guard lets a text of SQL run, and by which rule not."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("sql", metavar="SQL", help="the SQL, or - to read it from standard input")
    parser.add_argument(
        "--dialect",
        choices=("sqlite", "mysql", "postgres"),
        help="whose SQL it is (default: the database's, else sqlite)",
    )
    parser.add_argument(
        "--database", metavar="URL|FILE", help="allow its tables alone: SQLite file, or a URL of a MySQL or PostgreSQL"
    )
    parser.add_argument("--schema", metavar="NAME", help="the schema to read (default: the connection's own)")


def run(args: argparse.Namespace) -> int:
    """Print ``allowed`` and what would run, status 0; or ``refused`` and the reason, status 1. Nothing is run."""
    from sqlfocus.errors import UserError
    from sqlfocus.execution.guard import check
    from sqlfocus.schema.database import read_database

    database = read_database(args.database, schema=args.schema, max_values=0) if args.database else None
    if args.schema and database is None:
        raise UserError("--schema is one of a database's; name that with --database")
    if database is not None and args.dialect not in (None, database.dialect):
        raise UserError(f"--dialect {args.dialect}: the database speaks {database.dialect}; leave the flag out")
    sql = sys.stdin.read() if args.sql == "-" else args.sql
    permit = check(sql, dialect=database.dialect if database else args.dialect or "sqlite", database=database)
    sys.stdout.write(f"allowed: {permit.sql}\n" if permit.allowed else f"refused: {permit.reason}\n")
    return 0 if permit.allowed else 1
