"""What the names in one SELECT may mean: its tables, those of the queries around it, and those still to come.

A SELECT's items stand before its FROM, so a name is at first only waited for: ``T1.name`` waits for an alias T1 of some
table that has the column. What is waited for decides which tables an alias may be given to, and when FROM may end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlfocus.inference.constraint.dialects import RESERVED

Columns = frozenset[str]
STAR = "*"
MOST_SOURCES = 6
"""How many sources FROM takes that nothing waits for; a small model may else go on joining for ever."""
_NUMBERED = re.compile(r"t(\d{1,2})")


class Invalid(Exception):
    """Nothing that follows can make the text valid; the message says why."""


@dataclass(slots=True)
class Scope:
    """The names of one SELECT.

    Attributes:
        tables: what FROM may name, and its columns: the schema's tables and the CTEs in reach.
        outer: the scope of the query around this one.
        sources: what FROM has named so far, by alias, in order.
        waiting: references before FROM, as (qualifier or None, column, whether an aggregate is around it).
        items: aliases of the SELECT's items; True where one holds an aggregate.
        held: how many columns of each name the sources have; USING and NATURAL make one of two.
        stage: ``items``, ``from`` or ``whole`` (FROM has ended).
    """

    tables: Mapping[str, Columns]
    outer: Scope | None = None
    sources: dict[str, Columns] = field(default_factory=dict)
    waiting: list[tuple[str | None, str, bool]] = field(default_factory=list)
    items: dict[str, bool] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    stage: str = "items"

    def refer(self, qualifier: str | None, column: str, *, items: str = "", in_aggregate: bool = False) -> None:
        """Take note of a reference; see :meth:`knows` for ``items``.

        An aggregate's argument is the query's own: an outer one's would make it the outer query's aggregate.

        Raises:
            Invalid: there is, and can be, nothing that it refers to.
        """
        if not self.knows(qualifier, column, items=items):
            raise Invalid(f"there is no {qualifier + '.' if qualifier else ''}{column}")
        if self.stage == "from" and qualifier is None and any(column in found for found in self.sources.values()):
            self.waiting.append((None, column, False))  # a source that is still to come must not have it too
        if self.stage == "items" and (in_aggregate or qualifier is None or not self._outside(qualifier, column)):
            self.waiting.append((qualifier, column, in_aggregate))

    def knows(
        self, qualifier: str | None, column: str, *, begun: bool = False, bare: bool = False, items: str = ""
    ) -> bool:
        """Whether a reference means something, or can come to: with ``begun``, whether a name that begins so can.

        A ``bare`` name that is only begun does not become a reserved word. ``items`` says which aliases of the
        SELECT's items count: "all", "plain" (those without an aggregate) or "".
        """

        def has(names: Iterable[str]) -> bool:
            if not begun:
                return column in names
            return any(name.startswith(column) and not (bare and name in RESERVED) for name in names)

        if qualifier is not None:
            if qualifier in self.sources:
                return column == STAR or has(self.sources[qualifier])
            if self._outside(qualifier, column, begun=begun, bare=bare):
                return True
            return self.stage == "items" and self._can_wait(qualifier, column, begun=begun)
        if items and has([name for name, aggregate in self.items.items() if items == "all" or not aggregate]):
            return True
        if has(name for name, count in self.held.items() if count == 1) if begun else self.held[column] == 1:
            return True
        if not begun and column in self.held:
            return False  # in two sources
        if self.stage == "items" and any(has(columns) for columns in self.tables.values()):
            return True
        return self._outside(None, column, begun=begun, bare=bare)

    def means(self, column: str, *, items: str = "") -> bool:
        """Whether a word in double quotes is a name: one that is known, or that two sources have, which is an error."""
        scope: Scope | None = self
        while scope is not None:
            if column in scope.held:
                return True
            scope = scope.outer
        return self.knows(None, column, items=items)

    def begins_qualifier(self, text: str) -> bool:
        """Whether a qualifier that means something, or can come to, begins with ``text``."""
        scope: Scope | None = self
        while scope is not None:
            if any(name.startswith(text) for name in scope.sources):
                return True
            if scope.stage == "items" and (
                "t".startswith(text) or _NUMBERED.fullmatch(text) or scope._abbreviates(text)
            ):
                return True
            scope = scope.outer
        return False

    def _abbreviates(self, text: str) -> bool:
        """Whether a table's name begins so, or its words do."""
        return any(
            table.startswith(text) or "".join(word[:1] for word in re.split("[_ ]", table)).startswith(text)
            for table in self.tables
        )

    def add(self, name: str, columns: Columns, *, natural: bool = False) -> Columns:
        """FROM names a source; returns the columns that USING may merge.

        Raises:
            Invalid: the name is taken, or the source lacks a column that it is waited for with.
        """
        if name in self.sources:
            raise Invalid(f"{name} is named twice")
        if not self.fits(name, columns):
            raise Invalid(f"{name} lacks a column that is asked of it")
        common = frozenset(column for column in columns if self.held[column] == 1)
        self.held.update(columns - common if natural else columns)
        self.sources[name] = columns
        return common

    def fits(self, name: str, columns: Columns) -> bool:
        """Whether a table with these columns may be given this alias."""
        return all(column == STAR or column in columns for other, column, _ in self.waiting if other == name)

    def waited_for(self) -> set[str]:
        """Qualifiers that no source has yet."""
        return {name for name, _, _ in self.waiting if name is not None and name not in self.sources}

    def takes(self, table: str, columns: Columns, *, joined: bool = False, natural: bool = False) -> bool:
        """Whether a table may be the next source, behind a comma or ``joined``.

        It may not have a column that is asked for without a qualifier and that another has, unless USING may merge the
        two; in a NATURAL join no column of it may be in two sources before it.

        T1 is the first and T2 the second, as models are trained to write: where the next is waited for, the table has
        to bear it. Beyond :data:`MOST_SOURCES`, only what is waited for may come.
        """
        if natural and any(self.held[column] > 1 for column in columns):
            return False
        bare = {column for qualifier, column, _ in self.waiting if qualifier is None}
        if not joined and any(self.held[column] for column in bare & columns):
            return False
        numbers = [int(found[1]) for name in self.waited_for() if (found := _NUMBERED.fullmatch(name))]
        if numbers and min(numbers) == len(self.sources) + 1 and not self.fits(f"t{min(numbers)}", columns):
            return False
        if len(self.sources) < MOST_SOURCES:
            return True
        return (
            table in self.waited_for()
            or any(self.fits(name, columns) for name in self.waited_for())
            or any(column in columns and column not in self.held for name, column, _ in self.waiting if name is None)
        )

    def before(self, name: str) -> bool:
        """Whether an alias has to wait: T2 while T1 is waited for."""
        found = _NUMBERED.fullmatch(name)
        return found is not None and any(
            int(other[1]) < int(found[1]) for one in self.waited_for() if (other := _NUMBERED.fullmatch(one))
        )

    def may_end(self, name: str | None = None, columns: Columns = frozenset()) -> bool:
        """Whether FROM may end here, all that was waited for being there; ``name`` as one source more."""
        more = columns if name not in self.sources else frozenset[str]()
        for qualifier, column, in_aggregate in self.waiting:
            if qualifier is not None:
                if qualifier in self.sources or qualifier == name:
                    continue
                if in_aggregate or not self._outside(qualifier, column):
                    return False
            else:
                holding = self.held[column] + (column in more)
                if holding == 0 and (in_aggregate or not self._outside(None, column)):
                    return False
                if holding > 1:
                    return False
        return True

    def ambiguous(self) -> str:
        """A column that is waited for without a qualifier and that two sources have; "" where there is none."""
        bare = (column for qualifier, column, _ in self.waiting if qualifier is None)
        return next((column for column in bare if self.held[column] > 1), "")

    def end(self) -> None:
        """FROM ends; what it does not have is the outer query's.

        Raises:
            Invalid: something that was waited for is not there.
        """
        if not self.may_end():
            names = sorted(self.waited_for()) or [column for _, column, _ in self.waiting]
            raise Invalid(f"FROM ends without {', '.join(names)}")
        self.stage = "whole"
        for qualifier, column, _ in self.waiting:
            here = qualifier in self.sources if qualifier else any(column in found for found in self.sources.values())
            if not here and self.outer is not None:
                self.outer.refer(qualifier, column)

    def _outside(self, qualifier: str | None, column: str, *, begun: bool = False, bare: bool = False) -> bool:
        return self.outer is not None and self.outer.knows(qualifier, column, begun=begun, bare=bare)

    def _can_wait(self, qualifier: str, column: str, *, begun: bool) -> bool:
        """Whether some table has this column and the others that the qualifier is waited for with."""
        others = {name for other, name, _ in self.waiting if other == qualifier and name != STAR}
        tables = [self.tables[qualifier]] if qualifier in self.tables else self.tables.values()
        return any(
            others <= columns
            and (column == STAR or (any(name.startswith(column) for name in columns) if begun else column in columns))
            for columns in tables
        )
