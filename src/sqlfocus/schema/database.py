"""The schema of a live database, read through SQLAlchemy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.engine import Connection, Engine, Inspector
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.schema.batches import allow_several
from sqlfocus.schema.connect import connect, open_engine, place, reason
from sqlfocus.schema.ddl import table_comments
from sqlfocus.schema.mschema import MAX_VALUES, Column, Database, ForeignKey, Table, pick_names, without_keys_to
from sqlfocus.schema.sampling import Source, limit_time, sample_all

_SYSTEM = {
    "sqlite": (),
    "mysql": ("information_schema", "mysql", "performance_schema", "sys"),
    "postgres": ("information_schema", "pg_catalog", "pg_toast"),
}


def read_database(
    url: str,
    *,
    schema: str | None = None,
    tables: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    max_values: int | None = None,
) -> Database:
    """Read tables and views, comments, keys and sample values of one schema; tables come in the order of their names.

    Args:
        url: a SQLAlchemy URL (SQLite, MySQL or MariaDB, PostgreSQL) or the path of an SQLite file. The connection only
            reads.
        schema: the schema to read; by default the connection's own. Given, it stands before the names of the tables.
        tables, exclude: which tables; see :meth:`Database.pick`.
        max_values: how many sample values a column shows at most; 0 reads none, None is :data:`MAX_VALUES`.

    A table or column that cannot be read is left out, and ``warnings`` says why; the rest is read.

    Raises:
        UserError: no connection, no such schema or a system schema, no such table, or nothing that can be read.
    """
    engine, dialect = open_engine(url)
    allow_several(engine)
    try:
        with connect(engine) as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # on types that SQLAlchemy does not know; we name them ourselves
            reader = _Reader(connection, dialect, schema_to_read(engine, connection, dialect, schema))
            return reader.read(tables, exclude, MAX_VALUES if max_values is None else max_values)
    finally:
        engine.dispose()


def schema_to_read(engine: Engine, connection: Connection, dialect: str, schema: str | None) -> str | None:
    """The schema to read, as SQLAlchemy wants it.

    Raises:
        UserError: there is none of that name, or it is the system's.
    """
    where = place(engine.url)
    asked = schema or (engine.url.database if dialect == "mysql" else None)
    if asked is not None and (asked.lower() in _SYSTEM[dialect] or asked.lower().startswith("pg_temp")):
        raise UserError(f"{where}: {asked} is a system schema, which is never read; name another with --schema")
    if schema is None:
        return None
    if dialect == "sqlite":
        raise UserError(f"{where}: SQLite has no schemas; leave out --schema")
    there = [name for name in sa.inspect(connection).get_schema_names() if name.lower() not in _SYSTEM[dialect]]
    if schema not in there:
        raise UserError(f"{where}: no schema {schema!r}; there are {', '.join(sorted(there)) or 'none'}")
    return schema


class _Reader:
    """Reads one schema over one connection."""

    def __init__(self, connection: Connection, dialect: str, schema: str | None) -> None:
        self.connection = connection
        self.dialect = dialect
        self.schema = schema
        self.inspector: Inspector = sa.inspect(connection)
        self.warnings: list[str] = []
        url = connection.engine.url
        self.where = place(url)
        self.name = Path(str(url.database)).stem if dialect == "sqlite" else str(url.database)

    def read(self, wanted: Sequence[str] | None, exclude: Sequence[str], max_values: int) -> Database:
        plain, views = self._names()
        label = self.schema or ""
        names = [(label, name) for name in sorted(plain | views)]
        if not names:
            raise UserError(f"{self.where}: there are no tables" + (f" in schema {label}" if label else ""))
        chosen = [name for _, name in pick_names(names, wanted, exclude, where=self.where)]
        columns = self._details(self.inspector.get_multi_columns, "columns", chosen, single=self.inspector.get_columns)
        readable = [name for name in chosen if name in columns]
        types_ = self._type_names(columns)
        keys = self._details(self.inspector.get_multi_pk_constraint, "primary key", readable)
        references = self._details(self.inspector.get_multi_foreign_keys, "foreign keys", readable)
        comments = self._comments(readable)
        limit_time(self.connection)
        tables: list[Table] = []
        sources = [
            Source(name, [(column["name"], column["type"]) for column in columns[name]], self.schema, name in views)
            for name in readable
        ]
        for name, samples in zip(readable, sample_all(self.connection, sources, max_values), strict=True):
            self.warnings += samples.warnings
            if not samples.examples:
                continue
            comment, column_comments = comments.get(name, ("", {}))
            primary = (keys.get(name) or {}).get("constrained_columns") or ()
            shown = tuple(
                Column(
                    column["name"],
                    types_[name, column["name"]],
                    (column.get("comment") or column_comments.get(column["name"].lower()) or "").strip(),
                    column["name"] in primary,
                    samples.examples[column["name"]],
                )
                for column in columns[name]
                if column["name"] in samples.examples
            )
            tables.append(Table(name, shown, comment.strip(), label, self._foreign_keys(references.get(name), shown)))
        if not tables:
            raise UserError(f"{self.where}: no table can be read; {self.warnings[0]}")
        gone = set(names) - {(table.schema, table.name) for table in tables}
        return Database(self.name, without_keys_to(tables, gone), self.dialect, tuple(self.warnings))

    def _names(self) -> tuple[set[str], set[str]]:
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

    def _foreign_keys(
        self, keys: Sequence[Mapping[str, Any]] | None, columns: Sequence[Column]
    ) -> tuple[ForeignKey, ...]:
        there = {column.name for column in columns}
        default = self.inspector.default_schema_name
        found = []
        for key in keys or ():
            schema = key.get("referred_schema") or (self.schema and default)
            # SQLite lets a key refer to a table that is not there, and then knows no columns.
            pairs = list(zip(key["constrained_columns"], key["referred_columns"], strict=False))
            if pairs and all(column in there for column, _ in pairs):
                own, referred = zip(*pairs, strict=True)
                found.append(
                    ForeignKey(own, key["referred_table"], referred, "" if schema in (None, self.schema) else schema)
                )
        return tuple(found)
