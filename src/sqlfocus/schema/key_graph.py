"""Which tables of a database refer to which, by foreign keys and by the names of columns."""

from __future__ import annotations

from collections.abc import Sequence

from sqlfocus.schema.mschema import ForeignKey, Table
from sqlfocus.schema.words import terms

# Names of key columns that say nothing about the table they belong to.
_PLAIN_KEYS = frozenset(("id", "code", "name", "no", "key", "number", "uuid"))


def table_key(table: Table) -> tuple[str, str]:
    """What tells a table from all others of its database: its schema and its name, without case."""
    return table.schema.lower(), table.name.lower()


def key_columns(tables: Sequence[Table]) -> list[set[str]]:
    """Of each table the columns of its keys and those that other tables' keys refer to, in lower case."""
    found = [{column.name.lower() for column in table.columns if column.primary_key} for table in tables]
    places = {table_key(table): place for place, table in enumerate(tables)}
    for place, table in enumerate(tables):
        for key in table.foreign_keys:
            found[place] |= {name.lower() for name in key.columns}
            if (other := places.get(_referenced(table, key))) is not None:
                found[other] |= {name.lower() for name in key.referenced_columns}
    return found


def key_sizes(tables: Sequence[Table]) -> list[list[tuple[int, int]]]:
    """For each table, and each of its foreign keys to another, that table's place and the characters of its lines."""
    places = {table_key(table): place for place, table in enumerate(tables)}
    several = len({table.schema for table in tables}) > 1
    found: list[list[tuple[int, int]]] = []
    for table in tables:
        found.append([])
        for key in table.foreign_keys:
            other = places.get(_referenced(table, key))
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
    places = {table_key(table): place for place, table in enumerate(tables)}
    meant: dict[tuple[str, str], set[int]] = {}
    for place, table in enumerate(tables):
        names = [" ".join([*terms(table.name), ending]) for ending in ("id", "code", "no")]
        primary = [column.name.lower() for column in table.columns if column.primary_key]
        if len(primary) == 1 and primary[0] not in _PLAIN_KEYS:
            names += primary
        for name in names:
            meant.setdefault((table.schema, name), set()).add(place)
    found: list[set[int]] = [set() for _ in tables]
    for place, table in enumerate(tables):
        others: set[int] = set()
        for key in table.foreign_keys:
            referenced = places.get(_referenced(table, key))
            others |= set() if referenced is None else {referenced}
        for column in table.columns:
            for said in (column.name.lower(), " ".join(terms(column.name))):
                others |= meant.get((table.schema, said), set())
        for other in others - {place}:
            found[place].add(other)
            found[other].add(place)
    return [sorted(others) for others in found]


def _referenced(table: Table, key: ForeignKey) -> tuple[str, str]:
    return (key.referenced_schema or table.schema).lower(), key.referenced_table.lower()
