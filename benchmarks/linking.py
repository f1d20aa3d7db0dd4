"""Schema linking and value lookup on Spider: what of the gold queries is kept and found, and how long it takes.

    python benchmarks/linking.py [--spider DIR] [--quick] [--json FILE]

Gold tables and columns are those that sqlglot resolves in the gold queries. Linking is asked on each question's own
database, at shares of its schema text, and on one big database that holds the tables of all of them, each database a
schema. Compared with plain BM25, tables in the order of their rank until the size is full, and with linking that knows
no values or no foreign keys.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import bm25s
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.spider import Benchmark, read_spider
from sqlfocus.evaluation.report import layout
from sqlfocus.schema.database import read_database
from sqlfocus.schema.linking import MOST_CHARACTERS, Linked, Linker
from sqlfocus.schema.lookup import Found, ValueIndex, read_values
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.words import terms

ROOT = Path(__file__).resolve().parents[1]
SHARES = (0.75, 0.5, 0.25)


@dataclass(slots=True)
class Asked:
    """A question with what its gold query names: tables, columns (``table.column``) and strings, all in lower case."""

    example: Example
    tables: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Known:
    """A database, its values, and how long it took to index both."""

    database: Database
    values: ValueIndex
    seconds: float


def gold(example: Example, database: Database) -> Asked:
    """What the gold query names.

    Raises:
        SqlglotError: it cannot be parsed or resolved.
    """
    columns = {table.name.lower(): [column.name.lower() for column in table.columns] for table in database.tables}
    tree = qualify(
        sqlglot.parse_one(example.sql, read="sqlite"),
        schema={table: dict.fromkeys(names, "TEXT") for table, names in columns.items()},
        dialect="sqlite",
        validate_qualify_columns=False,
    )
    asked = Asked(example)
    for scope in traverse_scope(tree):
        sources = {name: source.name for name, source in scope.sources.items() if isinstance(source, exp.Table)}
        asked.tables |= set(sources.values())
        for column in scope.columns:
            if (table := sources.get(column.table)) and column.name in columns.get(table, ()):
                asked.columns.add(f"{table}.{column.name}")
    known = {name for names in columns.values() for name in names}
    for node in sqlglot.parse_one(example.sql, read="sqlite").find_all(exp.Literal, exp.Column):
        # SQLite takes a name in double quotes that is no column's for a string.
        is_name = isinstance(node, exp.Column)
        if node.this.args.get("quoted") and node.name.lower() not in known if is_name else node.is_string:
            asked.strings.add(node.name.lower().strip())
    asked.strings -= {text for text in asked.strings if not text.strip("% ")}
    return asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=ROOT / "../shared/spider", help="Spider's folder")
    parser.add_argument("--quick", action="store_true", help="dev alone, every fourth question")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if not (args.spider / "train_spider.json").is_file():
        print(f"{args.spider}: no train_spider.json there; name Spider's folder with --spider. Nothing is measured.")
        return 0
    benchmark = read_spider(args.spider)
    print(f"Machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    figures: dict[str, float] = {}
    for part in ("dev",) if args.quick else ("dev", "train"):
        examples = getattr(benchmark, part)[:: 4 if args.quick else 1]
        figures |= {f"{part}_{name}": value for name, value in measure(part, examples, benchmark).items()}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(part: str, examples: Sequence[Example], benchmark: Benchmark) -> dict[str, float]:
    """All figures of one part of Spider, printed as they come."""
    examples = [one for one in examples if one.db_id in benchmark.files]
    known = {name: know(benchmark.files[name]) for name in sorted({one.db_id for one in examples})}
    asked, unresolved = [], 0
    for example in examples:
        try:
            asked.append(gold(example, known[example.db_id].database))
        except SqlglotError:
            unresolved += 1
    whole = merged([one.database for one in known.values()])
    print(
        f"\nSpider's {part}: {len(asked)} questions ({unresolved} more are not resolved), {len(known)} databases, "
        f"{len(whole.tables)} tables in all, {len(whole.mschema()):,} characters; schema and values read and indexed "
        f"in {sum(one.seconds for one in known.values()):.1f} s",
        flush=True,
    )
    found = [known[one.example.db_id].values.find(one.example.question) for one in asked]
    linkers = {name: Linker(one.database) for name, one in known.items()}
    rows: list[list[str]] = []
    figures: dict[str, float] = {}

    def add(label: str, name: str, links: list[Link]) -> None:
        rows.append([label, *run(asked, links, figures, name)])

    for share in SHARES:
        own = [linkers[one.example.db_id] for one in asked]
        sizes = [round(linker.characters * share) for linker in own]
        add(f"own, {share:.0%}", f"own{round(share * 100)}", list(zip(own, sizes, found, strict=True)))
        if share == 0.5:
            add(
                "own, 50%, no values",
                "own50_without_values",
                [(linker, size, ()) for linker, size in zip(own, sizes, strict=True)],
            )
    linker = Linker(whole)
    found = [find_in_all(one.example.question, known) for one in asked]
    for size in (MOST_CHARACTERS // 2, MOST_CHARACTERS, MOST_CHARACTERS * 2):
        add(f"all, {size:,} characters", f"all{size}", [(linker, size, those) for those in found])
    size = MOST_CHARACTERS
    add(f"all, {size:,}, no values", f"all{size}_without_values", [(linker, size, ()) for _ in asked])
    keyless = Linker(replace(whole, tables=tuple(replace(table, foreign_keys=()) for table in whole.tables)))
    add(f"all, {size:,}, no foreign keys", f"all{size}_without_keys", [(keyless, size, those) for those in found])
    # Its texts are made anew for each table that it tries, so that it is asked fewer questions.
    some = asked[:: max(len(asked) // 500, 1)]
    plain: list[Link] = [(Plain(whole), size, ())] * len(some)
    rows.append([f"all, {size:,}, plain BM25 ({len(some)} questions)", *run(some, plain, figures, f"all{size}_plain")])
    print(layout(["database, size", *HEADS], rows))
    return figures | lookup(asked, known)


class Plain:
    """Whole tables in the order of their BM25 rank until the size is full: what retrieval alone gives."""

    def __init__(self, database: Database) -> None:
        self.database = database
        texts = [
            [
                *terms(table.name),
                *(term for column in table.columns for term in terms(f"{column.name} {column.comment}")),
            ]
            for table in database.tables
        ]
        self.bm25 = bm25s.BM25()
        self.bm25.index(texts, show_progress=False)

    def link(self, question: str, *, most_characters: int, found: Sequence[Found] = ()) -> Linked:
        scores = self.bm25.get_scores(terms(question))
        kept: set[int] = set()
        for place in sorted(range(len(scores)), key=lambda place: -scores[place]):
            tables = tuple(table for i, table in enumerate(self.database.tables) if i in kept or i == place)
            if len(replace(self.database, tables=tables).mschema()) > most_characters:
                break
            kept.add(place)
        left_out = tuple(f"{t.schema}.{t.name}" for i, t in enumerate(self.database.tables) if i not in kept)
        return Linked(replace(self.database, tables=tuple(self.database.tables[i] for i in sorted(kept))), left_out)


Link: TypeAlias = tuple[Linker | Plain, int, Sequence[Found]]
"""What to ask: a linker, the size to keep, values found."""
HEADS = ["tables", "all", "that fit", "columns", "all", "precision", "tables kept", "picks", "µs"]


def run(asked: Sequence[Asked], links: Sequence[Link], figures: dict[str, float], name: str) -> list[str]:
    """Link each question, and count what is kept of its gold tables and columns.

    "All" counts questions of which all are kept; "that fit" does so among those whose gold tables fit, as they are.
    """
    times: list[float] = []
    counted: Counter[str] = Counter()
    picks: set[tuple[str, tuple[str, ...]]] = set()
    for one, (linker, size, found) in zip(asked, links, strict=True):
        start = time.perf_counter()
        linked = linker.link(one.example.question, most_characters=size, found=found)
        times.append(time.perf_counter() - start)
        tables, columns = kept(linked, one.example.db_id)
        counted["tables"] += len(one.tables)
        counted["kept tables"] += len(one.tables & tables)
        counted["all tables"] += one.tables <= tables
        counted["columns"] += len(one.columns)
        counted["kept columns"] += len(one.columns & columns)
        counted["all columns"] += one.columns <= columns and one.tables <= tables
        counted["size"] += len(linked.database.tables)
        schema = "" if linker.database.name == one.example.db_id else f"{one.example.db_id}."
        fits = len(linker.database.pick([schema + name for name in one.tables]).mschema()) <= size
        counted["fit"] += fits
        counted["fit, all tables"] += fits and one.tables <= tables
        picks.add((linked.database.name, linked.left_out))
    count = len(asked)
    measured = {
        "table_recall": counted["kept tables"] / counted["tables"],
        "all_tables": counted["all tables"] / count,
        "all_tables_that_fit": counted["fit, all tables"] / max(counted["fit"], 1),
        "column_recall": counted["kept columns"] / counted["columns"],
        "all_columns": counted["all columns"] / count,
        "precision": counted["kept tables"] / counted["size"],
        "tables_kept": counted["size"] / count,
        "picks": len(picks),
        "microseconds": statistics.median(times) * 1e6,
    }
    figures.update({f"{name}_{measure}": value for measure, value in measured.items()})
    return [f"{value:.3f}" if value <= 1 else f"{value:,.1f}" for value in measured.values()]


def kept(linked: Linked, db_id: str) -> tuple[set[str], set[str]]:
    """The tables and columns that were kept of a question's database."""
    tables = [table for table in linked.database.tables if table.schema in ("", db_id)]
    names = {table.name.lower() for table in tables}
    return names, {f"{table.name}.{column.name}".lower() for table in tables for column in table.columns}


def lookup(asked: Sequence[Asked], known: dict[str, Known]) -> dict[str, float]:
    """How many of the gold queries' strings are found, and how many values are shown that no gold query has."""
    counted: Counter[str] = Counter()
    times: list[float] = []
    for one in asked:
        start = time.perf_counter()
        those = known[one.example.db_id].values.find(one.example.question)
        times.append(time.perf_counter() - start)
        shown = {value.value.lower().strip() for value in those}
        said = {text for text in one.strings if text in one.example.question.lower()}
        counted["strings"] += len(one.strings)
        counted["found"] += len(one.strings & shown)
        counted["said"] += len(said)
        counted["said found"] += len(said & shown)
        counted["values"] += len(those)
        counted["false"] += len(shown - one.strings)
        counted["questions with false"] += bool(shown - one.strings)
    count = len(asked)
    figures = {
        "strings": counted["strings"],
        "string_recall": counted["found"] / counted["strings"],
        "said_recall": counted["said found"] / counted["said"],
        "values_a_question": counted["values"] / count,
        "false_values_a_question": counted["false"] / count,
        "questions_with_false": counted["questions with false"] / count,
        "find_microseconds": statistics.median(times) * 1e6,
    }
    print("\n" + layout(["values", ""], [[name.replace("_", " "), f"{value:,.3f}"] for name, value in figures.items()]))
    return figures


def know(file: Path) -> Known:
    start = time.perf_counter()
    database = read_database(str(file))
    return Known(database, read_values(str(file), database), time.perf_counter() - start)


def find_in_all(question: str, known: dict[str, Known]) -> list[Found]:
    """The values found in any of the databases, each with its database as schema."""
    return [replace(found, schema=name) for name, one in known.items() for found in one.values.find(question)]


def merged(databases: Sequence[Database]) -> Database:
    """One database with the tables of all, each database a schema of it."""
    tables = [replace(table, schema=database.name) for database in databases for table in database.tables]
    return Database("all", tuple(tables))


if __name__ == "__main__":
    sys.exit(main())
