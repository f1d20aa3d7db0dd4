"""Is this SQL right? Two results are compared, that of a prediction and that of the gold query.

The rule ``spider`` is execution accuracy (EX) as the Spider benchmark's evaluator defines it on one database (Zhong et
al., 2020, https://arxiv.org/abs/2010.02840): the results have the same rows, as often, in some order of the columns;
the rows' order counts where the gold query orders its result. The rule ``bird`` is BIRD's (Li et al., 2023,
https://arxiv.org/abs/2305.03111): the sets of rows are equal, columns in their order. docs/evaluation.md says where the
verdicts differ from those of the benchmarks' own programs, and why.

When two values are equal:

- numbers, if their values are (``1`` and ``1.0``); where one is a float, they may differ by a billionth of their size
  or by 1e-12, which is the noise of summing in another order;
- texts, if they are the same characters; a text never equals a number; bytes never equal a text;
- NULL equals NULL.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Any

from sqlglot import exp

from sqlfocus.execution.runner import Result
from sqlfocus.sql import parse_one

RULES = ("spider", "bird")
RELATIVE_TOLERANCE = 1e-9
ABSOLUTE_TOLERANCE = 1e-12
# Visits to a cell before the search for an order of columns gives up; only results built for the purpose need so many.
MOST_VISITS = 20_000_000

Row = tuple[Any, ...]


class Verdict(str, Enum):
    """What became of one prediction."""

    RIGHT = "right"
    WRONG = "wrong"
    UNPARSABLE = "unparsable"
    """No SQL of the dialect."""
    REFUSED = "refused"
    """The guard does not let it run."""
    ERROR = "error"
    """It does not run."""
    TIMEOUT = "timeout"
    GOLD_FAILED = "gold_failed"
    """The gold query does not run or its result is cut at a limit: the question says nothing of the model."""


def compare(predicted: Result, gold: Result, *, ordered: bool, rule: str = "spider") -> Verdict:
    """Compare a prediction's result with the gold query's; ``ordered`` says that the order of rows counts.

    A predicted result that is cut at a limit is wrong: it is longer than the gold one, which is whole.

    >>> gold = Result(("name", "age"), [("Ann", 3), ("Bo", 4)])
    >>> compare(Result(("age", "name"), [(4.0, "Bo"), (3.0, "Ann")]), gold, ordered=False).value
    'right'
    >>> compare(Result(("age", "name"), [(4.0, "Bo"), (3.0, "Ann")]), gold, ordered=True).value
    'wrong'
    """
    if gold.error or gold.truncated:
        return Verdict.GOLD_FAILED
    if predicted.error:
        return Verdict.TIMEOUT if predicted.timed_out else Verdict.ERROR
    if predicted.truncated:
        return Verdict.WRONG
    same = _same_set if rule == "bird" else _same_rows
    return Verdict.RIGHT if same(predicted.rows, gold.rows, ordered) else Verdict.WRONG


def orders_its_result(sql: str, *, dialect: str = "sqlite") -> bool:
    """Whether the query as a whole has an ORDER BY; one in a subquery orders nothing that is seen.

    >>> orders_its_result("SELECT a FROM t WHERE b = (SELECT b FROM t ORDER BY c LIMIT 1)")
    False

    Raises:
        sqlglot.errors.SqlglotError: the text is not SQL.
    """
    tree: exp.Expr | None = parse_one(sql, dialect)
    while isinstance(tree, exp.Subquery) and not tree.args.get("order"):
        tree = tree.this
    return tree is not None and tree.args.get("order") is not None


def _same_set(first: Sequence[Row], second: Sequence[Row], ordered: bool) -> bool:
    first, second = _canonical(first, second)
    return set(first) == set(second)


def _same_rows(first: Sequence[Row], second: Sequence[Row], ordered: bool) -> bool:
    """Whether some order of ``first``'s columns makes its rows those of ``second``."""
    if not first and not second:
        return True
    if len(first) != len(second) or len(first[0]) != len(second[0]):
        return False
    first, second = _canonical(first, second)
    if first == second:
        return True
    columns, wanted = list(zip(*first, strict=True)), list(zip(*second, strict=True))
    if ordered:
        # The rows stay where they are, so that each column has to be found as it is.
        return Counter(columns) == Counter(wanted)
    return _ColumnSearch(columns, wanted).found()


class _ColumnSearch:
    """Looks for an order of ``columns`` in which the bag of rows is that of ``wanted``.

    Columns are placed one after another, each only where its bag of values is the same, and each time the rows so far
    are compared as bags: a wrong placement is seen at once, so that even wide results take milliseconds. Equal columns
    are tried once.
    """

    def __init__(self, columns: list[Row], wanted: list[Row]) -> None:
        self._columns = columns
        self._visits = MOST_VISITS
        bags, wanted_bags = [Counter(column) for column in columns], [Counter(column) for column in wanted]
        fits = [[place for place, bag in enumerate(bags) if bag == other] for other in wanted_bags]
        # The column with the fewest candidates first.
        order = sorted(range(len(wanted)), key=lambda place: len(fits[place]))
        self._wanted = [wanted[place] for place in order]
        self._fits = [fits[place] for place in order]

    def found(self) -> bool:
        rows = len(self._columns[0])
        return all(self._fits) and self._place(0, [0] * rows, [0] * rows, frozenset())

    def _place(self, depth: int, mine: list[int], theirs: list[int], used: frozenset[int]) -> bool:
        """Place the columns from ``depth`` on; ``mine`` and ``theirs`` number the rows so far, equal ones alike."""
        if depth == len(self._wanted):
            return True
        tried: set[Row] = set()
        for candidate in self._fits[depth]:
            column = self._columns[candidate]
            if candidate in used or column in tried:
                continue
            tried.add(column)
            self._visits -= 2 * len(column)
            if self._visits < 0:
                return False
            numbers: dict[tuple[int, Hashable], int] = {}
            longer = _numbered(zip(mine, column, strict=True), numbers)
            wanted = _numbered(zip(theirs, self._wanted[depth], strict=True), numbers)
            if Counter(longer) == Counter(wanted) and self._place(depth + 1, longer, wanted, used | {candidate}):
                return True
        return False


def _numbered(keys: Iterable[tuple[int, Hashable]], numbers: dict[tuple[int, Hashable], int]) -> list[int]:
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _canonical(first: Sequence[Row], second: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of both with values that Python finds equal where the rule does, and only there.

    Floats that are equal up to the tolerance are given one value, the smallest of their cluster.
    """
    first = [tuple(_plain(value) for value in row) for row in first]
    second = [tuple(_plain(value) for value in row) for row in second]
    floats = {value for rows in (first, second) for row in rows for value in row if isinstance(value, float)}
    if not floats:
        return first, second
    integers = {value for rows in (first, second) for row in rows for value in row if isinstance(value, int)}
    numbers = sorted(floats | integers)
    stands_for: dict[float, float] = {}
    for before, number in pairwise(numbers):
        if (before in floats or number in floats) and math.isclose(
            before, number, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE
        ):
            stands_for[number] = stands_for.get(before, before)
    if not stands_for:
        return first, second

    def settle(rows: list[Row]) -> list[Row]:
        return [
            tuple(stands_for.get(value, value) if isinstance(value, (int, float)) else value for value in row)
            for row in rows
        ]

    return settle(first), settle(second)


def _plain(value: Any) -> Any:
    """A value that can be hashed and compared: numbers as int or float, lists and objects of a server as text."""
    if value is None or isinstance(value, (int, str, bytes)):
        return value
    if isinstance(value, float):
        return ("NaN",) if math.isnan(value) else value
    if isinstance(value, Decimal):
        return _plain(float(value)) if not value.is_finite() or value % 1 else int(value)
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    return value if isinstance(value, Hashable) else repr(value)
