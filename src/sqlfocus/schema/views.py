"""The columns of a view that DDL defines by a query."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.optimizer.qualify_columns import qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.schema import MappingSchema

from sqlfocus.schema.drafts import DraftColumn, DraftTable
from sqlfocus.sql import NOT_SQL, parse_one


def view_columns(query: str, dialect: str, tables: Sequence[DraftTable]) -> list[DraftColumn]:
    """The columns that ``query`` gives, those of ``tables`` with their types and comments, others with type ``NULL``.

    Empty where the query cannot be parsed, or has a star over a table that is not known.
    """
    known = {table.name.lower(): table for table in tables}
    sources: dict[str, DraftTable] = {}
    columns: dict[str, object] = {}
    try:
        tree = parse_one(query, dialect)
        if not isinstance(tree, exp.Query):
            return []
        for used in tree.find_all(exp.Table):
            used.set("db", None)
            used.set("catalog", None)
            if (table := known.get(used.name.lower())) is not None:
                sources[used.alias_or_name.lower()] = table
                columns[used.name] = {column.name: "text" for column in table.columns}
        schema = MappingSchema(columns, dialect=dialect, normalize=False)
        tree = qualify_columns(qualify_tables(tree, dialect=dialect), schema=schema, dialect=dialect)
    except NOT_SQL:
        return []
    if any(projection.is_star for projection in tree.selects):
        return []
    return [_column(projection, sources) for projection in tree.selects]


def _column(projection: exp.Expr, sources: dict[str, DraftTable]) -> DraftColumn:
    inner = projection.unalias()
    table = sources.get(inner.table.lower()) if isinstance(inner, exp.Column) else None
    original = table.column(inner.name) if table is not None else None
    if original is None:
        return DraftColumn(projection.alias_or_name, "NULL")
    return DraftColumn(projection.alias_or_name, original.type, original.comment)
