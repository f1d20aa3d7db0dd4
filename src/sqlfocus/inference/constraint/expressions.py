"""Expressions in a query's beginning: operands, operators, calls and references."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sqlfocus.inference.constraint.cursor import Cursor, Goes, Token
from sqlfocus.inference.constraint.dialects import (
    AGGREGATES,
    MANY,
    WINDOW_ONLY,
    WITH_INTERVAL,
    Dialect,
)
from sqlfocus.inference.constraint.scope import STAR, Columns, Invalid, Scope

_OPERATORS = frozenset(
    {"and", "or", "not", "in", "like", "glob", "ilike", "regexp", "rlike", "similar", "between", "is", "escape"}
)
OPERANDS = frozenset(
    {"case", "cast", "exists", "null", "true", "false", "current_date", "current_time", "current_timestamp"}
)
# Where aliases of the items may stand: all of them, or those without an aggregate.
_ITEMS = {"where": "plain", "group": "plain", "having": "all", "order": "all", "plain order": "all", "compound": "all"}


class Expressions(Cursor, ABC):
    """Reads expressions by recursive descent; :class:`Invalid` is raised where one is wrong.

    ``clause`` says where one stands: ``select``, ``on``, ``where``, ``group``, ``having``, ``order`` of groups, ``plain
    order`` of rows, or ``compound``, the order of a set operation.
    """

    def __init__(self, tokens: list[Token], whole: bool, dialect: Dialect) -> None:
        super().__init__(tokens, whole)
        self.dialect = dialect
        self.aggregates = 0  # how many calls of aggregates have been read
        self.matching = False  # the last operator was LIKE

    @abstractmethod
    def query(self, outer: Scope | None, tables: dict[str, Columns], wanted: int | None) -> list[str | None]:
        """Read a query of ``wanted`` columns; returns their names, None for one without."""

    def order(self, scope: Scope, clause: str, columns: int) -> None:
        self.expect("by")
        while True:
            self.ordinal(scope, clause, columns)
            if self.accept("collate"):
                self.take()
            if not self.accept("asc"):
                self.accept("desc")
            if self.accept("nulls"):
                self.take()
            if not self.accept(","):
                return

    def ordinal(self, scope: Scope, clause: str, columns: int) -> None:
        """An expression; a number by itself is a column's place."""
        start = self.at
        self.expression(scope, clause)
        only = self.tokens[start]
        if self.at == start + 1 and only.kind == "number" and not 1 <= float(only.text) <= columns:
            raise Invalid(f"there is no column {only.text}")
        if self.at == start + 1 and only.kind == "number" and clause == "group":
            raise Invalid("GROUP BY a place may be an aggregate's")

    def expression(self, scope: Scope, clause: str, *, in_aggregate: bool = False) -> None:
        """Operands and operators, up to what no expression goes on with."""
        begins = True
        while True:
            while begins and self.accept("not"):
                pass
            self.operand(scope, clause, in_aggregate)
            while True:
                token = self.peek()
                if self.accept("::"):
                    if self.take().begun:
                        raise Goes
                    self.accept("precision")
                    if self.accept("("):
                        self.to_closing()
                    continue
                if token.kind == "sign" and token.text not in ("(", ")", ",", ".", ";"):
                    self.take()
                    begins = False
                    break
                if self.may_become(_OPERATORS if self.matching else _OPERATORS - {"escape"}):
                    raise Goes
                if not self.is_word(_OPERATORS):
                    return
                self.take()
                if token.text == "in":
                    self.group(scope, clause, in_aggregate)
                    continue
                if token.text == "escape" and not self.matching:
                    raise Invalid("ESCAPE belongs to LIKE")
                self.matching = token.text in ("like", "ilike", "glob")
                if token.text == "is":
                    self.accept("not")
                if token.text == "similar":
                    self.expect("to")
                begins = token.text in ("and", "or")
                if token.text != "not":  # behind an operand NOT belongs to IN, LIKE or BETWEEN
                    break

    def group(self, scope: Scope, clause: str, in_aggregate: bool) -> None:
        """A query of one column or a list, in parentheses."""
        self.expect("(")
        if self.is_word({"select", "with"}):
            self.query(scope, dict(scope.tables), 1)
        elif self.may_become({"select", "with"}):
            raise Goes
        else:
            while True:
                self.expression(scope, clause, in_aggregate=in_aggregate)
                if not self.accept(","):
                    break
        self.expect(")")

    def operand(self, scope: Scope, clause: str, in_aggregate: bool) -> None:
        token = self.peek()
        while token.kind == "sign" and set(token.text) <= set("+-~"):
            self.take()
            token = self.peek()
        if token.begun:
            self.begun_operand(scope, clause, token.text, in_aggregate)
        if token.kind == "open":
            if token.text[0] in "`[" and not scope.knows(None, token.text[1:].lower(), begun=True):
                raise Invalid(f"no column begins with {token.text[1:]}")
            raise Goes
        if token.kind in ("string", "number"):
            self.take()
        elif token.kind == "sign" and token.text == "(":
            self.group(scope, clause, in_aggregate)
        elif token.kind == "word" and token.text == "exists":
            self.take()
            self.expect("(")
            self.query(scope, dict(scope.tables), None)
            self.expect(")")
        elif token.kind == "word" and token.text == "case":
            self.case(scope, clause, in_aggregate)
        elif token.kind == "word" and token.text == "cast":
            self.take()
            self.expect("(")
            self.expression(scope, clause, in_aggregate=in_aggregate)
            self.expect("as")
            self.to_closing()
        elif token.kind == "word" and token.text in OPERANDS:
            self.take()
        elif token.kind == "word" and self.is_call(scope, clause, in_aggregate):
            self.call(scope, clause, in_aggregate)
        elif token.kind == "word" and token.text in self.dialect.extra_words and self.special():
            pass
        elif token.kind in ("word", "name", '"'):
            self.reference(scope, clause, in_aggregate)
        else:
            raise Invalid(f"a value is wanted, not {token.text or 'the end'}")

    def is_call(self, scope: Scope, clause: str, in_aggregate: bool) -> bool:
        """Whether a word is a function's name; one with a space behind it at the text's end may be either."""
        if self.at + 1 < len(self.tokens) or self.whole:
            following = self.peek(1)
            return following.kind == "sign" and following.text == "("
        name = self.peek().text
        if name in self.dialect.extra_words or (
            name in self.dialect.functions and not self.misplaced(name, clause, in_aggregate)
        ):
            raise Goes
        return False

    def special(self) -> bool:
        """A literal with a word before it: INTERVAL '1 day', DATE '2024-01-01'."""
        if self.peek().text != "interval" and self.peek(1).kind not in ("string", "open"):
            return False
        interval = self.take().text == "interval"
        if self.take().kind != "string" and interval:
            self.take()
        return True

    def case(self, scope: Scope, clause: str, in_aggregate: bool) -> None:
        self.take()
        if not self.is_word({"when"}):
            if self.may_become({"when"}):
                raise Goes
            self.expression(scope, clause, in_aggregate=in_aggregate)
        while self.accept("when"):
            self.expression(scope, clause, in_aggregate=in_aggregate)
            self.expect("then")
            self.expression(scope, clause, in_aggregate=in_aggregate)
        if self.accept("else"):
            self.expression(scope, clause, in_aggregate=in_aggregate)
        self.expect("end")

    def call(self, scope: Scope, clause: str, in_aggregate: bool) -> None:
        name = self.take().text
        if name in self.dialect.extra_words - self.dialect.functions:
            self.expect("(")
            self.to_closing()
            return
        if name not in self.dialect.functions:
            raise Invalid(f"there is no function {name}")
        if self.misplaced(name, clause, in_aggregate):
            raise Invalid(f"{name} cannot stand here")
        self.aggregates += name in AGGREGATES
        self.expect("(")
        inside = in_aggregate or name in AGGREGATES
        if self.accept(STAR):
            if name != "count":
                raise Invalid(f"{name}(*) means nothing")
        else:
            self.arguments(name, scope, clause, inside)
        self.expect(")")
        if self.at < len(self.tokens) and self.accept("filter"):
            if name not in AGGREGATES:
                raise Invalid(f"{name} is no aggregate, which alone takes FILTER")
            self.expect("(")
            self.expect("where")
            self.expression(scope, "where")
            self.expect(")")
        if name in WINDOW_ONLY:
            self.expect("over")
            self.window(scope, clause)
        elif self.at < len(self.tokens) and self.accept("over"):
            self.window(scope, clause)

    def arguments(self, name: str, scope: Scope, clause: str, in_aggregate: bool) -> None:
        least, most = self.dialect.arguments.get(name, (1, MANY))
        count = 0
        if self.peek().text != ")" or self.peek().kind != "sign":
            if self.accept("distinct"):
                least = most = 1
                if name not in AGGREGATES:
                    raise Invalid(f"{name} is no aggregate, which alone takes DISTINCT")
            while True:
                count += 1
                if count > most:
                    raise Invalid(f"{name} takes {most} arguments at most")
                if count == 2 and name in WITH_INTERVAL and not self.is_word({"interval"}):
                    if self.may_become({"interval"}):
                        raise Goes
                    raise Invalid(f"{name} needs an interval")
                self.expression(scope, clause, in_aggregate=in_aggregate)
                if not self.accept(","):
                    break
            if self.accept("order"):
                if name not in AGGREGATES or not self.dialect.ordered_arguments:
                    raise Invalid(f"{name} takes no ORDER BY")
                self.order(scope, clause, 0)
        if count < least:
            raise Invalid(f"{name} needs {least} arguments")

    def window(self, scope: Scope, clause: str) -> None:
        self.expect("(")
        if self.accept("partition"):
            self.expect("by")
            while True:
                self.expression(scope, clause)
                if not self.accept(","):
                    break
        if self.accept("order"):
            self.order(scope, clause, 0)
        self.to_closing()

    def to_closing(self) -> None:
        """Up to the parenthesis that closes, names in between unread."""
        depth = 1
        while depth:
            token = self.take()
            if token.kind == "end":
                raise Invalid(") is wanted")
            depth += (token.text == "(") - (token.text == ")")

    def misplaced(self, function: str, clause: str, in_aggregate: bool) -> bool:
        """Whether an aggregate, a window's function, or in a compound's order any call, cannot stand here."""
        if clause == "compound":
            return True
        if function in WINDOW_ONLY and (in_aggregate or clause not in ("select", "order", "plain order")):
            return True
        return function in AGGREGATES and (in_aggregate or clause in ("where", "on", "group", "limit", "plain order"))

    def reference(self, scope: Scope, clause: str, in_aggregate: bool) -> None:
        token = self.take()
        items = _ITEMS.get(clause, "")
        if self.at < len(self.tokens) and self.peek().kind == "sign" and self.peek().text == ".":
            self.take()
            if clause != "compound" and not scope.knows(token.text, "", begun=True):
                raise Invalid(f"there is no {token.text}")
            column = self.peek()
            bare = column.kind == "word"
            if column.kind == "open":
                column = Token("word", column.text[1:].lower(), begun=True)
            if clause == "compound":  # a column of the result by its name
                if column.begun and any(name.startswith(column.text) for name in scope.items):
                    raise Goes
                if column.begun or self.take().text not in scope.items:
                    raise Invalid(f"the result has no column {column.text}")
                return
            if column.begun:
                if scope.knows(token.text, column.text, begun=True, bare=bare):
                    raise Goes
                raise Invalid(f"no column of {token.text} begins with {column.text}")
            self.take()
            scope.refer(token.text, column.text, in_aggregate=in_aggregate)
        elif token.kind != '"' or scope.means(token.text, items=items):  # else it is a string
            scope.refer(None, token.text, items=items, in_aggregate=in_aggregate)

    def begun_operand(self, scope: Scope, clause: str, text: str, in_aggregate: bool) -> None:
        """A word at the text's end that may go on: is there anything that it may become?"""
        items = _ITEMS.get(clause, "")
        functions = (name for name in self.dialect.functions if not self.misplaced(name, clause, in_aggregate))
        if (
            any(word.startswith(text) for word in (*OPERANDS, *self.dialect.extra_words))
            or any(name.startswith(text) for name in functions)
            or scope.knows(None, text, begun=True, bare=True, items=items)
            or scope.begins_qualifier(text)
        ):
            raise Goes
        raise Invalid(f"nothing begins with {text}")
