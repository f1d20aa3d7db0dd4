import math
import random
import time
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfocus.evaluation import verdict as verdict_module
from sqlfocus.evaluation.verdict import Verdict, compare, orders_its_result
from sqlfocus.execution.runner import Result


def result(*rows, **fields):
    width = len(rows[0]) if rows else 1
    return Result(tuple(f"c{place}" for place in range(width)), list(rows), **fields)


def verdict(predicted, gold, ordered=False, rule="spider"):
    return compare(result(*predicted), result(*gold), ordered=ordered, rule=rule)


RIGHT, WRONG = Verdict.RIGHT, Verdict.WRONG


@pytest.mark.parametrize(
    ("predicted", "gold", "unordered", "ordered", "bird"),
    [
        ([(1,), (2,)], [(1,), (2,)], RIGHT, RIGHT, RIGHT),
        ([(2,), (1,)], [(1,), (2,)], RIGHT, WRONG, RIGHT),
        ([(1,), (1,)], [(1,)], WRONG, WRONG, RIGHT),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], WRONG, WRONG, RIGHT),
        ([("a", 1)], [(1, "a")], RIGHT, RIGHT, WRONG),
        ([("a", 1), ("b", 2)], [(2, "b"), (1, "a")], RIGHT, WRONG, WRONG),
        ([("a", 2), ("b", 1)], [("a", 1), ("b", 2)], WRONG, WRONG, WRONG),
        ([(1, 1)], [(1,)], WRONG, WRONG, WRONG),
        ([(1,)], [], WRONG, WRONG, WRONG),
        ([], [], RIGHT, RIGHT, RIGHT),
        ([(None,), (1,)], [(1,), (None,)], RIGHT, WRONG, RIGHT),
        ([(None,)], [(0,)], WRONG, WRONG, WRONG),
        ([(None,)], [("",)], WRONG, WRONG, WRONG),
        ([(1.0,)], [(1,)], RIGHT, RIGHT, RIGHT),
        ([("1",)], [(1,)], WRONG, WRONG, WRONG),
        ([(b"a",)], [("a",)], WRONG, WRONG, WRONG),
        ([("A",)], [("a",)], WRONG, WRONG, WRONG),
        ([(0.1 + 0.2,)], [(0.3,)], RIGHT, RIGHT, RIGHT),
        ([(5.5e-17,)], [(0,)], RIGHT, RIGHT, RIGHT),
        ([(33.33,)], [(33.3333333333,)], WRONG, WRONG, WRONG),
        ([(10**15 + 1,)], [(10**15,)], WRONG, WRONG, WRONG),
        ([(0.1 + 0.2,), (0.3,)], [(0.3,), (0.1 + 0.2,)], RIGHT, RIGHT, RIGHT),
        ([(math.nan,)], [(math.nan,)], RIGHT, RIGHT, RIGHT),
        ([(math.nan,)], [("NaN",)], WRONG, WRONG, WRONG),
        ([(math.inf,)], [(math.inf,)], RIGHT, RIGHT, RIGHT),
        ([(Decimal("0.10"),), (Decimal("3"),)], [(0.1,), (3,)], RIGHT, RIGHT, RIGHT),
        ([([1, 2],)], [([1, 2],)], RIGHT, RIGHT, RIGHT),
        # The same sets of values in each column, but not the same rows.
        ([(1, 1, 2), (2, 2, 1)], [(1, 2, 2), (2, 1, 1)], RIGHT, WRONG, WRONG),
        ([(1, 1, 1), (2, 2, 2)], [(1, 2, 1), (2, 1, 2)], WRONG, WRONG, WRONG),
    ],
)
def test_verdicts(predicted, gold, unordered, ordered, bird):
    assert verdict(predicted, gold) is unordered
    assert verdict(predicted, gold, ordered=True) is ordered
    assert verdict(predicted, gold, rule="bird") is bird


def test_what_went_wrong_has_a_verdict_of_its_own():
    gold = result((1,))
    assert compare(result(error="no such column: x"), gold, ordered=False) is Verdict.ERROR
    assert compare(result(error="timeout: stopped after 1 s"), gold, ordered=False) is Verdict.TIMEOUT
    assert compare(result((1,), truncated=True), gold, ordered=False) is Verdict.WRONG
    assert compare(gold, result(error="no such table: t"), ordered=False) is Verdict.GOLD_FAILED
    assert compare(gold, result((1,), truncated=True), ordered=False) is Verdict.GOLD_FAILED
    assert compare(result(error="x"), result(error="x"), ordered=False) is Verdict.GOLD_FAILED


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY b", True),
        ("SELECT a FROM t ORDER BY b LIMIT 1", True),
        ("(SELECT a FROM t ORDER BY b)", True),
        ("SELECT a FROM t UNION SELECT a FROM u ORDER BY a", True),
        ("WITH c AS (SELECT a FROM t) SELECT a FROM c ORDER BY a", True),
        ("SELECT a FROM t", False),
        ("SELECT a FROM t WHERE b = 'order by'", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY b LIMIT 3)", False),
        ("WITH c AS (SELECT a FROM t ORDER BY a) SELECT a FROM c", False),
        ("SELECT rank() OVER (ORDER BY a) FROM t", False),
    ],
)
def test_the_order_that_counts_is_that_of_the_whole_query(sql, ordered):
    assert orders_its_result(sql) is ordered


CELLS = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["a", "b", ""]), st.sampled_from([0.5, 1.5, 2.0]))


def tables(cells=CELLS, widest=6):
    return st.integers(1, widest).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=1, max_size=8))


@settings(deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_any_order_of_columns_and_rows_is_right(rows, rng):
    order = list(range(len(rows[0])))
    rng.shuffle(order)
    permuted = [tuple(row[place] for place in order) for row in rows]
    assert verdict(permuted, rows, ordered=True) is RIGHT
    rng.shuffle(permuted)
    assert verdict(permuted, rows) is RIGHT


@settings(deadline=None)
@given(tables(), st.data())
def test_any_changed_cell_is_wrong(rows, data):
    line = data.draw(st.integers(0, len(rows) - 1))
    place = data.draw(st.integers(0, len(rows[0]) - 1))
    changed = [list(row) for row in rows]
    changed[line][place] = "another value"
    changed = [tuple(row) for row in changed]
    for ordered in (False, True):
        assert verdict(changed, rows, ordered=ordered) is WRONG
        assert verdict(rows, changed, ordered=ordered) is WRONG
    assert verdict(changed, rows, rule="bird") is WRONG


@settings(deadline=None)
@given(tables(st.sampled_from("ab"), 4), tables(st.sampled_from("ab"), 4))
def test_the_search_finds_what_trying_every_order_finds(first, second):
    def found(order):
        return sorted(tuple(row[place] for place in order) for row in first) == sorted(second)

    width = len(first[0])
    expected = width == len(second[0]) and any(found(order) for order in permutations(range(width)))
    assert (verdict(first, second) is RIGHT) is expected


def test_twelve_columns_in_another_order_take_milliseconds():
    rng = random.Random(1)
    rows = [tuple(rng.randrange(2) for _ in range(12)) for _ in range(200)]
    order = rng.sample(range(12), 12)
    permuted = [tuple(row[place] for place in order) for row in rng.sample(rows, 200)]
    changed = [*permuted[:-1], tuple(1 - cell if place < 2 else cell for place, cell in enumerate(permuted[-1]))]
    start = time.perf_counter()
    assert verdict(permuted, rows) is RIGHT
    assert verdict(changed, rows) is WRONG
    same = [(1,) * 12] * 50
    assert verdict([*same, (1,) * 11 + (2,)], [*same, (2,) + (1,) * 11]) is RIGHT
    assert time.perf_counter() - start < 0.5


def test_a_search_without_end_is_given_up(monkeypatch):
    # Every order of the first ten columns fits, and the last column fits none.
    monkeypatch.setattr(verdict_module, "MOST_VISITS", 500_000)
    bits = [tuple(number >> place & 1 for place in range(10)) for number in range(1024)]
    gold = [(*row, sum(row) % 2) for row in bits]
    other = [(*row, 1 - sum(row) % 2) for row in bits]
    start = time.perf_counter()
    assert verdict(other, gold) is WRONG
    assert time.perf_counter() - start < 5
