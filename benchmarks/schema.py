"""Reading the schema of a big MariaDB database, against the reference M-Schema implementation on the same server.

    python benchmarks/schema.py [--reference DIR] [--url URL] [--quick] [--json FILE]

300 tables with keys and comments, and one of 2,000,000 rows, are made on a MariaDB server of its own (or on that of
``--url``, whose user must be allowed to create a database). Both read them; so do both over a line that takes 5 ms in
each direction. The reference is XGenerationLab/M-Schema before its pull request 10, of which DIR is a checkout:

    git clone https://github.com/XGenerationLab/M-Schema && git -C M-Schema checkout 26952f2

It runs in an environment of its own, which is made once. Queries are what the server counts (``Questions``), round
trips what the line counts.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from schema_cases.slow_line import slow_line
from schema_cases.warehouse import make
from sqlalchemy.engine import URL, Engine, make_url

from sqlfocus.evaluation.report import layout
from sqlfocus.schema.changes import fingerprint
from sqlfocus.schema.database import read_database

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("llama-index-core==0.14.25", "SQLAlchemy==2.1.9", "PyMySQL[rsa]==1.2.4")
NAME = "sqlfocus_benchmark"
LINE = 0.005
"""Seconds that the slow line takes in each direction."""

CLASSES = {
    "quoted": "a value with a comma or a bracket is a JSON string in ours, bare in the reference",
    "values": "ours are those of the first rows; the reference's come in the order of an index where there is one",
    "collation": "the reference takes a column's collation for a part of its type",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, help="a checkout of XGenerationLab/M-Schema at 26952f2")
    parser.add_argument("--url", help="a MariaDB server with the right to create a database; else one is started")
    parser.add_argument("--tables", type=int, default=300, help="(%(default)s)")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the big table (%(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="of ours; the median counts (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="60 tables and 100,000 rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if args.quick:
        args.tables, args.rows = 60, 100_000
    if args.reference and "init_mschema" not in _source(args.reference):
        print(f"{args.reference}: no schema_engine.py of M-Schema there; see --help. Nothing is measured.")
        return 2
    if args.reference and "_tables_schemas" in _source(args.reference):
        print(
            f"{args.reference}: this M-Schema reads every schema of a server; check out 26952f2. Nothing is measured."
        )
        return 2
    python = _environment() if args.reference else None
    try:
        with _server(args.url) as server, _database(server, args) as database:
            figures = _measure(database, python, args)
    except pytest.skip.Exception as missing:  # what the tests' helpers say where there is no server
        print(f"{missing} Nothing is measured.")
        return 0
    print()
    print(layout(["measure", "value"], [[name, f"{value:.4g}"] for name, value in figures.items()]))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _source(folder: Path) -> str:
    file = folder / "schema_engine.py"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _environment() -> Path:
    """A virtual environment for the reference, made once in the temporary folder."""
    folder = Path(tempfile.gettempdir()) / "sqlfocus-mschema-reference"
    python = folder / "bin" / "python"
    if not (folder / "made").is_file():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", *PACKAGES], check=True)
        (folder / "made").touch()
    return python


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[URL]:
    """The named server, or one that the tests' helper starts."""
    if url:
        yield make_url(url)
        return
    sys.path.insert(0, str(ROOT / "tests"))
    import servers

    with contextlib.contextmanager(inspect.unwrap(servers.mariadb_url))() as started:
        engine = sa.create_engine(started)
        with engine.connect() as connection:  # the tests' own 32 MiB would make the reference wait for the disk
            connection.exec_driver_sql(f"SET GLOBAL innodb_buffer_pool_size = {1 << 30}")
        engine.dispose()
        yield make_url(started)


@contextlib.contextmanager
def _database(server: URL, args: argparse.Namespace) -> Iterator[URL]:
    """A database of its own on ``server``, which is gone at the end."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    url = server.set(database=NAME)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
    try:
        start = time.perf_counter()
        inside = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with inside.connect() as connection:
            columns = make(connection, args.tables, args.rows)
            version = connection.exec_driver_sql("SELECT VERSION()").scalar()
        print(
            f"Machine: {platform.processor() or platform.machine()}, {psutil.cpu_count()} processors; "
            f"MariaDB {version}, PyMySQL {metadata.version('pymysql')}, SQLAlchemy {sa.__version__}\n"
            f"Database: {args.tables + 1} tables, {columns} columns, one table of {args.rows:,} rows; "
            f"made in {time.perf_counter() - start:.1f} s",
            flush=True,
        )
        yield url
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {NAME}")


def _measure(url: URL, python: Path | None, args: argparse.Namespace) -> dict[str, float]:
    watch = sa.create_engine(url)
    plain = url.render_as_string(hide_password=False)
    _, first, text = _timed(lambda: read_database(plain).mschema(), watch)
    runs = [_timed(lambda: read_database(plain).mschema(), watch) for _ in range(args.runs)]
    asked = [_timed(lambda: fingerprint(plain), watch) for _ in range(args.runs)]
    figures: dict[str, float] = {
        "schema_seconds": statistics.median(seconds for _, seconds, _ in runs),
        "schema_seconds_first": first,
        "schema_queries": runs[0][0],
        "fingerprint_seconds": statistics.median(seconds for _, seconds, _ in asked),
        "fingerprint_queries": asked[0][0],
    }
    with slow_line(str(url.host), url.port or 3306, LINE) as line:
        far = url.set(host="127.0.0.1", port=line.port).render_as_string(hide_password=False)
        figures["schema_seconds_5ms"] = statistics.median(
            _timed(lambda: read_database(far).mschema(), watch)[1] for _ in range(3)
        )
        figures["schema_round_trips"] = line.round_trips / 3
        figures["fingerprint_seconds_5ms"] = statistics.median(
            _timed(lambda: fingerprint(far), watch)[1] for _ in range(3)
        )
        if python is None:
            print("No --reference is named: ours is not compared.")
        else:
            _compare(figures, text, python, args.reference, plain, far, watch, lambda: line.round_trips)
    watch.dispose()
    return figures


def _compare(
    figures: dict[str, float],
    text: str,
    python: Path,
    folder: Path,
    plain: str,
    far: str,
    watch: Engine,
    round_trips: Callable[[], int],
) -> None:
    queries, _, reference = _timed(lambda: _reference(python, folder, plain), watch)
    passed = round_trips()
    slow = _reference(python, folder, far)
    figures |= {
        "reference_seconds": reference["seconds"],
        "reference_queries": queries,
        "reference_seconds_5ms": slow["seconds"],
        "reference_round_trips": round_trips() - passed,
        "schema_vs_reference": reference["seconds"] / figures["schema_seconds"],
        "schema_vs_reference_5ms": slow["seconds"] / figures["schema_seconds_5ms"],
    }
    _print_differences(text, reference["text"])


def _reference(python: Path, folder: Path, url: str) -> dict[str, Any]:
    command = [python, Path(__file__).parent / "schema_cases" / "reference.py", folder.resolve(), url, NAME]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _timed(work: Callable[[], Any], watch: Engine) -> tuple[int, float, Any]:
    """How many statements the server counts meanwhile, the seconds, and the result."""
    before = _questions(watch)
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    return _questions(watch) - before - 2, seconds, result


def _questions(watch: Engine) -> int:
    with watch.connect() as connection:
        return int(connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Questions'").one()[1])


def _print_differences(ours: str, reference: str) -> None:
    """Compare table by table, in whatever order they come, and name the cause of each difference."""
    blocks, keys = _blocks(ours)
    their_blocks, their_keys = _blocks(reference)
    lines = sum(map(len, blocks.values()))
    differences = [
        (head, *pair)
        for head in blocks.keys() & their_blocks.keys()
        for pair in zip(blocks[head], their_blocks[head], strict=False)
        if pair[0] != pair[1]
    ]
    only = [*(blocks.keys() - their_blocks.keys()), *(their_blocks.keys() - blocks.keys()), *(keys ^ their_keys)]
    print(
        f"Texts: {len(blocks)} tables in ours, {len(their_blocks)} in the reference's; {len(keys)} and "
        f"{len(their_keys)} foreign keys; {len(differences)} of {lines} columns differ, {len(only)} other lines"
    )
    causes = Counter(_cause(mine, theirs) for _, mine, theirs in differences)
    for cause, count in causes.most_common():
        print(f"  {count} {cause}: {CLASSES.get(cause, 'no class explains these')}")
    for cause in causes:
        head, mine, theirs = next(found for found in sorted(differences) if _cause(*found[1:]) == cause)
        print(f"  {cause}, the first in {head}\n    ours      {mine}\n    reference {theirs}")
    for line in only:
        print(f"  only in one of them: {line}")


def _blocks(text: str) -> tuple[dict[str, list[str]], set[str]]:
    """The column lines under each table's heading, and the foreign keys."""
    body, _, keys = text.partition("\n【Foreign keys】\n")
    blocks = {}
    for block in body.split("# Table: ")[1:]:
        head, *lines = block.strip().split("\n")
        blocks[head] = [line.rstrip(",") for line in lines[1:-1]]
    return blocks, set(keys.split("\n"))


def _cause(mine: str, theirs: str) -> str:
    if _bare(mine) == theirs:
        return "quoted"
    if mine == re.sub(r" COLLATE \w+", "", theirs):
        return "collation"
    return "values" if mine.split(", Examples: ")[0] == theirs.split(", Examples: ")[0] else "UNEXPLAINED"


def _bare(line: str) -> str:
    head, mark, examples = line.partition("Examples: [")
    return head + mark + re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: json.loads(match[0]), examples)


if __name__ == "__main__":
    sys.exit(main())
