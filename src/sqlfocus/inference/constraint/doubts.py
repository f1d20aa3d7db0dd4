"""What in a query is valid SQL, but hardly ever meant.

A small model says such things often: on databases that it had not seen 47 % of SmolLM2-135M's wrong answers had one, of
its right ones 5 %, and of Spider's gold queries 1 %. Nothing is refused for it; it counts against an answer
(:mod:`sqlfocus.inference.search`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlglot import exp

from sqlfocus.inference.constraint.cursor import read_tokens
from sqlfocus.inference.constraint.dialects import DIALECTS
from sqlfocus.inference.constraint.joins import Column, JoinKeys
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.words import folded_words
from sqlfocus.sql import NOT_SQL, parse_one

_ON = re.compile(r"\bon\b", re.IGNORECASE)
_NUMBER = re.compile(r"INT|REAL|NUM|DEC|DOUB|FLOA")
_NUMBER_LIKE = re.compile(r"[%_\s\d.,:/+-]*")
_ORDERED = (exp.GT, exp.GTE, exp.LT, exp.LTE)


class Doubts:
    """Says what is doubtful in queries on one database.

    >>> from sqlfocus.schema.parse import parse_mschema
    >>> doubts = Doubts(parse_mschema("# Table: town\\n[\\n(id:INTEGER, Primary Key),\\n(name:TEXT)\\n]"))
    >>> doubts.of("SELECT name FROM town WHERE id = 'Oslo'"), doubts.of("SELECT name FROM town WHERE name = 'Oslo'")
    (['town.id holds numbers and is compared with a text'], [])
    """

    def __init__(self, database: Database) -> None:
        self._dialect = database.dialect
        self._values = database.values
        self._double_quoted_strings = DIALECTS[database.dialect].double_quoted_strings
        self._joins = JoinKeys(database)
        self._numbers: dict[Column, bool] = {}
        """The columns, and whether they hold numbers."""
        self._names = {column.name.lower() for table in database.tables for column in table.columns}
        self._keys: set[Column] = set()
        for table in database.tables:
            name = table.name.lower()
            for column in table.columns:
                self._numbers[name, column.name.lower()] = bool(_NUMBER.search(column.type.upper()))
                if column.primary_key:
                    self._keys.add((name, column.name.lower()))
            for key in table.foreign_keys:
                self._keys |= {(name, column.lower()) for column in key.columns}
                self._keys |= {(key.referenced_table.lower(), column.lower()) for column in key.referenced_columns}

    def named(self, question: str) -> tuple[tuple[str, ...], ...]:
        """What :meth:`unnamed` takes of a question."""
        return self._values.named(question) if self._values is not None else ()

    @staticmethod
    def unnamed(named: Sequence[Sequence[str]], sql: str) -> int:
        """How many of the values that a question names a query does not."""
        text = f" {folded_words(sql)} " if named else ""
        return sum(not any(f" {words} " in text for words in values) for values in named)

    def in_beginning(self, text: str) -> int:
        """How many joins in a query's beginning follow no key."""
        if not _ON.search(text):
            return 0
        return self._joins.doubts(read_tokens(text, False, self._double_quoted_strings))

    def of(self, sql: str) -> list[str]:
        """What is doubtful in a query, one line each; nothing where it is no SQL."""
        joins = self._joins.doubts(read_tokens(sql, True, self._double_quoted_strings)) if _ON.search(sql) else 0
        found = ["two tables are joined on columns that no key relates"] * joins
        try:
            tree = parse_one(sql, self._dialect)
            found += dict.fromkeys(self._found(tree.transform(self._string, copy=False)))
        except NOT_SQL:
            pass
        return found

    def _string(self, node: exp.Expr) -> exp.Expr:
        """The string that SQLite takes a name in double quotes for, where no column is called so."""
        if not (isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier) and node.this.quoted):
            return node
        return node if node.table or node.name.lower() in self._names else exp.Literal.string(node.name)

    def _found(self, tree: exp.Expr) -> Iterator[str]:
        for node in tree.walk():
            if isinstance(node, exp.Avg | exp.Sum) and isinstance(node.this, exp.Column):
                column = self._column(node.this)
                if column in self._keys:
                    yield f"a sum or an average of {_named(column)}, which is a key"
            elif isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Like):
                yield from self._in_comparison(node)
            elif isinstance(node, exp.In):
                yield from self._in_membership(node)
            elif isinstance(node, exp.And) and not isinstance(node.parent, exp.And):
                yield from _in_conditions(node)
            elif isinstance(node, exp.Select):
                yield from _in_select(node)
            elif isinstance(node, exp.SetOperation):
                yield from self._in_set_operation(node)

    def _in_comparison(self, node: exp.Binary) -> Iterator[str]:
        left, right = node.left, node.right
        if isinstance(left, exp.Literal):
            left, right = right, left
        if not isinstance(left, exp.Column):
            return
        column = self._column(left)
        if isinstance(right, exp.Literal) and column is not None:
            if self._misplaced(column, right) and isinstance(node, exp.EQ | exp.NEQ):
                yield f"{_named(column)} does not have the value {right.this}, which stands elsewhere"
            elif right.is_string and self._numbers.get(column) and not _NUMBER_LIKE.fullmatch(right.this):
                yield f"{_named(column)} holds numbers and is compared with a text"
            elif isinstance(node, _ORDERED) and column in self._keys and column[1].endswith("id"):
                yield f"{_named(column)} is a key, of which more and less mean nothing"
        elif isinstance(right, exp.Column):
            other = self._column(right)
            if left == right:
                yield "a column is compared with itself"
            elif isinstance(node, exp.EQ) and self._unrelated(column, other) and not node.find_ancestor(exp.Join):
                yield f"{_named(column)} and {_named(other)} are compared, and no key relates them"

    def _in_membership(self, node: exp.In) -> Iterator[str]:
        if isinstance(node.this, exp.Column):
            column = self._column(node.this)
            for value in node.expressions:
                if self._misplaced(column, value):
                    yield f"{_named(column)} does not have the value {value.this}, which stands elsewhere"
        query = node.args.get("query")
        inner = query.this if isinstance(query, exp.Subquery) else query
        while isinstance(inner, exp.SetOperation):
            inner = inner.left
        if not (isinstance(node.this, exp.Column) and isinstance(inner, exp.Select) and len(inner.expressions) == 1):
            return
        selected = inner.expressions[0]
        if not isinstance(selected, exp.Column):
            return
        column, other = self._column(node.this), self._column(selected)
        if column is not None and column == other:
            if not any(inner.args.get(part) for part in ("where", "joins", "group", "having", "limit")):
                yield f"{_named(column)} is looked for among its own values"
        elif self._unrelated(column, other):
            yield f"{_named(column)} is looked for in {_named(other)}, and no key relates them"

    def _misplaced(self, column: Column | None, value: exp.Expr) -> bool:
        """Whether a text is none of a column's values and yet one of the database's, or spelt otherwise."""
        if self._values is None or column is None or not (isinstance(value, exp.Literal) and value.is_string):
            return False
        # MySQL's usual collations take "oslo" for "Oslo".
        return self._values.misplaces(*column, value.this, spelling=self._dialect != "mysql")

    def _in_set_operation(self, node: exp.SetOperation) -> Iterator[str]:
        left, right = node.left, node.right
        if left == right:
            yield "two halves that are the same"
        elif isinstance(node, exp.Except | exp.Intersect) and isinstance(left, exp.Select):
            pairs = zip(left.expressions, right.expressions if isinstance(right, exp.Select) else (), strict=False)
            for one, two in pairs:
                if isinstance(one, exp.Column) and isinstance(two, exp.Column):
                    column, other = self._column(one), self._column(two)
                    if self._unrelated(column, other):
                        yield f"{_named(column)} is set against {_named(other)}, and no key relates them"

    def _unrelated(self, column: Column | None, other: Column | None) -> bool:
        return bool(column and other and column != other and self._joins.doubtful(*column, *other))

    def _column(self, column: exp.Column) -> Column | None:
        """The table's column that a name stands for; None where that is not clear."""
        node: exp.Expr | None = column
        while node is not None:
            if isinstance(node, exp.Select):
                sources = _sources(node)
                if column.table:
                    if column.table.lower() in sources:
                        table = sources[column.table.lower()]
                        return (table, column.name.lower()) if table else None
                else:
                    if None in sources.values():
                        return None
                    for table in sources.values():
                        if table and (table, column.name.lower()) in self._numbers:
                            return table, column.name.lower()
            node = node.parent
        return None


def _sources(select: exp.Select) -> dict[str, str | None]:
    """By alias the tables of a SELECT's own FROM; None for what is no table."""
    start = select.args.get("from_")
    sources = [start.this] if start else []
    sources += [join.this for join in select.args.get("joins") or ()]
    return {
        str(source.alias_or_name).lower(): source.name.lower() if isinstance(source, exp.Table) else None
        for source in sources
    }


def _named(column: Column | None) -> str:
    return ".".join(column or ())


def _in_conditions(node: exp.And) -> Iterator[str]:
    """Of conditions that all have to hold: one twice, or a column that is to equal two values."""
    conditions = list(node.flatten())
    if len({_text(condition) for condition in conditions}) < len(conditions):
        yield "a condition stands there twice"
    equal: dict[str, set[str]] = {}
    for condition in conditions:
        if isinstance(condition, exp.EQ) and isinstance(condition.right, exp.Literal):
            equal.setdefault(_text(condition.left), set()).add(condition.right.this)
    if any(len(values) > 1 for values in equal.values()):
        yield "a column is to equal two values at once"


def _in_select(select: exp.Select) -> Iterator[str]:
    joins = select.args.get("joins") or ()
    conditions = [select.args.get("where"), *(join.args.get("on") for join in joins)]
    related = {table for condition in conditions if condition is not None for table in _related(condition)}
    for join in joins:
        if "" in related or join.args.get("using") or join.method == "NATURAL":
            continue  # names without a table may be anyone's
        if str(join.this.alias_or_name).lower() not in related:
            yield "a join without a condition"
    selected = select.expressions
    if len({_text(one) for one in selected}) < len(selected):
        yield "a column is selected twice"
    group, order = select.args.get("group"), select.args.get("order")
    if group is None:
        aggregates = [_aggregates(select, one) for one in selected]
        if any(aggregates) and any(
            not aggregate and one.find(exp.Column) for aggregate, one in zip(aggregates, selected, strict=True)
        ):
            yield "a column beside an aggregate, without GROUP BY"
        if order is not None and not any(aggregates) and _aggregates(select, order):
            yield "an order by an aggregate, without GROUP BY"
    elif not _aggregates(select, select):
        yield "GROUP BY without an aggregate"


def _related(condition: exp.Expr) -> Iterator[str]:
    """The tables whose columns are compared with other columns; "" where a column names none."""
    for one in condition.find_all(exp.Binary):
        if isinstance(one.left, exp.Column) and isinstance(one.right, exp.Column):
            yield one.left.table.lower()
            yield one.right.table.lower()


def _aggregates(select: exp.Select, node: exp.Expr) -> bool:
    """Whether there is an aggregate of this SELECT's own in a part of it."""
    return any(one.find_ancestor(exp.Select) is select for one in node.find_all(exp.AggFunc))


def _text(node: exp.Expr) -> str:
    return node.sql().lower()
