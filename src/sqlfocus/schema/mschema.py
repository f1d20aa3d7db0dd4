"""A database's schema and its M-Schema text.

The format is XGenerationLab's M-Schema (https://github.com/XGenerationLab/M-Schema); docs/mschema.md states it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Protocol

from sqlfocus.errors import UserError

# What breaks a line, reverses its reading direction, or cannot be encoded.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
DB_ID = "【DB_ID】"
SCHEMA = "【Schema】"
FOREIGN_KEYS = "【Foreign keys】"
MAX_VALUES = 3
"""How many sample values a column shows where nothing else is said."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``columns`` of the table that holds it refer to ``referenced_columns`` of ``referenced_table``, pair by pair.

    ``referenced_schema`` is empty where it is the schema of the table that holds the key.
    """

    columns: tuple[str, ...]
    referenced_table: str
    referenced_columns: tuple[str, ...]
    referenced_schema: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``type`` is the database's own name for its type, ``examples`` are sample values as text.

    ``examples`` are those to show: :mod:`sqlfocus.schema.values` has chosen them. ``type`` is ``NULL`` where the column
    has none, as in SQLite.
    """

    name: str
    type: str
    comment: str = ""
    primary_key: bool = False
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view. ``schema`` is empty where the dialect has none or where the default schema is meant."""

    name: str
    columns: tuple[Column, ...]
    comment: str = ""
    schema: str = ""
    foreign_keys: tuple[ForeignKey, ...] = ()


class Values(Protocol):
    """What is known of the values in a database's columns (:class:`sqlfocus.schema.value_index.ValueIndex`)."""

    def misplaces(self, table: str, column: str, value: str, *, spelling: bool = True) -> bool:
        """Whether a column's values are known, ``value`` is none of them, and yet it is in the database."""
        ...

    def named(self, question: str) -> tuple[tuple[str, ...], ...]:
        """Of each place where a question names a value, the words of the values that may be meant, folded."""
        ...


@dataclass(frozen=True, slots=True)
class Database:
    """A database's schema. ``name`` is its db_id, ``dialect`` one of ``sqlite``, ``mysql``, ``postgres``.

    ``warnings`` say in one line each what could not be read and was left out; ``values``, where there are any, are what
    is known of what stands in it.
    """

    name: str
    tables: tuple[Table, ...]
    dialect: str = "sqlite"
    warnings: tuple[str, ...] = ()
    values: Values | None = field(default=None, repr=False)

    def mschema(self) -> str:
        """The M-Schema text, without a newline at the end.

        >>> orders = Table("orders", (Column("id", "INTEGER", primary_key=True), Column("town", "TEXT")), "订单表")
        >>> print(Database("shop", (orders,)).mschema())
        【DB_ID】 shop
        【Schema】
        # Table: orders, 订单表
        [
        (id:INTEGER, Primary Key),
        (town:TEXT)
        ]
        """
        lines = [f"{DB_ID} {name_text(self.name)}", SCHEMA]
        for table in self.tables:
            lines += _table_lines(table)
        if any(table.foreign_keys for table in self.tables):
            lines.append(FOREIGN_KEYS)
            lines += self._foreign_key_lines()
        return "\n".join(lines)

    def _foreign_key_lines(self) -> Iterable[str]:
        # The reference never names the schema here; that is ambiguous as soon as there are two.
        several = len({table.schema for table in self.tables}) > 1
        shown = {(table.schema, table.name) for table in self.tables}
        for table in self.tables:
            for key in table.foreign_keys:
                schema = key.referenced_schema or table.schema
                if schema != table.schema and (schema, key.referenced_table) not in shown:
                    continue
                for column, referenced in zip(key.columns, key.referenced_columns, strict=True):
                    left = (table.schema if several else "", table.name, column)
                    right = (schema if several else "", key.referenced_table, referenced)
                    yield "=".join(".".join(name_text(name, ".=") for name in path if name) for path in (left, right))

    def pick(self, tables: Sequence[str] | None = None, exclude: Sequence[str] = ()) -> Database:
        """The same database with only ``tables`` (all by default), less those of ``exclude``.

        Names are compared without case; they may have a schema (``sales.orders``) and shell wildcards (``log_*``).
        Foreign keys to tables that are left out go with them.

        Raises:
            UserError: a name fits no table, or no table is left.
        """
        if tables is None and not exclude:
            return self
        names = [(table.schema, table.name) for table in self.tables]
        kept = set(pick_names(names, tables, exclude, where=self.name))
        left = [table for table in self.tables if (table.schema, table.name) in kept]
        return replace(self, tables=without_keys_to(left, set(names) - kept))


def without_keys_to(tables: Iterable[Table], gone: Iterable[tuple[str, str]]) -> tuple[Table, ...]:
    """The tables less those foreign keys that refer to one of ``gone``, pairs of schema and name.

    A name that is spelt otherwise is meant where no table of the very name is left.
    """
    tables = list(tables)
    left = {(table.schema, table.name) for table in tables}
    lost = {(schema.lower(), name.lower()) for schema, name in gone}

    def stays(table: Table, key: ForeignKey) -> bool:
        schema, name = key.referenced_schema or table.schema, key.referenced_table
        return (schema, name) in left or (schema.lower(), name.lower()) not in lost

    return tuple(
        replace(table, foreign_keys=tuple(key for key in table.foreign_keys if stays(table, key))) for table in tables
    )


def pick_names(
    names: Sequence[tuple[str, str]], tables: Sequence[str] | None, exclude: Sequence[str], *, where: str
) -> list[tuple[str, str]]:
    """The pairs of schema and table name that ``tables`` and ``exclude`` leave; :meth:`Database.pick` says how.

    Raises:
        UserError: a name fits no table, or none is left; ``where`` stands at its head.
    """
    chosen = list(names) if tables is None else [pair for pair in names if any(_fits(pair, name) for name in tables)]
    for name in (*(tables or ()), *exclude):
        if not any(_fits(pair, name) for pair in names):
            there = ", ".join(pair[1] for pair in names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
            raise UserError(f"{where}: no table fits {name!r}; there are {there or 'none'}")
    left = [pair for pair in chosen if not any(_fits(pair, name) for name in exclude)]
    if names and not left:
        raise UserError(f"{where}: every table is left out; choose others with --tables and --exclude")
    return left


def _fits(pair: tuple[str, str], wanted: str) -> bool:
    schema, name = (part.lower() for part in pair)
    wanted = wanted.lower()
    return any(whole == wanted or fnmatchcase(whole, wanted) for whole in (name, f"{schema}.{name}"))


def _table_lines(table: Table) -> Iterable[str]:
    head = "# Table: " + ".".join(name_text(name, ".,") for name in (table.schema, table.name) if name)
    comment = one_line(table.comment)
    yield f"{head}, {comment}" if comment else head
    yield "["
    yield ",\n".join(_column_line(column) for column in table.columns)
    yield "]"


def _column_line(column: Column) -> str:
    fields = [f"{name_text(column.name, ':')}:{shown_type(column.type)}"]
    if comment := one_line(column.comment):
        ambiguous = comment.startswith('"') or comment.endswith("Primary Key") or "Examples: [" in comment
        fields.append(quoted(comment) if ambiguous else comment)
    if column.primary_key:
        fields.append("Primary Key")
    if column.examples:
        fields.append(f"Examples: [{', '.join(value_text(value) for value in column.examples)}]")
    return f"({', '.join(fields)})"


def shown_type(type_name: str) -> str:
    """A type as M-Schema shows it: capitals, without what stands in brackets and after.

    >>> shown_type("numeric(10, 2)")
    'NUMERIC'
    """
    return re.sub(r"[\s,:)]+", " ", type_name.split("(")[0]).strip().upper() or "NULL"


def name_text(name: str, stops: str = "") -> str:
    """A name as it stands, or quoted where one of ``stops`` or blanks at its ends would make it ambiguous."""
    return quoted(name) if name != name.strip() else _bare_or_quoted(name, stops)


def value_text(value: str) -> str:
    """A sample value as it stands, or quoted where it has a comma, a square bracket or a line break.

    >>> print(value_text("Perth"), value_text("Perth, Australia"))
    Perth "Perth, Australia"
    """
    return _bare_or_quoted(value, ",[]")


def _bare_or_quoted(text: str, stops: str) -> str:
    if not text or text.startswith('"') or _CONTROL.search(text) or any(stop in text for stop in stops):
        return quoted(text)
    return text


def quoted(text: str) -> str:
    """``text`` as a JSON string on one line."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def one_line(comment: str) -> str:
    """A comment on one line: line breaks and other control characters become a blank."""
    return re.sub(rf"\s*{_CONTROL.pattern}\s*", " ", comment).strip()
