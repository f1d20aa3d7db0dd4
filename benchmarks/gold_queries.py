"""Does the guard let through what people ask? Every gold query of a benchmark, with its database's schema and without.

    python benchmarks/gold_queries.py [FILE …] [--dialect D] [--tables FILE …] [--quick] [--json FILE]

A FILE is a JSON array of questions with their SQL, as Spider's and BIRD's are (``query``, ``SQL`` or ``sql``); default:
Spider's, all of it. ``--tables`` are files of the form of Spider's ``tables.json``. Each query that is refused is
printed with the rule; the exit status is 1 where one is refused that ``KNOWN`` does not explain.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from sqlfocus.corpus.spider import read_tables
from sqlfocus.errors import UserError
from sqlfocus.execution.guard import check
from sqlfocus.schema.mschema import Database

ROOT = Path(__file__).resolve().parents[1]
SPIDER = ("train_spider.json", "train_others.json", "dev.json")
KNOWN = {
    ("assets_maintenance", "there is no table Ref_Company_Types"): "the query names a table that its database has not",
}


def main() -> int:
    args = parse()
    files = args.files or [args.spider / name for name in SPIDER if (args.spider / name).is_file()]
    if not files:
        print(f"{args.spider}: no Spider there; name files, or Spider's folder with --spider. Nothing is measured.")
        return 0
    print(f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores. Dialect: {args.dialect}.")
    schemas: dict[str, Database] = {}
    for tables in args.tables or ([] if args.files else [args.spider / "tables.json"]):
        try:
            schemas |= read_tables(tables)
        except UserError as error:
            sys.exit(str(error))
    figures = {"queries": 0, "refused": 0, "with_schema": 0, "refused_with_schema": 0}
    seconds = {"refused": 0.0, "refused_with_schema": 0.0}
    unexplained = 0
    for file in files:
        rows = json.loads(file.read_text(encoding="utf-8"))[: 200 if args.quick else None]
        before = dict(figures)
        for row in rows:
            sql = next(row[name] for name in ("query", "SQL", "sql") if name in row)
            schema = schemas.get(row["db_id"])
            figures["queries"] += 1
            figures["with_schema"] += schema is not None
            for name, database in (("refused", None), ("refused_with_schema", schema)):
                if name == "refused_with_schema" and schema is None:
                    continue
                begun = time.perf_counter()
                permit = check(sql, dialect=args.dialect, database=database)
                seconds[name] += time.perf_counter() - begun
                if not permit.allowed:
                    figures[name] += 1
                    why = KNOWN.get((row["db_id"], permit.reason.partition(";")[0]), "")
                    unexplained += not why
                    print(f"refused: {permit.reason}{f' ({why})' if why else ''}: {row['db_id']}: {sql}")
        counted = ", ".join(f"{figures[name] - before[name]} {name.replace('_', ' ')}" for name in figures)
        print(f"{file.name}: {counted}", flush=True)
    result = figures | {
        "ms": 1000 * seconds["refused"] / max(1, figures["queries"]),
        "ms_with_schema": 1000 * seconds["refused_with_schema"] / max(1, figures["with_schema"]),
    }
    print("\n".join(f"{name:<22} {value:g}" for name, value in result.items()))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if unexplained else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON arrays of questions with their SQL")
    parser.add_argument("--dialect", choices=("sqlite", "mysql", "postgres"), default="sqlite", help="(%(default)s)")
    parser.add_argument("--tables", nargs="+", type=Path, metavar="FILE", help="schemas, of tables.json's form")
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--quick", action="store_true", help="the first 200 of each file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
