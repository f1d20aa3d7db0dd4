"""Which tables of a database refer to which, by foreign keys and by the names of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlfocus.schema.mschema import ForeignKey, Table
from sqlfocus.schema.words import terms

PLAIN_KEYS = frozenset(("id", "code", "name", "no", "key", "number", "uuid"))
"""Names of key columns that say nothing about the table they belong to."""


def table_key(table: Table) -> tuple[str, str]:
    """What tells a table from all others of its database: its schema and its name; another's may differ in case."""
    return table.schema, table.name


def key_columns(tables: Sequence[Table]) -> list[set[str]]:
    """Of each table the columns of its keys and those that other tables' keys refer to, in lower case."""
    found = [{column.name.lower() for column in table.columns if column.primary_key} for table in tables]
    referenced = _references(tables)
    for place, table in enumerate(tables):
        for key in table.foreign_keys:
            found[place] |= {name.lower() for name in key.columns}
            if (other := referenced(table, key)) is not None:
                found[other] |= {name.lower() for name in key.referenced_columns}
    return found


def key_sizes(tables: Sequence[Table]) -> list[list[tuple[int, int]]]:
    """For each table, and each of its foreign keys to another, that table's place and the characters of its lines."""
    referenced = _references(tables)
    several = len({table.schema for table in tables}) > 1
    found: list[list[tuple[int, int]]] = []
    for table in tables:
        found.append([])
        for key in table.foreign_keys:
            other = referenced(table, key)
            if other is not None:
                names = [
                    (table.name, tables[other].name, *pair)
                    for pair in zip(key.columns, key.referenced_columns, strict=True)
                ]
                schemas = len(table.schema) + len(tables[other].schema) + 2 if several else 0
                # A line break, two full stops and "="; quotation marks are so rare that they are not counted.
                found[-1].append((other, sum(len("".join(line)) + 4 + schemas for line in names)))
    return found


def neighbours(tables: Sequence[Table]) -> list[list[int]]:
    """For each table the places of those that it refers to or that refer to it, by foreign keys or by names.

    Many databases declare no foreign keys. A column ``customer_id`` or ``customerCode`` is taken to refer to a table
    ``customers``, and one that is called as another table's primary key to that table.
    """
    referenced = _references(tables)
    meant: dict[tuple[str, str], set[int]] = {}
    for place, table in enumerate(tables):
        names = [" ".join([*terms(table.name), ending]) for ending in ("id", "code", "no")]
        primary = [column.name.lower() for column in table.columns if column.primary_key]
        if len(primary) == 1 and primary[0] not in PLAIN_KEYS:
            names += primary
        for name in names:
            meant.setdefault((table.schema, name), set()).add(place)
    found: list[set[int]] = [set() for _ in tables]
    for place, table in enumerate(tables):
        others: set[int] = set()
        for key in table.foreign_keys:
            other = referenced(table, key)
            others |= set() if other is None else {other}
        for column in table.columns:
            for said in (column.name.lower(), " ".join(terms(column.name))):
                others |= meant.get((table.schema, said), set())
        for neighbour in others - {place}:
            found[place].add(neighbour)
            found[neighbour].add(place)
    return [sorted(others) for others in found]


def _references(tables: Sequence[Table]) -> Callable[[Table, ForeignKey], int | None]:
    """Gives the place of the table that a key refers to: that of the very name, else one that differs in case."""
    exact = {table_key(table): place for place, table in enumerate(tables)}
    folded = {(schema.lower(), name.lower()): place for (schema, name), place in exact.items()}

    def referenced(table: Table, key: ForeignKey) -> int | None:
        schema, name = key.referenced_schema or table.schema, key.referenced_table
        return exact.get((schema, name), folded.get((schema.lower(), name.lower())))

    return referenced
