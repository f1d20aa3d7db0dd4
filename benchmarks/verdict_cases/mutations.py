"""Predictions that a model could have made: a gold query with one thing changed, for measuring evaluators with.

Each mutation takes the parsed gold query and a source of chance and returns the changed SQL, or None where it does not
apply. Some keep the meaning, most change it, and some change it in a way that a given database does not show.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import sqlglot
from sqlglot import exp

Mutation = Callable[[exp.Expr, random.Random], str | None]


def _sql(tree: exp.Expr) -> str:
    return tree.sql(dialect="sqlite")


def _some(tree: exp.Expr, rng: random.Random, *kinds: type[exp.Expr]) -> exp.Expr | None:
    found = list(tree.find_all(*kinds))
    return rng.choice(found) if found else None


def same(tree: exp.Expr, rng: random.Random) -> str | None:
    return _sql(tree)


def permuted_columns(tree: exp.Expr, rng: random.Random) -> str | None:
    selects = [select for select in tree.find_all(exp.Select) if len(select.expressions) > 1]
    if not selects:
        return None
    select = rng.choice(selects)
    columns = list(select.expressions)
    rng.shuffle(columns)
    select.set("expressions", columns)
    return _sql(tree)


def dropped_distinct(tree: exp.Expr, rng: random.Random) -> str | None:
    select = next((select for select in tree.find_all(exp.Select) if select.args.get("distinct")), None)
    if select is not None:
        select.set("distinct", None)
        return _sql(tree)
    counted = next((count for count in tree.find_all(exp.Count) if isinstance(count.this, exp.Distinct)), None)
    if counted is None:
        return None
    counted.set("this", counted.this.expressions[0])
    return _sql(tree)


def added_distinct(tree: exp.Expr, rng: random.Random) -> str | None:
    select = _some(tree, rng, exp.Select)
    if select is None or select.args.get("distinct"):
        return None
    select.set("distinct", exp.Distinct())
    return _sql(tree)


def dropped_order(tree: exp.Expr, rng: random.Random) -> str | None:
    order = _some(tree, rng, exp.Order)
    if order is None:
        return None
    order.pop()
    return _sql(tree)


def turned_order(tree: exp.Expr, rng: random.Random) -> str | None:
    ordered = _some(tree, rng, exp.Ordered)
    if ordered is None:
        return None
    ordered.set("desc", not ordered.args.get("desc"))
    return _sql(tree)


def added_order(tree: exp.Expr, rng: random.Random) -> str | None:
    if not isinstance(tree, exp.Select) or tree.args.get("order") or isinstance(tree.expressions[0], exp.Star):
        return None
    return _sql(tree.order_by(exp.Literal.number(1)))


def added_limit(tree: exp.Expr, rng: random.Random) -> str | None:
    if not isinstance(tree, exp.Select) or tree.args.get("limit"):
        return None
    return _sql(tree.limit(rng.choice((1, 3, 100))))


def dropped_limit(tree: exp.Expr, rng: random.Random) -> str | None:
    limit = _some(tree, rng, exp.Limit)
    if limit is None:
        return None
    limit.pop()
    return _sql(tree)


def changed_literal(tree: exp.Expr, rng: random.Random) -> str | None:
    literals = [one for one in tree.find_all(exp.Literal) if not isinstance(one.parent, exp.Limit)]
    if not literals:
        return None
    literal = rng.choice(literals)
    if literal.is_string:
        literal.replace(exp.Literal.string(literal.this.lower() if literal.this != literal.this.lower() else "x"))
    else:
        literal.replace(exp.Literal.number(float(literal.this) + rng.choice((-1, 1, 0))))
    return _sql(tree)


def text_for_number(tree: exp.Expr, rng: random.Random) -> str | None:
    numbers = [one for one in tree.find_all(exp.Literal) if not one.is_string and not isinstance(one.parent, exp.Limit)]
    if not numbers:
        return None
    number = rng.choice(numbers)
    number.replace(exp.Literal.string(number.this))
    return _sql(tree)


def other_column(tree: exp.Expr, rng: random.Random) -> str | None:
    columns = [one for one in tree.find_all(exp.Column) if not isinstance(one.this, exp.Star)]
    names = sorted({_sql(one) for one in columns})
    if len(names) < 2:
        return None
    column = rng.choice(columns)
    other = rng.choice([name for name in names if name != _sql(column)])
    column.replace(sqlglot.parse_one(other, read="sqlite"))
    return _sql(tree)


def extra_column(tree: exp.Expr, rng: random.Random) -> str | None:
    columns = [one for one in tree.find_all(exp.Column) if not isinstance(one.this, exp.Star)]
    if not columns or not isinstance(tree, exp.Select):
        return None
    return _sql(tree.select(rng.choice(columns).copy()))


def missing_column(tree: exp.Expr, rng: random.Random) -> str | None:
    if not isinstance(tree, exp.Select) or len(tree.expressions) < 2:
        return None
    tree.set("expressions", tree.expressions[:-1])
    return _sql(tree)


def all_columns(tree: exp.Expr, rng: random.Random) -> str | None:
    if not isinstance(tree, exp.Select) or tree.args.get("group"):
        return None
    tree.set("expressions", [exp.Star()])
    return _sql(tree)


def dropped_where(tree: exp.Expr, rng: random.Random) -> str | None:
    where = _some(tree, rng, exp.Where)
    if where is None:
        return None
    where.pop()
    return _sql(tree)


def dropped_join_condition(tree: exp.Expr, rng: random.Random) -> str | None:
    joins = [join for join in tree.find_all(exp.Join) if join.args.get("on")]
    # Without its condition a join of three tables has millions of rows; two are bad enough.
    if len(joins) != 1:
        return None
    joins[0].set("on", None)
    return _sql(tree)


def left_join(tree: exp.Expr, rng: random.Random) -> str | None:
    join = _some(tree, rng, exp.Join)
    if join is None or not join.args.get("on"):
        return None
    join.set("side", "LEFT")
    return _sql(tree)


def other_comparison(tree: exp.Expr, rng: random.Random) -> str | None:
    comparison = _some(tree.find(exp.Where) or exp.Null(), rng, exp.GT, exp.LT, exp.GTE, exp.LTE, exp.EQ)
    if comparison is None:
        return None
    kinds = [kind for kind in (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NEQ) if kind is not type(comparison)]
    comparison.replace(rng.choice(kinds)(this=comparison.this, expression=comparison.expression))
    return _sql(tree)


def spaced_comparison(tree: exp.Expr, rng: random.Random) -> str | None:
    sql = _sql(tree)
    spaced = re.sub(r"([<>!])=", r"\1 =", sql)
    return spaced if spaced != sql else None


def or_for_and(tree: exp.Expr, rng: random.Random) -> str | None:
    both = _some(tree, rng, exp.And, exp.Or)
    if both is None:
        return None
    other = exp.Or if isinstance(both, exp.And) else exp.And
    both.replace(other(this=both.this, expression=both.expression))
    return _sql(tree)


def other_aggregate(tree: exp.Expr, rng: random.Random) -> str | None:
    aggregate = _some(tree, rng, exp.Max, exp.Min, exp.Avg, exp.Sum)
    if aggregate is None:
        return None
    kinds = [kind for kind in (exp.Max, exp.Min, exp.Avg, exp.Sum) if kind is not type(aggregate)]
    aggregate.replace(rng.choice(kinds)(this=aggregate.this))
    return _sql(tree)


def average_as_quotient(tree: exp.Expr, rng: random.Random) -> str | None:
    average = _some(tree, rng, exp.Avg)
    if average is None or isinstance(average.this, exp.Distinct):
        return None
    column = _sql(average.this)
    average.replace(sqlglot.parse_one(f"sum({column} * 1.0 / 3) * 3 / count({column})", read="sqlite"))
    return _sql(tree)


def counted_column(tree: exp.Expr, rng: random.Random) -> str | None:
    counts = [count for count in tree.find_all(exp.Count) if isinstance(count.this, exp.Star)]
    columns = [one for one in tree.find_all(exp.Column) if not isinstance(one.this, exp.Star)]
    if not counts or not columns:
        return None
    rng.choice(counts).set("this", rng.choice(columns).copy())
    return _sql(tree)


def other_set_operation(tree: exp.Expr, rng: random.Random) -> str | None:
    if not isinstance(tree, exp.SetOperation):
        return None
    kinds = [kind for kind in (exp.Union, exp.Intersect, exp.Except) if kind is not type(tree)]
    return _sql(rng.choice(kinds)(this=tree.this, expression=tree.expression, distinct=True))


def half_of_a_set_operation(tree: exp.Expr, rng: random.Random) -> str | None:
    return _sql(tree.this) if isinstance(tree, exp.SetOperation) else None


def cut_off(tree: exp.Expr, rng: random.Random) -> str | None:
    words = _sql(tree).split()
    return " ".join(words[: rng.randrange(1, len(words))])


def misspelt_table(tree: exp.Expr, rng: random.Random) -> str | None:
    table = _some(tree, rng, exp.Table)
    if table is None:
        return None
    table.set("this", exp.to_identifier(table.name + "_x"))
    return _sql(tree)


def statement_that_writes(tree: exp.Expr, rng: random.Random) -> str | None:
    table = _some(tree, rng, exp.Table)
    return f"DELETE FROM {table.name}" if table is not None else None


def with_system_table(tree: exp.Expr, rng: random.Random) -> str | None:
    return "SELECT count(*) FROM sqlite_master" if isinstance(tree, exp.Select) else None


MUTATIONS: tuple[Mutation, ...] = (
    permuted_columns,
    dropped_distinct,
    added_distinct,
    dropped_order,
    turned_order,
    added_order,
    added_limit,
    dropped_limit,
    changed_literal,
    text_for_number,
    other_column,
    extra_column,
    missing_column,
    all_columns,
    dropped_where,
    dropped_join_condition,
    left_join,
    other_comparison,
    spaced_comparison,
    or_for_and,
    other_aggregate,
    average_as_quotient,
    counted_column,
    other_set_operation,
    half_of_a_set_operation,
    cut_off,
    misspelt_table,
    statement_that_writes,
    with_system_table,
)


def mutate(sql: str, seed: int, count: int) -> list[tuple[str, str]]:
    """The query itself and ``count`` mutations of it that apply, as ``(name, SQL)``; the same for the same seed."""
    rng = random.Random(seed)
    tree = sqlglot.parse_one(sql, read="sqlite")
    mutants = [("same", same(tree.copy(), rng) or sql)]
    for mutation in rng.sample(MUTATIONS, len(MUTATIONS)):
        if len(mutants) > count:
            break
        changed = mutation(tree.copy(), rng)
        if changed is not None:
            mutants.append((mutation.__name__, changed))
    return mutants
