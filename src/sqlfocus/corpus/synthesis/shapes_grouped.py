"""Query shapes with groups: counts and sums per attribute, parent, month; the group with the most; HAVING."""

from __future__ import annotations

from dataclasses import replace

from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Domain, Entity, Hop, Path, Ref, end
from sqlfocus.corpus.synthesis.paths import group_is_joined
from sqlfocus.corpus.synthesis.query import Condition, Having, Measure, Order, Output, Period, Query, Select, Test
from sqlfocus.corpus.synthesis.shapes import (
    askable,
    attributes_in,
    function_for,
    is_countable_value,
    limit_of,
    measure_of,
    numeric,
    own_tests,
)
from sqlfocus.corpus.synthesis.shapes_joined import clear_path, is_doubled


def _group_of(root: Entity, rng: Dice) -> tuple[Ref, Path | None, tuple[Ref, ...]] | None:
    """What to group by: ``(attribute, None, ())`` or ``(_, path to the entity, its label)``."""
    own = [a for a in askable(root, "category", "code", "year") if 1 < len(a.values) <= 60 and not a.unique]
    own = [a for a in own if is_countable_value(a) and a not in [ref.attribute for ref in root.label] and not a.nulls]
    path = (Hop(root.parents[0], True),) if root.tie else clear_path(root, rng, 3)
    draw = rng.random()
    if path is None or (own and draw < 0.4):
        return (Ref((), rng.fresh(own, of="grouped")), None, ()) if own else None
    target = end(root, path)
    shared = [
        a
        for a in askable(target, "category", "code", "year")
        if 1 < len(a.values) <= 60 and not a.unique and not a.nulls
    ]
    if shared and not root.tie and (not target.named or draw > 0.78):
        return Ref(path, rng.choice(shared)), None, ()
    keyed = len(target.key) == 1 and target.label == (Ref((), target.key[0]),)
    if not (target.named or keyed) or not target.key or any(ref.path for ref in target.label):
        return None
    label = tuple(Ref(path, ref.attribute) for ref in target.label)
    return label[0], path, label


def _measure(root: Entity, rng: Dice, counted: float) -> Measure:
    numbers = numeric(root)
    if not numbers or rng.random() < counted:
        return Measure("count")
    attribute = rng.fresh(numbers, of="measured")
    return measure_of(Ref((), attribute), function_for(attribute, rng), rng)


def _where(root: Entity, rng: Dice, share: float, group: Ref, measure: Measure) -> tuple[Condition, ...]:
    tests = own_tests(root, rng, 1) if rng.random() < share else ()
    used = [group.attribute] + ([measure.of.attribute] if isinstance(measure.of, Ref) else [])
    return () if set(attributes_in(tests)) & set(used) else tests


def _grouped(shape: str, root: Entity, rng: Dice, counted: float, *, joined: bool) -> tuple[Select, Measure] | None:
    grouping = _group_of(root, rng)
    if grouping is None:
        return None
    group, path, label = grouping
    if joined != bool(group.path):
        return None
    measure = _measure(root, rng, counted)
    where = _where(root, rng, 0.25, group, measure)
    if path is None:
        return Select(shape, root, (group, measure), where, group=(group,)), measure
    return Select(shape, root, (*label, measure), where, group_path=path), measure


def _maybe_ordered(found: tuple[Select, Measure], rng: Dice) -> Select:
    query, measure = found
    if rng.random() < 0.25:
        return replace(query, order=(Order(measure, rng.random() < 0.75),))
    return query


def counting_by(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    found = _grouped("group_count", root, rng, 1.0, joined=False)
    return _maybe_ordered(found, rng) if found else None


def aggregating_by(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    found = _grouped("group_aggregate", root, rng, 0.0, joined=False)
    if found is None or found[1].of is None:
        return None
    return _maybe_ordered(found, rng)


def grouping_joined(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    found = _grouped("group_join", root, rng, 0.6, joined=True)
    return _maybe_ordered(found, rng) if found else None


def _told(query: Select, rng: Dice) -> tuple[Output, ...]:
    """What is shown of groups that stand out: what they are called, at times another attribute beside or instead."""
    label = query.outputs[:-1]
    if query.group_path is None or not group_is_joined(query) or rng.random() < 0.6:
        return label
    called = [output.attribute for output in label if isinstance(output, Ref)]
    others = [a for a in askable(end(query.root, query.group_path)) if a not in called]
    if not others:
        return label
    extra = Ref(query.group_path, rng.fresh(others, of="told"))
    return (*label, extra) if rng.random() < 0.6 else (extra,)


def _best(shape: str, root: Entity, rng: Dice, *, joined: bool) -> Query | None:
    found = _grouped(shape, root, rng, 0.65, joined=joined)
    if found is None:
        return None
    query, measure = found
    if measure.function in ("max", "min"):
        return None  # nobody asks for the highest of the highest
    outputs = (*_told(query, rng), *(query.outputs[-1:] if rng.random() < 0.35 else ()))
    return replace(query, outputs=outputs, order=(Order(measure, rng.random() < 0.82),), limit=limit_of(rng))


def best_group(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    return _best("most", root, rng, joined=False)


def best_parent(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    return _best("most_join", root, rng, joined=True)


def having(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    found = _grouped("having", root, rng, 0.7, joined=rng.random() < 0.6)
    if found is None:
        return None
    query, measure = found
    if measure.divisor != 1 or measure.function in ("min", "max"):
        return None
    # The value is set by the run, from the groups that the query gives without HAVING.
    outputs = (*_told(query, rng), *(query.outputs[-1:] if rng.random() < 0.3 else ()))
    op = rng.choices(("gt", "ge", "lt", "le"), (45, 35, 14, 6))[0]
    return replace(query, outputs=outputs, having=Having(measure, op, None))


def by_period(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    dates = [a for a in askable(root) if a.dated and len(a.values) > 5 and not a.nulls]
    if not dates:
        return None
    ref = Ref((), rng.choice(dates))
    years = {str(value)[:4] for value in ref.attribute.values}
    period = Period(ref, rng.choice(("year", "month")) if len(years) > 1 else "month")
    measure = _measure(root, rng, 0.6)
    tests = own_tests(root, rng, 1) if rng.random() < 0.3 else ()
    used = [ref.attribute] + ([measure.of.attribute] if isinstance(measure.of, Ref) else [])
    tests = () if set(attributes_in(tests)) & set(used) else tests
    if period.unit == "month" and len(years) > 1 and rng.random() < 0.45:
        year = Test(ref, "year", (int(rng.choice(sorted(years))),))
        tests = tuple(sorted((*tests, year), key=lambda test: root.attributes.index(test.ref.attribute)))
    query = Select("group_period", root, (period, measure), tests, group=(period,))
    draw = rng.random()
    if draw < 0.3:
        return replace(query, order=(Order(period, False),))
    if draw < 0.55:
        return replace(query, outputs=(period,), order=(Order(measure, rng.random() < 0.85),), limit=1)
    return query


def including_none(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """How many children each entity has, those without any included."""
    links = [link for link in root.children if link.child is not root and not link.subtype and len(link.child.key) == 1]
    links = [link for link in links if not link.child.unnameable and len(link.columns) == 1 and not is_doubled(link)]
    if not links or not root.named or not root.key or any(ref.path for ref in root.label):
        return None
    link = rng.choice(links)
    path = (Hop(link, False),)
    outputs: tuple[Output, ...] = (*root.label, Measure("count", Ref(path, link.child.key[0])))
    return Select("group_outer", root, outputs, group_path=(), outer=True)
