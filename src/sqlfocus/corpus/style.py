"""SQL in the one style that models learn here: what says the same is written the same.

People who write a benchmark's queries have a style each: ``t2`` or ``T2`` for a table, its columns' names in whatever
case, ``COUNT`` or ``count``, texts in single or double quotes, ``<>`` or ``!=``, a join's columns in either order. A
model learns all of these, and a small one has little room for them. In this project's style, which synthesized pairs
have too (:mod:`sqlfocus.corpus.synthesis.sql`), a table is called by its whole name.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from sqlglot import Dialect, exp
from sqlglot.generator import Generator

from sqlfocus.corpus.synthesis.quoting import quoted
from sqlfocus.schema.mschema import Column, Database, Table
from sqlfocus.sql import NOT_SQL, parse_one


class _Unclear(LookupError):
    """What a query means cannot be told from the schema alone."""


def rewritten(sqls: Sequence[str], database: Database) -> list[str | None]:
    """Queries in house style (:func:`in_house_style`), each where it is proven to mean the same, else None.

    SQLite makes the same program of both, on empty tables of the database's names and types; only then it is taken, and
    joins and what they compare are put in order. That leaves the rows as they are, but not which of them comes first
    where the query does not say it. Queries in another dialect, for which nothing proves it, are not rewritten.
    """
    if database.dialect != "sqlite":
        return [None] * len(sqls)
    found: list[str | None] = []
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in database.tables:
            columns = (quoted(one.name, "sqlite") + " " + _type(one) for one in table.columns)
            with suppress(sqlite3.Error):  # sqlite_sequence and the like are there, or cannot be
                connection.execute(f"CREATE TABLE {quoted(table.name, 'sqlite')} ({', '.join(columns)})")
        for sql in sqls:
            same = in_house_style(sql, database, same_order=True)
            proven = same is not None and _program(connection, same) == _program(connection, sql) != []
            found.append(in_house_style(sql, database) if proven else None)
    return found


def _program(connection: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    """What SQLite would do for a query: instructions and their operands; nothing where it takes it not."""
    try:
        return [row[:7] for row in connection.execute(f"EXPLAIN {sql}")]
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return []


def _type(column: Column) -> str:
    """A column's type without lengths and the like, of which nothing is compared."""
    return quoted(column.type.split("(")[0], "sqlite")


def in_house_style(sql: str, database: Database, *, same_order: bool = False) -> str | None:
    """A query that means the same, in the style of this project; None where it cannot be told what it means.

    Tables and columns are spelled as in the schema; a query on one table names columns bare, one with joins names each
    with its whole table name, and a table that is joined twice is called ``name_2`` then. Functions are in small
    letters, texts in single quotes; unequal is ``!=``; ASC, INNER and OUTER, which say nothing, are left out.

    Unless all is to stay in the ``same_order``, FROM begins with the table of what is selected first, joins go outward
    from it, and a join's condition is the foreign key as the schema text has it.

    >>> from sqlfocus.schema.text import read_schema_text
    >>> shop = "# Table: orders\\n[\\n(id:INT),\\n(Town_id:INT)\\n]\\n# Table: Town\\n[\\n(id:INT),\\n(name:TEXT)\\n]"
    >>> shop += "\\n【Foreign keys】\\norders.Town_id=Town.id"
    >>> sql = 'SELECT COUNT(t2.id) FROM Town as t1 JOIN Orders as t2 ON t1.ID = t2.town_id WHERE t1.name <> "Oslo"'
    >>> in_house_style(sql, read_schema_text(shop, dialect="sqlite"))
    "SELECT count(orders.id) FROM orders JOIN Town ON orders.Town_id = Town.id WHERE Town.name != 'Oslo'"
    """
    try:
        tree = parse_one(sql, database.dialect)
        if not isinstance(tree, exp.Query) or tree.find(exp.With) is not None:
            return None
        _Style(database, same_order).query(tree, ())
        return str(_writer(database.dialect).generate(tree))
    except NOT_SQL:
        return None


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of a FROM clause as it is called from now on; ``table`` is None for a query in its place."""

    name: str
    table: Table | None

    def column(self, name: str) -> str | None:
        """A column's name as the schema has it."""
        columns = self.table.columns if self.table is not None else ()
        return next((column.name for column in columns if column.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the names in a SELECT may mean: its sources by what they were called, and its outputs' own names."""

    sources: dict[str, _Source]
    outputs: frozenset[str]

    def calls(self, name: str) -> bool:
        """Whether one of its sources is called so from now on."""
        return any(source.name.lower() == name.lower() for source in self.sources.values())


class _Style:
    """Changes a query's tree."""

    def __init__(self, database: Database, same_order: bool) -> None:
        self.dialect = database.dialect
        self.same_order = same_order
        self.tables = {table.name.lower(): table for table in database.tables}
        self.keys = {
            (table.name.lower(), column.lower(), key.referenced_table.lower(), referenced.lower())
            for table in database.tables
            for key in table.foreign_keys
            for column, referenced in zip(key.columns, key.referenced_columns, strict=True)
        }

    def query(self, query: exp.Expr, outer: tuple[_Scope, ...]) -> None:
        """Change a query that stands in the scopes of ``outer``, the nearest first."""
        for ordered in query.find_all(exp.Ordered):
            if ordered.args.get("desc") is False:
                ordered.set("desc", None)
        if not isinstance(query, exp.Select):
            for inner in _queries(query):
                self.query(inner, outer)
            return
        scopes = (self._scope(query), *outer)
        for column in list(_own(query, exp.Column)):
            self._column(column, scopes)
        for join in query.args.get("joins") or ():
            if join.kind in ("INNER", "OUTER"):
                join.set("kind", None)  # JOIN alone, or LEFT JOIN, means the same
        if not self.same_order:
            _outward(query, scopes[0])
            for join in query.args.get("joins") or ():
                for equal in join.find_all(exp.EQ):
                    self._key_first(equal, scopes[0])
        if len(scopes[0].sources) == 1:
            for column in _own(query, exp.Column):
                if scopes[0].calls(column.table):
                    column.set("table", None)
        for inner in _queries(query):
            self.query(inner, scopes)

    def _scope(self, select: exp.Select) -> _Scope:
        """Rename the tables of a FROM clause."""
        sources: dict[str, _Source] = {}
        called: set[str] = set()
        start = select.args.get("from_")
        for clause in [start, *(select.args.get("joins") or ())] if start is not None else []:
            node = clause.this
            if isinstance(node, exp.Subquery):
                if node.alias.lower() in called or node.alias.lower() in sources:
                    raise _Unclear
                if node.alias:
                    called.add(node.alias.lower())
                    sources[node.alias.lower()] = _Source(node.alias, None)
                continue
            if not isinstance(node, exp.Table) or node.db or node.name.lower() not in self.tables:
                raise _Unclear
            table = self.tables[node.name.lower()]
            name, number = table.name, 1
            while name.lower() in called:
                number += 1
                name = f"{table.name}_{number}"
            if node.alias_or_name.lower() in sources or (number > 1 and name.lower() in self.tables):
                raise _Unclear
            called.add(name.lower())
            sources[node.alias_or_name.lower()] = _Source(name, table)
            node.set("this", self._identifier(table.name))
            node.set("alias", exp.TableAlias(this=self._identifier(name)) if number > 1 else None)
        outputs = frozenset(one.alias.lower() for one in select.expressions if one.alias)
        return _Scope(sources, outputs)

    def _column(self, column: exp.Column, scopes: tuple[_Scope, ...]) -> None:
        """Spell a column's name as the schema does, behind its table's."""
        for depth, scope in enumerate(scopes):
            if column.table:
                source = scope.sources.get(column.table.lower())
                found = [source] if source is not None else []
            else:
                found = [one for one in scope.sources.values() if one.column(column.name) is not None]
            if len(found) > 1:
                raise _Unclear
            if found:
                self._name(column, found[0], scopes[:depth])
                return
            if not column.table and (
                column.name.lower() in scope.outputs or any(one.table is None for one in scope.sources.values())
            ):
                return
        quoted_text = not column.table and isinstance(column.this, exp.Identifier) and column.this.quoted
        if not quoted_text or self.dialect != "sqlite":
            raise _Unclear
        column.replace(exp.Literal.string(column.name))  # SQLite takes what is no name for a text

    def _name(self, column: exp.Column, source: _Source, inner: tuple[_Scope, ...]) -> None:
        if any(scope.calls(source.name) for scope in inner):
            raise _Unclear  # it would mean the inner one
        if not isinstance(column.this, exp.Star) and source.table is not None:
            name = source.column(column.name)
            if name is None:
                raise _Unclear
            column.set("this", self._identifier(name))
        column.set("table", self._identifier(source.name))

    def _key_first(self, equal: exp.EQ, scope: _Scope) -> None:
        """Have the column that refers to another stand before it, as in the schema text."""
        tables = {source.name.lower(): source.table for source in scope.sources.values()}
        ends: list[tuple[str, str]] = []
        for side in (equal.left, equal.right):
            table = tables.get(side.table.lower()) if isinstance(side, exp.Column) else None
            if table is None:
                return
            ends.append((table.name.lower(), side.name.lower()))
        if (*ends[1], *ends[0]) in self.keys and (*ends[0], *ends[1]) not in self.keys:
            left, right = equal.left, equal.right
            equal.set("this", right)
            equal.set("expression", left)

    def _identifier(self, name: str) -> exp.Identifier:
        return exp.Identifier(this=name, quoted=quoted(name, self.dialect) != name)


def _outward(select: exp.Select, scope: _Scope) -> None:
    """Have FROM begin with the table of what is selected first, and each join follow one that it hangs on.

    Inner joins may stand in any order; where one is of another kind, or all columns are selected as they come, nothing
    changes.
    """
    joins = select.args.get("joins") or []
    plain = all({name for name, value in join.args.items() if value} == {"this", "on"} for join in joins)
    every = any(isinstance(one, exp.Star) for one in select.expressions)
    first = next((column for one in select.expressions for column in one.find_all(exp.Column)), None)
    if not joins or not plain or every or first is None or not scope.calls(first.table):
        return
    start = select.args["from_"]
    left = {node.alias_or_name.lower(): node for node in (start.this, *(join.this for join in joins))}
    ons = [join.args["on"] for join in joins]
    conditions = [one for on in ons for one in (on.flatten() if isinstance(on, exp.And) else [on])]
    needs = [{column.table.lower() for column in one.find_all(exp.Column)} for one in conditions]
    if any(not need <= set(left) for need in needs):
        return
    begin = left.pop(first.table.lower())
    there = {first.table.lower()}
    made: list[exp.Join] = []
    used: set[int] = set()
    while left:
        for name in left:
            hangs = [n for n, need in enumerate(needs) if n not in used and name in need and need <= there | {name}]
            if hangs:
                break
        else:
            return
        used.update(hangs)
        there.add(name)
        made.append(exp.Join(this=left.pop(name), on=exp.and_(*(conditions[n] for n in hangs), copy=False)))
    if len(used) == len(conditions):
        start.set("this", begin)
        select.set("joins", made)


def _own(query: exp.Expr, kind: type[exp.Expr]) -> Iterator[Any]:
    """What is of a kind in a query, and in no query within it."""
    for node in query.walk(prune=lambda one: one is not query and isinstance(one, exp.Query)):
        if isinstance(node, kind):
            yield node


def _queries(query: exp.Expr) -> list[Any]:
    """The queries right within a query."""
    return [
        node
        for node in query.walk(prune=lambda one: one is not query and isinstance(one, exp.Query))
        if node is not query and isinstance(node, exp.Query)
    ]


class _Writing(Generator):
    """How sqlglot writes SQL, but for what people write otherwise: NOT behind its operand, and !=."""

    def neq_sql(self, expression: exp.NEQ) -> str:
        return self.binary(expression, "!=")

    def not_sql(self, expression: exp.Not) -> str:
        test = expression.this
        if not isinstance(test, exp.In | exp.Like | exp.ILike | exp.Between | exp.Is):
            return f"NOT {self.sql(test)}"
        operand = self.sql(test, "this")
        rest = self.sql(test).removeprefix(f"{operand} ")
        return f"{operand} IS NOT {rest.removeprefix('IS ')}" if isinstance(test, exp.Is) else f"{operand} NOT {rest}"


@functools.cache
def _writer(dialect: str) -> Generator:
    known = Dialect.get_or_raise(dialect)
    kind = type("Writing", (_Writing, known.generator_class), {})
    return kind(dialect=known, normalize_functions="lower")
