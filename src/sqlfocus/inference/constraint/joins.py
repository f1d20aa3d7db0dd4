"""Joins that follow no key: valid SQL that is hardly ever meant.

A small model that does not know the way from one table to another joins them on whatever columns they have: of
Qwen2.5-Coder-0.5B's wrong answers on Spider one in five did, of the gold queries on the same databases none, and of all
of Spider's one in a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlfocus.inference.constraint.cursor import Token
from sqlfocus.schema.key_graph import PLAIN_KEYS
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.words import terms

Column = tuple[str, str]
"""A table's name and a column's, in lower case."""


class JoinKeys:
    """The keys of a database, declared or meant by their names, over which its tables are joined.

    >>> from sqlfocus.schema.parse import parse_mschema
    >>> tables = "# Table: a\\n[\\n(id:INT, Primary Key)\\n]\\n# Table: b\\n[\\n(a_id:INT),\\n(n:INT)\\n]\\n"
    >>> keys = JoinKeys(parse_mschema(tables + "【Foreign keys】\\nb.a_id=a.id"))
    >>> keys.doubtful("b", "a_id", "a", "id"), keys.doubtful("b", "n", "a", "id")
    (False, True)
    """

    def __init__(self, database: Database) -> None:
        self._same: dict[Column, Column] = {}
        """By column another that it equals wherever keys hold; a column without is the one that stands for all."""
        self._linked: dict[str, str] = {}
        """The same for tables that keys connect, however far."""
        self._alone: dict[str, str] = {}
        """Of each table with one its only primary key."""
        self._called: dict[str, set[str]] = {}
        """By what a column that refers to it may be called the tables."""
        for table in database.tables:
            name = table.name.lower()
            primary = [column.name.lower() for column in table.columns if column.primary_key]
            if len(primary) == 1:
                self._alone[name] = primary[0]
            words = terms(table.name)
            for ending in ([], ["id"], ["code"], ["no"]):
                self._called.setdefault(" ".join([*words, *ending]), set()).add(name)
            for key in table.foreign_keys:
                other = key.referenced_table.lower()
                for column, referenced in zip(key.columns, key.referenced_columns, strict=True):
                    one, two = self._of((name, column.lower())), self._of((other, referenced.lower()))
                    if one != two:
                        self._same[one] = two
                first, second = self._part(name), self._part(other)
                if first != second:
                    self._linked[first] = second

    def _of(self, column: Column) -> Column:
        while column in self._same:
            column = self._same[column]
        return column

    def _part(self, table: str) -> str:
        while table in self._linked:
            table = self._linked[table]
        return table

    def doubtful(self, table: str, column: str, other: str, referenced: str) -> bool:
        """Whether a condition ``table.column = other.referenced`` follows no key where keys connect the tables."""
        if table == other:
            if column == referenced:  # each row with itself
                return self._alone.get(table) == column
            return self._of((table, column)) != self._of((other, referenced))
        if self._of((table, column)) == self._of((other, referenced)) or self._part(table) != self._part(other):
            return False
        if column == referenced and column not in PLAIN_KEYS:
            return False
        return not (self._means(column, other, referenced) or self._means(referenced, table, column))

    def _means(self, column: str, table: str, key: str) -> bool:
        """Whether a column is called as one that refers to the table's primary key."""
        return self._alone.get(table) == key and table in self._called.get(" ".join(terms(column)), ())

    def doubts(self, tokens: list[Token]) -> int:
        """How many conditions of joins in a query's beginning are doubtful."""
        return sum(self.doubtful(*condition) for condition in _conditions(tokens))


def _conditions(tokens: list[Token]) -> Iterator[tuple[str, str, str, str]]:
    """The equalities of two qualified columns behind ON, as table, column, table, column."""
    scopes: list[dict[str, str]] = [{}]
    in_join = [False]
    for place, token in enumerate(tokens):
        if token.kind == "sign" and token.text == "(":
            scopes.append({})
            in_join.append(in_join[-1])
        elif token.kind == "sign" and token.text == ")" and len(scopes) > 1:
            scopes.pop()
            in_join.pop()
        elif token.kind != "word":
            continue
        elif token.text == "select":
            scopes[-1] = {}
            in_join[-1] = False
        elif token.text in ("from", "join"):
            in_join[-1] = False
            _name(tokens, place + 1, scopes[-1])
        elif token.text == "on":
            in_join[-1] = True
        elif token.text in ("where", "group", "order", "having", "limit"):
            in_join[-1] = False
        elif in_join[-1]:
            found = _equality(tokens, place)
            if found is not None and tokens[place - 1].text in ("on", "and", "("):
                left, right = _table(scopes, found[0]), _table(scopes, found[2])
                if left and right:
                    yield left, found[1], right, found[3]


def _name(tokens: list[Token], place: int, scope: dict[str, str]) -> None:
    """Take note of a table and its alias behind FROM or JOIN."""
    if place >= len(tokens) or tokens[place].kind not in ("word", "name", '"'):
        return
    table = alias = tokens[place].text
    place += 1
    if place < len(tokens) and tokens[place].text == "as":
        place += 1
    if place < len(tokens) and tokens[place].kind == "word" and tokens[place].text not in _BEHIND:
        alias = tokens[place].text
    scope[alias] = table


_BEHIND = frozenset(
    {"on", "using", "join", "inner", "left", "right", "full", "cross", "natural", "where", "group", "order", "having"}
    | {"limit", "union", "intersect", "except"}
)


def _equality(tokens: list[Token], place: int) -> tuple[str, str, str, str] | None:
    """``a.b = c.d`` at a place, once its last name is whole."""
    parts = tokens[place : place + 7]
    if len(parts) < 7 or parts[-1].begun or [parts[i].text for i in (1, 3, 5)] != [".", "=", "."]:
        return None
    return parts[0].text, parts[2].text, parts[4].text, parts[6].text


def _table(scopes: list[dict[str, str]], name: str) -> str:
    return next((scope[name] for scope in reversed(scopes) if name in scope), "")
