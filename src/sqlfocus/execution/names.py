"""Which tables a query reads, and whether they are those of a database.

A name in FROM is a table, or it is what a WITH defines. Where a dialect or one of its servers could read a table, it
counts as a table: a name is taken for a definition's only where every server of the dialect takes it so.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlfocus.execution.attributes import ASCII_LOWER, attribute_called, short
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.mschema import Table as KnownTable

MOST_NAMES = 8
"""How many of a database's tables a refusal names."""


def write_in_as_subquery(tree: exp.Expr) -> None:
    """Turn SQLite's ``x IN t`` into ``x IN (SELECT * FROM t)``, so that a table is always an ``exp.Table``.

    sqlglot takes the table for a column. What else follows IN without brackets stays and is for the guard to refuse.
    """
    for node in list(tree.find_all(exp.In)):
        field = node.args.get("field")
        if isinstance(field, exp.Column) and len(field.parts) <= 2 and isinstance(field.this, exp.Identifier):
            table = exp.Table(this=field.this, db=field.args.get("table"))
            node.set("field", None)
            node.set("query", exp.Subquery(this=exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))))


def is_dual(table: exp.Table) -> bool:
    """Whether this is DUAL, MySQL's and MariaDB's name for no table; in backticks it is a table like any other."""
    return written(table).lower() == "dual" and not table.this.quoted


def take_dual_away(tree: exp.Expr) -> None:
    """Turn MySQL's ``SELECT 1 FROM DUAL`` into ``SELECT 1``: sqlglot would write DUAL in backticks."""
    for source in list(tree.find_all(exp.From)):
        table, query = source.this, source.parent
        if (
            isinstance(table, exp.Table)
            and isinstance(table.this, exp.Identifier)
            and is_dual(table)
            and not any(table.args.get(part) for part in table.arg_types if part != "this")
            and isinstance(query, exp.Select)
            and not (query.args.get("joins") or query.args.get("laterals"))
        ):
            query.set("from_", None)


def tables_read(tree: exp.Expr, dialect: str) -> Iterator[exp.Table]:
    """The tables of a query without the names that a WITH defines."""
    for table in tree.find_all(exp.Table):
        if table.db or table.catalog or not _is_defined(table, dialect):
            yield table


def written(table: exp.Table) -> str:
    """A table's name as the query writes it, without quotes: ``sales.orders``."""
    return ".".join(part.name for part in table.parts)


def bind(tree: exp.Expr, dialect: str, database: Database) -> str:
    """The reason to refuse a query that reads a table which is not one of ``database``, or "".

    Names are compared as the dialect compares them. A table stands without a schema, or with its own: SQLite's is
    ``main``, MySQL's the name of the database. What is left to the session in PostgreSQL and MySQL is settled in the
    tree: a name without a schema gets the schema that was read, and ``public.`` before a table of the session's own
    schema is taken away, so that no other schema's table of that name is read. MySQL's names are written as the
    database has them, since some systems tell ``Orders`` from ``orders``.

    In PostgreSQL ``item.peek`` calls the function ``peek`` where the table has no such column, so that is refused too.
    """
    found: dict[int, KnownTable] = {}
    for table in list(tables_read(tree, dialect)):
        known = None if table.catalog else _find(table, dialect, database)
        if known is None:
            return f"there is no table {short(written(table))}; there are {_names(database)}"
        found[id(table)] = known
        if dialect == "mysql":
            _write_exactly(table, known, database)
            if not table.db and _is_defined(table, dialect):
                return f"{short(table.name)} is a table and the name of a WITH; give the WITH another name"
        if dialect != "sqlite" and known.schema and not table.db:
            table.set("db", exp.to_identifier(known.schema, quoted=True))
        elif dialect == "postgres" and table.db and not known.schema:
            if _is_defined(table, dialect):
                return f"{short(table.name)} is a table and the name of a WITH; give the WITH another name"
            _take_schema_away(tree, table)
    if dialect != "postgres":
        return ""
    defined = {id(table): cte for table in tree.find_all(exp.Table) if (cte := _definition(table, dialect))}
    return attribute_called(tree, found, defined)


def _is_defined(table: exp.Table, dialect: str) -> bool:
    return _definition(table, dialect) is not None


def _definition(table: exp.Table, dialect: str) -> exp.CTE | None:
    """What a WITH around a table's place defines by its name, if any does.

    A definition is seen by the query that its WITH belongs to, and by the definitions after it. Those before it and
    its own see it where the WITH is recursive, as SQLite takes every WITH; MySQL's recursive ones see no later ones.
    MariaDB's definitions see those of their own WITH alone, and take the name of one further out for a table.
    """
    name = _defined_name(table.this, dialect)
    child: exp.Expr = table
    while (parent := child.parent) is not None:
        seen: list[exp.CTE] = []
        last = False
        if isinstance(parent, exp.With):
            place = next(number for number, cte in enumerate(parent.expressions) if cte is child)
            if dialect == "sqlite" or (parent.args.get("recursive") and dialect == "postgres"):
                seen = parent.expressions
            else:
                seen = parent.expressions[: place + bool(parent.args.get("recursive"))]
            last = dialect == "mysql"
            parent = parent.parent or parent  # whose own WITH this is
        elif (defines := parent.args.get("with_")) is not None:
            seen = defines.expressions
        for cte in seen:
            if _defined_name(cte.args["alias"].this, dialect) == name:
                return cte
        if last:
            return None
        child = parent
    return None


def _find(table: exp.Table, dialect: str, database: Database) -> KnownTable | None:
    """The table of ``database`` that is meant, the one of exactly that name first."""
    name = _folded(table.this, dialect)
    schema = _folded(table.args["db"], dialect) if table.db else ""
    own = {"sqlite": "main", "mysql": _as_stored(database.name, dialect), "postgres": "public"}[dialect]
    fitting = [
        known
        for known in database.tables
        if _as_stored(known.name, dialect) == name
        and (not schema or schema == (_as_stored(known.schema, dialect) or own))
    ]
    return next((known for known in fitting if known.name == table.name), fitting[0] if fitting else None)


def _write_exactly(table: exp.Table, known: KnownTable, database: Database) -> None:
    """Give a table of MySQL's the names that the server has; its columns may still stand after the name as written."""
    if known.name != table.name:
        if not table.alias:
            table.set("alias", exp.TableAlias(this=table.this))
        table.set("this", exp.to_identifier(known.name, quoted=True))
    if table.db:
        table.set("db", exp.to_identifier(known.schema or database.name, quoted=True))


def _folded(identifier: exp.Identifier, dialect: str) -> str:
    """A name as the dialect looks it up: PostgreSQL folds what has no quotes, the others compare without case."""
    if dialect == "postgres" and identifier.quoted:
        return identifier.name
    return identifier.name.lower() if dialect == "mysql" else identifier.name.translate(ASCII_LOWER)


def _as_stored(name: str, dialect: str) -> str:
    if dialect == "postgres":
        return name
    return name.lower() if dialect == "mysql" else name.translate(ASCII_LOWER)


def _defined_name(identifier: exp.Identifier, dialect: str) -> str:
    """A name that a WITH defines or that may refer to one; MySQL's are compared with case on some systems."""
    return identifier.name if dialect == "mysql" else _folded(identifier, dialect)


def _take_schema_away(tree: exp.Expr, table: exp.Table) -> None:
    path = written(table).lower()
    table.set("db", None)
    for column in tree.find_all(exp.Column):
        if column.db and f"{column.db}.{column.table}".lower() == path:
            column.set("db", None)


def _names(database: Database) -> str:
    names = [".".join(filter(None, (table.schema, table.name))) for table in database.tables]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(short(name) for name in names[:MOST_NAMES]) + more
