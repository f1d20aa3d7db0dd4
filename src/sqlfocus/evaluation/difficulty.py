"""How difficult a question is, by Spider's measure: easy, medium, hard or extra, from the gold query's components.

The definition is that of the Spider benchmark's evaluator (Yu et al., 2018, https://arxiv.org/abs/1809.08887). Three
numbers are counted, on the outermost query alone; of a set operation, on its first query:

- *parts*: WHERE, GROUP BY, ORDER BY, LIMIT, each table beyond the first, each OR and each LIKE of a condition;
- *nestings*: a subquery that a condition compares with; a set operation; a common table expression (Spider has none);
- *extras*: more than one aggregate (in SELECT and ORDER BY, where a negated condition counts as one too), more than one
  column, more than one condition in WHERE, more than one column in GROUP BY.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlfocus.sql import parse_one

LEVELS = ("easy", "medium", "hard", "extra")
_AGGREGATES = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max)


def hardness(sql: str, *, dialect: str = "sqlite") -> str:
    """The level of one query, one of :data:`LEVELS`.

    >>> hardness("SELECT count(*) FROM singer WHERE age > 20")
    'easy'
    >>> hardness("SELECT name FROM singer WHERE id NOT IN (SELECT id FROM concert)")
    'hard'

    Raises:
        sqlglot.errors.SqlglotError: the text is not SQL.
    """
    tree = parse_one(sql, dialect)
    select, nestings = _first_select(tree)
    parts = _parts(select)
    nestings += sum(1 for _ in _compared_subqueries(select))
    extras = _extras(select)
    if nestings == 0:
        if parts <= 1 and extras == 0:
            return "easy"
        if (parts <= 1 and extras <= 2) or (parts <= 2 and extras < 2):
            return "medium"
        if (parts <= 2 and extras > 2) or (parts == 3 and extras <= 2):
            return "hard"
    elif nestings == 1 and parts <= 1 and extras == 0:
        return "hard"
    return "extra"


def _first_select(tree: exp.Expr) -> tuple[exp.Expr, int]:
    """The first query of a set operation and how many nestings lie around it: however long, the operation is one."""
    common = tree.find(exp.With)
    nestings = len(common.expressions) if common is not None else 0
    operation = 0
    while not isinstance(tree, exp.Select):
        if isinstance(tree, exp.SetOperation):
            operation = 1
        if not isinstance(tree.this, exp.Expr):
            break
        tree = tree.this
    return tree, nestings + operation


def _parts(select: exp.Expr) -> int:
    clauses = sum(1 for clause in ("where", "group", "order", "limit") if select.args.get(clause))
    conditions = [condition for clause in _clauses(select) for condition in _conditions(clause)]
    likes = sum(1 for condition in conditions if isinstance(_positive(condition), (exp.Like, exp.ILike)))
    ors = sum(1 for clause in _clauses(select) for node in _connectors(clause) if isinstance(node, exp.Or))
    return clauses + len(select.args.get("joins") or ()) + likes + ors


def _extras(select: exp.Expr) -> int:
    where, having, group = (select.args.get(clause) for clause in ("where", "having", "group"))
    aggregates = sum(1 for column in select.expressions if isinstance(column.unalias(), _AGGREGATES))
    if order := select.args.get("order"):
        aggregates += sum(1 for ordered in order.expressions for _ in ordered.find_all(*_AGGREGATES))
    for clause in (where, having):
        if clause is not None:
            aggregates += sum(1 for condition in _conditions(clause.this) if isinstance(condition, exp.Not))
    conditions = sum(1 for _ in _conditions(where.this)) if where is not None else 0
    groups = len(group.expressions) if group is not None else 0
    return sum(count > 1 for count in (aggregates, len(select.expressions), conditions, groups))


def _clauses(select: exp.Expr) -> Iterator[exp.Expr]:
    """What stands in ON, WHERE and HAVING."""
    for join in select.args.get("joins") or ():
        if on := join.args.get("on"):
            yield on
    for clause in ("where", "having"):
        if found := select.args.get(clause):
            yield found.this


def _connectors(condition: exp.Expr) -> Iterator[exp.Expr]:
    """The ANDs and ORs that join conditions."""
    if isinstance(condition, (exp.And, exp.Or)):
        yield condition
        yield from _connectors(condition.left)
        yield from _connectors(condition.right)
    elif isinstance(condition, exp.Paren):
        yield from _connectors(condition.this)


def _conditions(condition: exp.Expr) -> Iterator[exp.Expr]:
    """The single conditions that ANDs and ORs join."""
    if isinstance(condition, (exp.And, exp.Or)):
        yield from _conditions(condition.left)
        yield from _conditions(condition.right)
    elif isinstance(condition, exp.Paren):
        yield from _conditions(condition.this)
    else:
        yield condition


def _positive(condition: exp.Expr) -> exp.Expr:
    return condition.this if isinstance(condition, exp.Not) else condition


def _compared_subqueries(select: exp.Expr) -> Iterator[exp.Expr]:
    for clause in _clauses(select):
        for condition in _conditions(clause):
            yield from (
                operand
                for operand in _positive(condition).iter_expressions()
                if isinstance(operand, (exp.Subquery, exp.Select))
            )
