"""What a context-free grammar cannot see: whether the names in a query's beginning can all come to mean something.

:class:`Names` reads the beginning of a query from left to right, however it ends, and says whether it can go on to one
that its database takes: aliases that have the columns asked of them, no column of two tables without a qualifier,
aggregates where they may be, as many columns as are wanted. It counts on the grammar for the form.

PICARD (Scholak et al., 2021, arXiv 2109.05093) parses candidates token by token for the same end.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from sqlfocus.inference.constraint.cursor import Goes, Token, read_tokens
from sqlfocus.inference.constraint.dialects import DIALECTS, RESERVED
from sqlfocus.inference.constraint.expressions import OPERANDS, Expressions
from sqlfocus.inference.constraint.scope import STAR, Columns, Invalid, Scope
from sqlfocus.schema.mschema import Database

_SETS = frozenset({"union", "intersect", "except"})
_ENDERS = frozenset({"where", "group", "having", "order", "limit"}) | _SETS
_JOINS = frozenset({"join", "inner", "left", "right", "full", "cross", "natural"})


class Names:
    """The names that queries on one database may use."""

    def __init__(self, database: Database) -> None:
        self.dialect = DIALECTS[database.dialect]
        self.tables: dict[str, Columns] = {}
        for table in database.tables:
            columns = frozenset(column.name.lower() for column in table.columns)
            path = f"{table.schema}.{table.name}" if table.schema else table.name
            self.tables[path.lower()] = columns

    def words(self) -> frozenset[str]:
        """The words that a query may have outside strings, in lower case, besides aliases that it makes up."""
        names = [*self.tables, *(column for columns in self.tables.values() for column in columns)]
        numbered = [f"t{number}" for number in range(1, 10)]
        own = {word for name in names for word in re.findall(r"\w+", name)}
        return frozenset({*own, *numbered, *RESERVED, *OPERANDS, *self.dialect.functions, *self.dialect.extra_words})

    def wrong(self, text: str, *, whole: bool = False) -> str:
        """Why ``text`` is not the beginning of a query whose names mean something; "" where it is.

        With ``whole`` it is to be such a query.
        """
        reader = _Reader(read_tokens(text, whole, self.dialect.double_quoted_strings), whole, self)
        try:
            reader.statement()
        except Goes:
            return ""
        except Invalid as error:
            return str(error)
        return ""


class _Reader(Expressions):
    """Reads queries by recursive descent."""

    def __init__(self, tokens: list[Token], whole: bool, names: Names) -> None:
        super().__init__(tokens, whole, names.dialect)
        self.names = names

    def statement(self) -> None:
        self.query(None, dict(self.names.tables), None)
        self.accept(";")
        if self.peek().kind != "end":
            raise Invalid(f"{self.peek().text} is behind the query's end")

    def query(self, outer: Scope | None, tables: dict[str, Columns], wanted: int | None) -> list[str | None]:
        """A query with its CTEs and set operations, of ``wanted`` columns; returns its columns' names (or None)."""
        tables = dict(tables)
        if self.accept("with"):
            self.ctes(outer, tables)
        columns, scope, grouped = self.select(outer, tables, wanted)
        compound = False
        while self.is_word(_SETS):
            compound = True
            self.take()
            self.accept("all")
            self.select(outer, tables, len(columns))
        if self.may_become(_SETS | {"order", "limit"}):
            raise Goes
        if self.accept("order"):
            if compound:  # only the result's columns are in reach
                scope = Scope({}, items=dict.fromkeys((name for name in columns if name), False), stage="whole")
            self.order(
                self.within(scope), "compound" if compound else "order" if grouped else "plain order", len(columns)
            )
        if self.accept("limit"):
            self.take()
            if self.accept("offset") or self.accept(","):
                self.take()
        return columns

    def ctes(self, outer: Scope | None, tables: dict[str, Columns]) -> None:
        self.accept("recursive")
        while True:
            name, columns = self.name(), list[str]()
            if self.accept("("):
                while not self.accept(")"):
                    columns.append(self.name())
                    self.accept(",")
            self.expect("as")
            self.expect("(")
            reach = {**tables, name: frozenset(columns)} if columns else tables
            found = self.query(outer, reach, len(columns) or None)
            self.expect(")")
            tables[name] = frozenset(columns or (column for column in found if column))
            if not self.accept(","):
                return

    def select(
        self, outer: Scope | None, tables: dict[str, Columns], wanted: int | None
    ) -> tuple[list[str | None], Scope, bool]:
        """One SELECT: its columns, its names, and whether its rows are groups, which an aggregate may order."""
        scope = Scope(tables, outer)
        self.expect("select")
        if not self.accept("distinct"):
            self.accept("all")
        aggregates = self.aggregates
        columns = self.items(scope, wanted)
        grouped = self.aggregates > aggregates
        if self.accept("from"):
            self.sources(scope)
        if not scope.sources and any(column is not None and column.endswith(STAR) for column in columns):
            raise Invalid("* needs a FROM")
        scope.end()
        spread: list[str | None] = []
        for column in columns:
            if column is not None and column.endswith(STAR):
                for name, found in scope.sources.items():
                    if column in (STAR, f"{name}.{STAR}"):
                        spread += sorted(found)
            else:
                spread.append(column)
        if wanted is not None and len(spread) != wanted:
            raise Invalid(f"{wanted} columns are wanted, not {len(spread)}")
        if self.accept("where"):
            self.expression(scope, "where")
        if self.accept("group"):
            grouped = True
            self.expect("by")
            while True:
                self.ordinal(self.within(scope), "group", len(spread))
                if not self.accept(","):
                    break
            if self.accept("having"):
                self.expression(scope, "having")
        return spread, scope, grouped

    def within(self, scope: Scope) -> Scope:
        """The names that ORDER BY and GROUP BY may use."""
        return scope if self.dialect.outer_in_order else dataclasses.replace(scope, outer=None)

    def items(self, scope: Scope, wanted: int | None) -> list[str | None]:
        """The columns' names as far as FROM is not needed for them: a star stands for itself."""
        columns: list[str | None] = []
        stars = False
        while True:
            star = self.star(scope)
            if star:
                if wanted == 1:
                    raise Invalid("one column is wanted, not *")
                stars = True
                columns.append(star)
            else:
                columns.append(self.item(scope, None if wanted is None or stars else wanted - len(columns)))
            if not self.accept(","):
                break
            if wanted is not None and not stars and len(columns) >= wanted:
                raise Invalid(f"{wanted} columns are wanted, not more")
        if wanted is not None and not stars and len(columns) < wanted:
            raise Invalid(f"{wanted} columns are wanted, not {len(columns)}")
        return columns

    def star(self, scope: Scope) -> str | None:
        """``*`` or ``alias.*``, if that is next."""
        if self.accept(STAR):
            return STAR
        ahead = self.tokens[self.at : self.at + 3]
        if (
            len(ahead) < 3
            or ahead[0].kind not in ("word", "name", '"')
            or (ahead[1].text, ahead[2].text) != (".", STAR)
        ):
            return None
        self.at += 3
        scope.refer(ahead[0].text, STAR)
        return f"{ahead[0].text}.{STAR}"

    def item(self, scope: Scope, left: int | None) -> str | None:
        """An expression with its alias; ``left`` columns are wanted from it on. Returns the column's name."""
        start, aggregates = self.at, self.aggregates
        self.expression(scope, "select")
        last = self.tokens[self.at - 1]
        plain = self.at - start in (1, 3) and last.kind in ("word", "name", '"') and last.text not in OPERANDS
        name = last.text if plain else None
        token = self.peek()
        if self.accept("as"):
            alias = self.take()
            if alias.begun:
                raise Goes
            name = alias.text.strip("'\"`")
            scope.items[name] = self.aggregates > aggregates
        elif token.begun:
            ends = {"from"} if left is None or left == 1 else set()
            if scope.may_end():
                ends |= _ENDERS - {"having"}
            if not self.may_become(ends) and (len(token.text) > 2 or token.text in RESERVED):
                raise Invalid(f"{token.text} cannot stand behind an item")
            raise Goes
        elif token.kind == "word" and token.text not in _ENDERS | {"from"}:
            if len(token.text) > 2:  # as above, so that what is wrong at its end was wrong from its beginning
                raise Invalid(f"{token.text} cannot stand behind an item")
            name = self.take().text
            scope.items[name] = self.aggregates > aggregates
        return name

    def sources(self, scope: Scope) -> None:
        scope.stage = "from"
        joined = natural = False
        while True:
            table, columns = self.source(scope, joined=joined, natural=natural)
            name = self.alias(scope, table, columns) or table or f"({len(scope.sources)})"
            common = scope.add(name, columns, natural=natural)  # those that USING may name
            if joined and not natural:
                if common and self.accept("using"):
                    self.using(scope, common)
                elif not scope.ambiguous() and self.accept("on"):
                    self.expression(scope, "on")
            if scope.ambiguous():
                self.peek()  # USING may still be to come
                raise Invalid(f"{scope.ambiguous()} is a column of two tables")
            if self.may_become(_JOINS | (_ENDERS - {"having"} if scope.may_end() else frozenset())):
                raise Goes
            if self.peek().begun:
                raise Invalid(f"{self.peek().text} cannot stand in FROM")
            joined, natural = self.is_word(_JOINS), False
            while joined and (word := self.take().text) != "join":
                natural |= word == "natural"
                if self.may_become(_JOINS | {"outer"}):
                    raise Goes
                if not self.is_word(_JOINS | {"outer"}):
                    raise Invalid(f"JOIN is wanted, not {self.peek().text}")
            if not joined and not self.accept(","):
                return

    def source(self, scope: Scope, *, joined: bool, natural: bool) -> tuple[str | None, Columns]:
        """A table's name, None for a query in parentheses, and its columns."""
        if self.accept("("):
            found = self.query(scope.outer, dict(scope.tables), None)
            self.expect(")")
            return None, frozenset(column for column in found if column)
        token = self.take()
        name = token.text
        takes = functools.partial(scope.takes, joined=joined, natural=natural)
        hidden = RESERVED if token.kind == "word" else frozenset[str]()
        if token.kind == "open":
            token = Token("word", name[1:].lower(), begun=True)
            name = token.text
        while not token.begun and self.at < len(self.tokens) and self.peek().text == ".":  # a schema before it
            self.take()
            token = self.take()
            name = f"{name}.{token.text}"
        if token.begun:
            if any(
                table.startswith(name) and table not in hidden and takes(table, found)
                for table, found in scope.tables.items()
            ):
                raise Goes
            raise Invalid(f"no table that fits begins with {name}")
        if name not in scope.tables:
            raise Invalid(f"there is no table {name}")
        if not takes(name, scope.tables[name]):
            raise Invalid(f"the table {name} does not fit")
        return name.rpartition(".")[2], scope.tables[name]

    def alias(self, scope: Scope, table: str | None, columns: Columns) -> str | None:
        explicit = self.accept("as")
        token = self.peek()
        if not explicit:
            following = _JOINS | {"on", "using"}
            if token.kind != "word" or (not token.begun and token.text in _ENDERS | following):
                return None
            if table in scope.sources:
                following = frozenset()  # a table's second time needs an alias
            elif scope.may_end(table, columns):
                following |= _ENDERS - {"having"}
            if self.may_become(following):
                raise Goes
            words = _ENDERS | _JOINS | {"on", "using"}
            begins = len(token.text) > 1 and any(word.startswith(token.text) for word in words)
            waited = any(name.startswith(token.text) for name in scope.waited_for())
            if (len(token.text) > 3 and not waited) or token.text in RESERVED or begins:
                raise Invalid(f"{token.text} cannot stand behind a table")
        self.take()
        if not token.begun:
            if scope.before(token.text):
                raise Invalid(f"{token.text} comes before another that is waited for")
            return token.text
        # Any new name will do, and of those that are waited for one that this table can bear.
        bearable = {name for name in scope.waited_for() if scope.fits(name, columns)}
        longer = any(name != token.text and name.startswith(token.text) for name in bearable)
        taken = token.text in (scope.waited_for() - bearable) | scope.sources.keys() or scope.before(token.text)
        if taken and not longer:
            raise Invalid(f"{token.text} cannot be this table's alias")
        raise Goes

    def using(self, scope: Scope, common: Columns) -> None:
        merged = set[str]()  # named twice, a column is merged once
        self.expect("(")
        while not self.accept(")"):
            if self.may_become(common):
                raise Goes
            column = self.take().text
            if column not in common:
                raise Invalid(f"USING needs a column of both sides, not {column}")
            merged.add(column)
            self.accept(",")
        scope.held.subtract(merged)
