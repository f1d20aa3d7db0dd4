"""Functions that PostgreSQL calls where a query seems to name a column.

``item.peek`` is the function ``peek(item)`` where ``item`` has no column ``peek``, so that it would pass the list of
functions unseen. ``item`` may be a table, and a subquery or what a WITH defines as well: PostgreSQL turns their rows
into a table's where they fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlglot import exp

from sqlfocus.schema.mschema import Table

ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def attribute_called(tree: exp.Expr, known: Mapping[int, Table], defined: Mapping[int, exp.CTE]) -> str:
    """The reason to refuse a query that names a column which is not there, or "".

    ``known`` has the database's table for each table of the tree, by its ``id``, ``defined`` the definition for each
    name that a WITH defines. System columns (``ctid``, ``xmin`` …) are in no schema and are refused with the rest.
    """
    sources = _Sources(known, defined)
    for column in tree.find_all(exp.Column):
        if column.args.get("table") is not None and not isinstance(column.this, exp.Star):
            for source in _meant(column):
                if _folded(column.this) not in sources.columns(source):
                    return f"{short(column.table)} has no column {short(column.name)}"
    return ""


class _Sources:
    """The names of the columns that a query's sources have."""

    def __init__(self, known: Mapping[int, Table], defined: Mapping[int, exp.CTE]) -> None:
        self._known = known
        self._defined = defined
        self._found: dict[int, frozenset[str]] = {}

    def columns(self, source: exp.Expr) -> frozenset[str]:
        """The columns of a table, of what a WITH defines, of a subquery or of tables in brackets."""
        if id(source) not in self._found:
            self._found[id(source)] = frozenset(self._columns(source))
        return self._found[id(source)]

    def _columns(self, source: exp.Expr) -> Iterator[str]:
        alias = source.args.get("alias")
        given = [_folded(name) for name in alias.args.get("columns") or ()] if alias is not None else []
        yield from given
        if (table := self._known.get(id(source))) is not None:
            yield from (column.name for column in table.columns[len(given) :])
        elif (definition := self._defined.get(id(source))) is not None:
            yield from self.columns(definition)
        elif isinstance(source, exp.Select):
            for output in source.selects:
                yield from self._outputs(output, source)
        elif isinstance(source, exp.SetOperation):
            yield from self.columns(source.left)
        elif _is_bracket(source):
            for inner in _within(source.this):
                yield from self.columns(inner)
        elif isinstance(source, (exp.Subquery, exp.CTE, exp.Lateral)):
            yield from self.columns(source.this)

    def _outputs(self, output: exp.Expr, query: exp.Select) -> Iterator[str]:
        if isinstance(output, exp.Star):
            for source in _sources(query):
                yield from self.columns(source)
        elif isinstance(output, exp.Column) and isinstance(output.this, exp.Star):
            for source in _meant(output):
                yield from self.columns(source)
        else:
            yield _name_given(output)


def _meant(column: exp.Column) -> Iterator[exp.Expr]:
    """What a column's qualifier may stand for: a source of the nearest query around it that has one so named.

    A place inside a FROM does not see all of that FROM, and looks further out for what it does not see. There all
    that it could be are given, but for a condition of a JOIN, which sees a table of its own FROM.
    """
    nearest = True
    child: exp.Expr = column
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.Select):
            # The definitions of a WITH see nothing of the FROM beside it.
            named = [] if isinstance(child, exp.With) else [one for one in _sources(parent) if _is_called(one, column)]
            yield from named
            inside = isinstance(child, (exp.From, exp.Join, exp.Lateral))
            if named and (not inside or (nearest and any(isinstance(one, exp.Table) for one in named))):
                return
            nearest = False
        child = parent


def _sources(query: exp.Select) -> Iterator[exp.Expr]:
    """What a query's own FROM is made of, what stands in brackets in it included."""
    for part in (query.args.get("from_"), *query.args.get("joins", ()), *query.args.get("laterals", ())):
        if part is not None:
            yield from _within(part)


def _within(part: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(part, (exp.Table, exp.Subquery, exp.Lateral)):
        yield part
    if isinstance(part, (exp.From, exp.Join)) or _is_bracket(part):
        yield from _within(part.this)
    for more in (*part.args.get("joins", ()), *part.args.get("laterals", ())):
        yield from _within(more)


def _is_bracket(node: exp.Expr) -> bool:
    """Whether these are brackets around tables, not around a query."""
    inner = node.this
    return isinstance(node, exp.Subquery) and (
        isinstance(inner, exp.Table)
        or (isinstance(inner, exp.Subquery) and bool(inner.alias or inner.args.get("joins") or _is_bracket(inner)))
    )


def _is_called(source: exp.Expr, column: exp.Column) -> bool:
    alias = source.args.get("alias")
    name = alias.this if alias is not None and alias.this is not None else source.this
    if not isinstance(name, exp.Identifier) or _folded(name) != _folded(column.args["table"]):
        return False
    schemas = [part for part in (source.args.get("db"), column.args.get("db")) if part is not None]
    return len(schemas) < 2 or _folded(schemas[0]) == _folded(schemas[1])


def _name_given(output: exp.Expr) -> str:
    """The name that PostgreSQL gives to a column of a result: its own, or that of the function that makes it."""
    if isinstance(output, (exp.Alias, exp.Column)):
        name = output.args["alias"] if isinstance(output, exp.Alias) else output.this
        return _folded(name)
    if isinstance(output, (exp.Paren, exp.Cast, exp.Bracket, exp.Window, exp.Filter, exp.WithinGroup)):
        inner = _name_given(output.this)
        return inner or (output.to.sql("postgres").lower() if isinstance(output, exp.Cast) else "")
    if isinstance(output, exp.Subquery) and output.selects:
        return _name_given(output.selects[0])
    called = (
        re.match(r"\w+(?=\(|$)|case(?= )", output.sql("postgres").lower()) if isinstance(output, exp.Func) else None
    )
    return called[0] if called else ""


def _folded(identifier: exp.Expr) -> str:
    return identifier.name if identifier.args.get("quoted") else identifier.name.translate(ASCII_LOWER)


def short(name: str) -> str:
    """A name as a message shows it: on one line, not too long."""
    return " ".join(name.split())[:40]
