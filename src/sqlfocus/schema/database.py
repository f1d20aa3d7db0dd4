"""The schema of a live database, read through SQLAlchemy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SAWarning

from sqlfocus.errors import UserError
from sqlfocus.schema.batches import allow_several
from sqlfocus.schema.connect import connect, open_engine, place
from sqlfocus.schema.first_rows import Source
from sqlfocus.schema.mschema import MAX_VALUES, Database, Table, pick_names, without_keys_to
from sqlfocus.schema.mysql_catalogue import MysqlCatalogue
from sqlfocus.schema.reflected import Reflection
from sqlfocus.schema.sampling import limit_time, sample_all

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
            kind = MysqlCatalogue if dialect == "mysql" else Reflection
            catalogue = kind(connection, dialect, schema_to_read(engine, connection, dialect, schema))
            name = Path(str(engine.url.database)).stem if dialect == "sqlite" else str(engine.url.database)
            return _read(catalogue, name, tables, exclude, MAX_VALUES if max_values is None else max_values)
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


def _read(
    catalogue: Reflection, name: str, wanted: Sequence[str] | None, exclude: Sequence[str], max_values: int
) -> Database:
    plain, views = catalogue.names()
    label = catalogue.schema or ""
    names = [(label, one) for one in sorted(plain | views)]
    if not names:
        raise UserError(f"{catalogue.where}: there are no tables" + (f" in schema {label}" if label else ""))
    chosen = [one for _, one in pick_names(names, wanted, exclude, where=catalogue.where)]
    described = catalogue.describe(chosen, views)
    notes = catalogue.warnings
    limit_time(catalogue.connection)
    sources = [
        Source(
            one.table.name,
            [(column.name, type_) for column, type_ in zip(one.table.columns, one.types, strict=True)],
            catalogue.schema,
            one.is_view,
        )
        for one in described
    ]
    tables: list[Table] = []
    for one, samples in zip(described, sample_all(catalogue.connection, sources, max_values), strict=True):
        notes += samples.warnings
        if samples.examples:
            tables.append(_sampled(one.table, samples.examples))
    if not tables:
        raise UserError(f"{catalogue.where}: no table can be read; {notes[0]}")
    gone = set(names) - {(table.schema, table.name) for table in tables}
    return Database(name, without_keys_to(tables, gone), catalogue.dialect, tuple(notes))


def _sampled(table: Table, examples: Mapping[str, tuple[str, ...]]) -> Table:
    """The table with sample values, less the columns that have no entry in ``examples`` and the keys over them."""
    shown = tuple(
        replace(column, examples=examples[column.name]) for column in table.columns if column.name in examples
    )
    keys = tuple(key for key in table.foreign_keys if all(column in examples for column in key.columns))
    return replace(table, columns=shown, foreign_keys=keys)
