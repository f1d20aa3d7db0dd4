"""Tables and views of a schema as SQLAlchemy's inspector describes them, before they are sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.engine import Connection, Inspector
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import place, reason
from sqlfocus.schema.ddl import table_comments
from sqlfocus.schema.mschema import Column, ForeignKey, Table


@dataclass(frozen=True, slots=True)
class Described:
    """A table or view without sample values; ``types`` are SQLAlchemy's types of its columns."""

    table: Table
    types: tuple[types.TypeEngine[Any], ...]
    is_view: bool = False


class Reflection:
    """Describes the tables of one schema over one connection. ``warnings`` say what could not be read."""

    def __init__(self, connection: Connection, dialect: str, schema: str | None) -> None:
        self.connection = connection
        self.dialect = dialect
        self.schema = schema
        self.inspector: Inspector = sa.inspect(connection)
        self.warnings: list[str] = []
        self.where = place(connection.engine.url)

    def names(self) -> tuple[set[str], set[str]]:
        """The names of tables and of views."""
        try:
            tables = set(self.inspector.get_table_names(self.schema))
            views = set(self.inspector.get_view_names(self.schema))
            if self.dialect == "postgres":
                views |= set(self.inspector.get_materialized_view_names(self.schema))
        except SQLAlchemyError as error:
            why = reason(error, self.connection.engine.url)
            raise UserError(f"{self.where}: the list of tables cannot be read ({why})") from error
        return tables, views

    def describe(self, chosen: Sequence[str], views: set[str]) -> list[Described]:
        """The chosen tables in their order, less those whose columns cannot be read."""
        columns = self._details(self.inspector.get_multi_columns, "columns", chosen, single=self.inspector.get_columns)
        readable = [name for name in chosen if name in columns]
        type_names = self._type_names(columns)
        keys = self._details(self.inspector.get_multi_pk_constraint, "primary key", readable)
        references = self._details(self.inspector.get_multi_foreign_keys, "foreign keys", readable)
        comments = self._comments(readable)
        found = []
        for name in readable:
            comment, column_comments = comments.get(name, ("", {}))
            primary = (keys.get(name) or {}).get("constrained_columns") or ()
            listed = tuple(
                Column(
                    column["name"],
                    type_names[name, column["name"]],
                    (column.get("comment") or column_comments.get(column["name"].lower()) or "").strip(),
                    column["name"] in primary,
                )
                for column in columns[name]
            )
            table = Table(name, listed, comment.strip(), self.schema or "", self._foreign_keys(references.get(name)))
            found.append(Described(table, tuple(column["type"] for column in columns[name]), name in views))
        return found

    def _type_names(self, columns: Mapping[str, Sequence[Any]]) -> dict[tuple[str, str], str]:
        """What each column's type is called: as SQLAlchemy calls it, or as the server does where SQLAlchemy cannot."""
        known = {(name, column["name"]): column["type"] for name, listed in columns.items() for column in listed}
        names = {column: str(type_) for column, type_ in known.items()}
        unknown = {column for column, type_ in known.items() if isinstance(type_, types.NullType)}
        if unknown and self.dialect != "sqlite":
            what = "udt_name" if self.dialect == "postgres" else "data_type"
            query = (
                f"SELECT table_name, column_name, {what} FROM information_schema.columns WHERE table_schema = :schema"
            )
            schema = self.schema or self.inspector.default_schema_name
            rows = self.connection.execute(sa.text(query), {"schema": schema})
            names |= {(row[0], row[1]): str(row[2]) for row in rows if (row[0], row[1]) in unknown}
        return names

    def _details(
        self,
        ask: Callable[..., Mapping[tuple[str | None, str], Any]],
        what: str,
        names: Sequence[str],
        *,
        single: Callable[..., Any] | None = None,
    ) -> dict[str, Any]:
        """What ``ask`` says of each table: of all at once, and where that fails, of one after the other."""
        found: dict[str, Any] = {}
        try:
            found = {name: value for (_, name), value in self._ask(ask, names).items()}
        except SQLAlchemyError:
            self.connection.rollback()
            single = single or (lambda name, schema: self._ask(ask, [name]).get((schema, name)))
        if single is None:
            return found
        for name in names:
            if name in found:
                continue
            try:
                found[name] = single(name, schema=self.schema)
            except SQLAlchemyError as error:
                self.connection.rollback()
                why = reason(error, self.connection.engine.url)
                left_out = "left out, " if what == "columns" else ""
                self.warnings.append(f"{name}: {left_out}its {what} cannot be read ({why})")
        return found

    def _ask(self, ask: Callable[..., Any], names: Sequence[str]) -> Mapping[tuple[str | None, str], Any]:
        result: Mapping[tuple[str | None, str], Any] = ask(schema=self.schema, filter_names=names, kind=ObjectKind.ANY)
        return result

    def _comments(self, names: Sequence[str]) -> dict[str, tuple[str, dict[str, str]]]:
        """Each table's comment, and for SQLite, which keeps them in the text of CREATE TABLE, its columns' too."""
        if self.dialect == "sqlite":
            rows = self.connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
            return {name: table_comments(sql or "") for name, sql in rows if name in names}
        found = self._details(self.inspector.get_multi_table_comment, "comment", names)
        return {name: ((value or {}).get("text") or "", {}) for name, value in found.items()}

    def _foreign_keys(self, keys: Sequence[Mapping[str, Any]] | None) -> tuple[ForeignKey, ...]:
        default = self.inspector.default_schema_name
        found = []
        for key in keys or ():
            schema = key.get("referred_schema") or (self.schema and default)
            # SQLite lets a key refer to a table that is not there, and then knows no columns.
            pairs = list(zip(key["constrained_columns"], key["referred_columns"], strict=False))
            if pairs:
                own, referred = zip(*pairs, strict=True)
                found.append(
                    ForeignKey(own, key["referred_table"], referred, "" if schema in (None, self.schema) else schema)
                )
        return tuple(found)
