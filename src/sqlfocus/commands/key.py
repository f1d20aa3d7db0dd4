"""``sqlfocus key``: make or remove an API key of the service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("name", metavar="NAME", help="whose key it is")
    parser.add_argument(
        "--keys", type=Path, default=Path("config/keys.txt"), metavar="FILE", help="the file of keys (%(default)s)"
    )
    parser.add_argument(
        "--per_minute", type=int, default=60, metavar="N", help="requests a minute at most (%(default)s; 0: any number)"
    )
    parser.add_argument("--remove", action="store_true", help="take the key out of the file")


def run(args: argparse.Namespace) -> int:
    """Print the new key, the only time that it can be seen."""
    from sqlfocus.errors import UserError
    from sqlfocus.web.keys import add_key, remove_key

    if args.per_minute < 0:
        raise UserError(f"--per_minute {args.per_minute}: it is 0 (any number) or more")
    if args.remove:
        remove_key(args.keys, args.name)
        sys.stderr.write(f"{args.name} is out of {args.keys}; a service that runs takes its key no more\n")
        return 0
    key = add_key(args.keys, args.name, args.per_minute or None)
    sys.stdout.write(f"{key}\n")
    sys.stderr.write(f"{args.keys} has its hash. Keep the key now: it cannot be shown again.\n")
    return 0
