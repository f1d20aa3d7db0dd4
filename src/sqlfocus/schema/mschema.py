"""A database's schema and its M-Schema text.

The format is XGenerationLab's M-Schema (https://github.com/XGenerationLab/M-Schema); docs/mschema.md states it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """``columns`` of the table that holds it refer to ``referenced_columns`` of ``referenced_table``, pair by pair."""

    columns: tuple[str, ...]
    referenced_table: str
    referenced_columns: tuple[str, ...]
    referenced_schema: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``type`` is the database's own name for its type, ``examples`` are sample values as text."""

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


@dataclass(frozen=True, slots=True)
class Database:
    """A database's schema. ``name`` is its db_id, ``dialect`` one of ``sqlite``, ``mysql``, ``postgres``.

    ``warnings`` say in one line each what could not be read and was left out.
    """

    name: str
    tables: tuple[Table, ...]
    dialect: str = "sqlite"
    warnings: tuple[str, ...] = ()

    def mschema(self) -> str:
        """The M-Schema text, without a newline at the end."""
        raise NotImplementedError
