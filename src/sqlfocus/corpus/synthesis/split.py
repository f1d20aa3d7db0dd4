"""Examples into train and test so that no query shape with the same columns is in both."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from random import Random

from sqlglot import exp

from sqlfocus.corpus.example import Example
from sqlfocus.errors import UserError
from sqlfocus.sql import parse_one

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


def signature(sql: str, dialect: str = "sqlite") -> tuple[str, frozenset[str]]:
    """A query's shape and the columns it names.

    In the shape, names and values are blank and comparisons, sort directions, aggregate functions and limits alike, so
    that ``price > 20`` and ``price < 30``, or a greatest and a smallest, have one signature.

    >>> signature("SELECT a FROM t WHERE b > 1") == signature("SELECT a FROM t WHERE b <= 2.5")
    True
    >>> signature("SELECT a FROM t WHERE b > 1") == signature("SELECT a FROM t WHERE c > 1")
    False
    """
    tree = parse_one(sql, dialect)
    tables = [table.name.lower() for table in tree.find_all(exp.Table)]
    columns: set[str] = set()
    for column in tree.find_all(exp.Column):
        scope = column.find_ancestor(exp.Select)
        own = [table.name.lower() for table in scope.find_all(exp.Table)][:1] if scope else tables[:1]
        columns.add(f"{(column.table or (own[0] if own else '')).lower()}.{column.name.lower()}")
    return _shape(tree), frozenset(columns | set(tables))


def _shape(node: exp.Expr) -> str:
    """The tree as the names of its nodes, what differs without being another shape left out."""
    if isinstance(node, (exp.Literal, exp.Identifier, exp.Boolean, exp.Neg)):
        return "?"
    name = type(node).__name__
    if isinstance(node, _COMPARISONS):
        name = "Compare"
    elif isinstance(node, (exp.Sum, exp.Avg, exp.Min, exp.Max)):
        name = "Aggregate"
    children = [_shape(child) for child in node.iter_expressions()]
    if isinstance(node, exp.In):
        children = sorted(set(children))
    if isinstance(node, (exp.And, exp.Or)):
        children = sorted(children)
    return f"{name}({','.join(children)})"


def split(examples: Sequence[Example], test_share: float, *, seed: int = 42) -> tuple[list[Example], list[Example]]:
    """Part examples into train and test, about ``test_share`` of them into test; each half keeps their order.

    All examples with one ``signature`` go into the same half. Shapes are drawn in proportion, so that test has the
    common ones and many of the rare ones, each with columns that train does not combine so.

    Raises:
        UserError: the share is not between 0 and 1, or the examples are too few or too alike to be parted.
    """
    if not 0 < test_share < 1:
        raise UserError(f"the test share is {test_share}; it is between 0 and 1, for instance 0.1")
    cached: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        key = (example.sql, example.dialect)
        if key not in cached:
            cached[key] = signature(example.sql, example.dialect)
        shape, columns = cached[key]
        groups[shape, tuple(sorted(columns))].append(place)
    by_shape: dict[str, list[list[int]]] = defaultdict(list)
    for (shape, _), places in groups.items():
        by_shape[_coarse(shape)].append(places)
    rng = Random(seed)
    test: set[int] = set()
    wanted = test_share * len(examples)
    owed = 0.0
    for shape in sorted(by_shape):
        candidates = by_shape[shape]
        rng.shuffle(candidates)
        owed = max(owed, 0.0) + test_share * sum(map(len, candidates))
        # The last group of a shape stays in train: a shape is tested on new columns, not on its first sight.
        chosen = []
        for places in candidates[:-1]:
            if owed >= len(places) / 2:
                chosen.append(places)
                owed -= len(places)
        if not chosen and len(candidates) > 4:
            chosen = [min(candidates[:-1], key=len)]
            owed -= len(chosen[0])
        for places in chosen:
            test.update(places)
    if not test or len(test) == len(examples):
        raise UserError(
            f"{len(examples)} examples cannot be parted into train and test ({wanted:.0f} of them) without a query "
            "shape with the same columns in both; make more of them"
        )
    return (
        [example for place, example in enumerate(examples) if place not in test],
        [example for place, example in enumerate(examples) if place in test],
    )


def _coarse(shape: str) -> str:
    """The shape without what the number of outputs and conditions adds: its clauses, joins and nesting."""
    kept = re.findall(
        r"Join|Not|Where|Group|Having|Order|Limit|Distinct|Count|Aggregate|Subquery|Intersect|Except|Union|Case", shape
    )
    return " ".join(kept)


__all__ = ["signature", "split"]
