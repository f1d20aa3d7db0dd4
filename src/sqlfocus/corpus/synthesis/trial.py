"""Trying a query on the database: kept only if it runs, returns something, and its question has one answer."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Domain, Entity, Ref, end
from sqlfocus.corpus.synthesis.paths import tables_of
from sqlfocus.corpus.synthesis.profile import BIG, Connection, normal
from sqlfocus.corpus.synthesis.query import (
    AnyOf,
    Combined,
    Extreme,
    Having,
    Measure,
    Order,
    Query,
    Related,
    Select,
    Test,
)
from sqlfocus.corpus.synthesis.sql import render

Rows = list[tuple[Any, ...]]


def measured_low(query: Select) -> bool:
    """Whether the query asks for the groups with the fewest or less than so many."""
    if query.having:
        return query.having.measure.of is None and query.having.op in ("lt", "le")
    if query.limit is None or not (query.group or query.group_path is not None):
        return False
    by = query.order[0].by
    return isinstance(by, Measure) and by.of is None and not query.order[0].descending


def _of_pair(root: Entity, test: Test) -> bool:
    """Whether the test is on one part of a label that has two, as first and last name."""
    label = end(root, test.ref.path).label
    return len(label) > 1 and test.ref.attribute in [ref.attribute for ref in label]


class RejectedError(Exception):
    """The query is no good; the message says why, in words for the summary."""


@dataclass(slots=True)
class Trial:
    """Runs queries of one domain. On big tables they run on the first ``BIG`` rows, so that time stays bounded."""

    domain: Domain
    connection: Connection
    totals: dict[str, int] = field(default_factory=dict)
    big: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.big = frozenset(entity.table for entity in self.domain.entities if entity.rows > BIG)

    def rows(self, query: Query) -> Rows:
        """The result of a query.

        Raises:
            RejectedError: it does not run.
        """
        cut = [table for table in tables_of(query) if table in self.big]
        outcome = self.connection.run(render(query, self.domain.dialect, cut=cut))
        if outcome.error:
            raise RejectedError("does not run")
        return [tuple(normal(value) for value in row) for row in outcome.rows]

    def settle(self, query: Query, rng: Dice) -> tuple[Query, Rows]:
        """The query with what is still open filled in (the value of HAVING), and its result.

        Raises:
            RejectedError: it does not run, gives nothing, gives everything, or its question has no single answer.
        """
        if isinstance(query, Combined):
            return query, self._combined(query)
        if query.having:
            query = self._with_value(query, query.having, rng)
        rows = self.rows(query)
        self._check(query, rows)
        return query, rows

    def _check(self, query: Select, rows: Rows) -> None:
        measures = [output for output in query.outputs if isinstance(output, Measure)]
        if not rows or all(value is None or value == "" for row in rows for value in row):
            raise RejectedError("returns nothing")
        if measures and not query.group and query.group_path is None and any(not value for value in rows[0]):
            raise RejectedError("counts or sums to nothing")
        if any(
            isinstance(output, Ref) and all(row[place] is None for row in rows)
            for place, output in enumerate(query.outputs)
        ):
            raise RejectedError("returns nothing")
        if measures and measures[0].function == "share" and not query.group and not 0 < float(rows[0][0]) < 100:
            raise RejectedError("a condition that changes nothing")
        self._check_conditions(query, rows, measures)
        if query.group or query.group_path is not None:
            if len(rows) < 2 and query.limit is None and not query.having:
                raise RejectedError("only one group")
            if query.outer and all(row[-1] for row in rows):
                raise RejectedError("a condition that changes nothing")
            if any(
                isinstance(output, Ref) and row[place] is None
                for row in rows
                for place, output in enumerate(query.outputs)
            ):
                raise RejectedError("a group without a name")
        if query.limit is not None:
            self._check_ties(query, len(rows))
        if measured_low(query):
            self._check_all_groups_there(query)
        for condition in query.where:
            if isinstance(condition, Extreme):
                parent = condition.path[-1].target
                filled = (Test(condition.ref, "filled"),) if condition.ref.attribute.nulls else ()
                self._check_ties(
                    Select(
                        "", parent, (condition.ref,), filled, order=(Order(condition.ref, condition.greatest),), limit=1
                    ),
                    1,
                )

    def _check_all_groups_there(self, query: Select) -> None:
        """Where the fewest are asked for, there must be no parent without any: the join would not find it."""
        groups = len(self.rows(replace(query, having=None, order=(), limit=None)))
        if query.group_path:
            possible = self.total(end(query.root, query.group_path))
        else:
            ref = query.group[0] if query.group else None
            if not isinstance(ref, Ref) or not ref.path:
                return
            parent = end(query.root, ref.path)
            counted = Measure("count_distinct", Ref((), ref.attribute))
            possible = int(self.rows(Select("", parent, (counted,)))[0][0])
        if groups < possible:
            raise RejectedError("groups of none that the join leaves out")

    def _check_conditions(self, query: Select, rows: Rows, measures: Sequence[Measure]) -> None:
        """Each condition must leave something out: else the answer is right without it."""
        if not query.where or query.group or query.group_path is not None or query.limit is not None:
            conditions = [
                c for c in query.where if not (isinstance(c, Test) and c.op == "filled" and query.limit is not None)
            ]
            if not conditions:
                return
            total = self.total(query.root)
            kept = self._kept(query, query.where)
        elif measures and measures[0].of is None and measures[0].function == "count":
            total, kept = self.total(query.root), int(rows[0][0])
        else:
            total, kept = self.total(query.root), self._kept(query, query.where)
        if kept >= total:
            raise RejectedError("a condition that changes nothing")
        if kept == 0:
            raise RejectedError("returns nothing")
        if len(query.where) > 1:
            for place, condition in enumerate(query.where):
                if isinstance(condition, Test) and condition.op == "filled":
                    continue
                if isinstance(condition, Test) and condition.op == "eq" and _of_pair(query.root, condition):
                    continue  # first and last name single out a person together
                others = (*query.where[:place], *query.where[place + 1 :])
                if self._kept(query, others) == kept:
                    raise RejectedError("a condition that changes nothing")
        for condition in query.where:
            if isinstance(condition, AnyOf) and any(self._kept(query, (test,)) == kept for test in condition.tests):
                raise RejectedError("a condition that changes nothing")

    def _kept(self, query: Select, where: Sequence[Any]) -> int:
        root = query.root
        counted = (
            Measure("count_distinct", Ref((), root.key[0]))
            if len(root.key) == 1 and any(isinstance(c, Related) for c in where)
            else Measure("count")
        )
        return int(self.rows(Select("", root, (counted,), tuple(where)))[0][0])

    def total(self, entity: Entity) -> int:
        """How many rows a query on the entity sees without conditions."""
        if entity.table not in self.totals:
            self.totals[entity.table] = int(self.rows(Select("", entity, (Measure("count"),)))[0][0])
        return self.totals[entity.table]

    def _check_ties(self, query: Select, found: int) -> None:
        assert query.limit is not None
        if found < query.limit:
            raise RejectedError("fewer rows than asked for")
        keys = self.rows(replace(query, outputs=(query.order[0].by,), limit=query.limit + 1))
        if len(keys) <= query.limit:
            raise RejectedError("a condition that changes nothing")
        if keys[query.limit - 1] == keys[query.limit]:
            raise RejectedError("a tie for the last place")
        if keys[0][0] is None:
            raise RejectedError("returns nothing")

    def _with_value(self, query: Select, having: Having, rng: Dice) -> Select:
        """HAVING with a value that keeps some of the groups."""
        values = [
            row[0] for row in self.rows(replace(query, outputs=(having.measure,), having=None)) if row[0] is not None
        ]
        numbers = sorted({float(value) for value in values})
        if len(numbers) < 2:
            raise RejectedError("only one group")
        place = rng.uniform(0.3, 0.9) if having.op in ("gt", "ge") else rng.uniform(0.1, 0.7)
        value = numbers[min(len(numbers) - 1, int(len(numbers) * place))]
        if having.measure.of is None:
            number: float = int(value)
            if number >= 20:
                number = round(number, 1 - math.floor(math.log10(number)))
        else:
            digits = 1 - math.floor(math.log10(abs(value))) if value else 0
            number = round(value, digits)
            number = int(number) if number == int(number) else number
        compare = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}[having.op]
        kept = sum(bool(compare(float(value), number)) for value in values)
        if not 0 < kept < len(values) or (number <= 1 and having.op in ("ge", "lt") and having.measure.of is None):
            raise RejectedError("a condition that changes nothing")
        return replace(query, having=replace(having, value=number))

    def _combined(self, query: Combined) -> Rows:
        left, right, rows = self.rows(query.left), self.rows(query.right), self.rows(query)
        rows = [row for row in rows if row[0] is not None]
        if not rows:
            raise RejectedError("returns nothing")
        if any(row[0] is None for row in left) or set(rows) in (set(left), set(right)):
            raise RejectedError("a condition that changes nothing")
        return rows
