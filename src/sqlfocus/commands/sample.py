"""``sqlfocus sample``: build the sample database, an online shop, as an SQLite file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "output", type=Path, nargs="?", default=Path("data/shop.sqlite"), metavar="FILE", help="(%(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace the file")


def run(args: argparse.Namespace) -> int:
    """Build it."""
    from sqlfocus.demo.shop import build_shop
    from sqlfocus.errors import UserError

    if args.output.exists() and not args.force:
        raise UserError(f"{args.output}: the file exists; name another, or pass --force to replace it")
    sys.stderr.write(f"Sample database: {build_shop(args.output)}\n")
    return 0
