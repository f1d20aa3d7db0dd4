"""Query shapes on one table: lists, filters, look-ups, counts, aggregates, superlatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlfocus.corpus.synthesis.conditions import sample_test, sayable
from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Attribute, Domain, Entity, Path, Ref, end, forward_paths
from sqlfocus.corpus.synthesis.english import is_plural
from sqlfocus.corpus.synthesis.query import AnyOf, Condition, Measure, Order, Output, Query, Select, Test

Sampler = Callable[[Domain, Entity, Dice], Query | None]
"""Samples one query about the entity; ``None`` where the entity has nothing to ask so, or the draw was no good."""


def askable(entity: Entity, *kinds: str) -> list[Attribute]:
    """The attributes that a question can ask for, of these kinds or of any; never keys, flags and technical columns."""
    barred = entity.live[0] if entity.live else None
    return [
        a
        for a in entity.attributes
        if not is_bookkeeping(a)
        and a.kind not in ("other", "key", "flag")
        and a is not barred
        and (a.english or a.chinese)
        and (not kinds or a.kind in kinds)
    ]


def is_bookkeeping(attribute: Attribute) -> bool:
    """Whether the attribute is the date of a row's last change, which nobody asks for."""
    said = " ".join(attribute.english).lower()
    return attribute.dated and ("update" in said or "modification" in said or "更新" in "".join(attribute.chinese))


def is_countable_value(attribute: Attribute) -> bool:
    """Whether "each <attribute>" can be said: not of names that are plurals, as special features."""
    return not attribute.english or not is_plural(attribute.english[0].split()[-1])


def numeric(entity: Entity) -> list[Attribute]:
    """The attributes that are aggregated as numbers."""
    return [a for a in askable(entity) if a.numeric and len(a.values) > 2]


def sortable(entity: Entity) -> list[Attribute]:
    """The attributes that have a greatest and a smallest worth asking for."""
    return [a for a in askable(entity) if (a.numeric or a.dated or a.kind == "year") and len(a.values) > 3]


def outputs_of(entity: Entity, rng: Dice, *, avoid: Sequence[Attribute] = ()) -> tuple[Output, ...]:
    """What to show of each row: usually its label, sometimes with or instead another attribute, seldom everything."""
    label = tuple(entity.label)
    labels = [ref.attribute for ref in label]
    others = [a for a in askable(entity) if a not in labels and a not in avoid]
    draw = rng.random()
    if draw < (0.04 if entity.named else 0.14):
        return ()
    if draw < 0.6 or not others:
        return label
    if draw < 0.82 and entity.named:
        return (*label, *_some(others, rng, rng.choices((1, 2), (4, 1))[0]))
    return _some(others, rng, rng.choices((1, 2), (5, 2))[0])


def _some(attributes: Sequence[Attribute], rng: Dice, number: int) -> tuple[Ref, ...]:
    """Up to ``number`` of the attributes, those that were shown seldom first."""
    left = list(attributes)
    chosen: list[Ref] = []
    while left and len(chosen) < number:
        attribute = rng.fresh(left, of="shown")
        left.remove(attribute)
        chosen.append(Ref((), attribute))
    return tuple(chosen)


def own_tests(entity: Entity, rng: Dice, number: int) -> tuple[Test, ...]:
    """Up to ``number`` conditions on different attributes of the entity."""
    tests: list[Test] = []
    for _ in range(number):
        test = sample_test(entity, rng, avoid=[t.ref.attribute for t in tests])
        if test is not None:
            tests.append(test)
    # In the order of the columns, so that one meaning has one SQL.
    return tuple(sorted(tests, key=lambda test: entity.attributes.index(test.ref.attribute)))


def attributes_in(conditions: Sequence[Condition]) -> list[Attribute]:
    """The attributes that conditions test."""
    return [condition.ref.attribute for condition in conditions if isinstance(condition, Test)]


def filled(entity: Entity, ref: Ref) -> tuple[Test, ...]:
    """The condition that keeps missing values out of a sort; none where the column has no NULLs."""
    return (Test(ref, "filled"),) if ref.attribute.nulls else ()


def listing(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    return Select("list", root, outputs_of(root, rng))


def filtering(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    tests = own_tests(root, rng, 1)
    if not tests:
        return None
    return Select("filter", root, outputs_of(root, rng, avoid=attributes_in(tests)), tests)


def filtering_more(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    tests = own_tests(root, rng, 3 if rng.random() < 0.12 else 2)
    if len(tests) < 2:
        return None
    where: tuple[Condition, ...] = tests
    if (
        len(tests) == 2
        and rng.random() < 0.25
        and not any(test.op in ("null", "filled", "flag", "in") for test in tests)
    ):
        where = (AnyOf(tests),)
    return Select("filter_more", root, outputs_of(root, rng, avoid=[t.ref.attribute for t in tests]), where)


def lookup(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """An attribute, or a parent, of one row that is called by its label."""
    tests = label_test(root, rng)
    if not tests:
        return None
    parents = [path for path in forward_paths(root, 1) if not path[0].link.subtype]
    if parents and rng.random() < 0.3:
        path = rng.choice(parents)
        target = end(root, path)
        if target.named:
            return Select("lookup", root, tuple(Ref((*path, *ref.path), ref.attribute) for ref in target.label), tests)
    others = [a for a in askable(root) if a not in attributes_in(tests)]
    if not others:
        return None
    outputs = _some(others, rng, rng.choices((1, 2), (4, 1))[0])
    return Select("lookup", root, outputs, tests)


def label_test(entity: Entity, rng: Dice, path: Path = ()) -> tuple[Test, ...]:
    """Conditions that single out rows by what they are called, as "the product Lamp"; empty if none can be."""
    if not entity.sample or any(ref.path for ref in entity.label) or (not entity.named and len(entity.label) > 1):
        return ()
    row = rng.choice(entity.sample)
    tests: list[Test] = []
    for ref in entity.label:
        value = row[entity.attributes.index(ref.attribute)]
        if value is None or not sayable(value) or ref.attribute.kind in ("date", "datetime"):
            return ()
        tests.append(Test(Ref(path, ref.attribute), "eq", (value,)))
    return tuple(tests)


def counting(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    tests = own_tests(root, rng, rng.choices((0, 1, 2), (10, 62, 28))[0])
    return Select("count", root, (Measure("count"),), tests)


def counting_distinct(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    candidates = [a for a in askable(root, "category", "code", "year") if len(a.values) > 1 and is_countable_value(a)]
    if not candidates:
        return None
    attribute = rng.choice(candidates)
    tests = own_tests(root, rng, 1) if rng.random() < 0.4 else ()
    if attribute in attributes_in(tests):
        tests = ()
    return Select("count_distinct", root, (Measure("count_distinct", Ref((), attribute)),), tests)


def distinct(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    candidates = [a for a in askable(root, "category", "code", "year") if len(a.values) > 1 and not a.unique]
    candidates = [a for a in candidates if is_countable_value(a)]
    if not candidates:
        return None
    chosen = rng.sample(candidates, 2 if len(candidates) > 1 and rng.random() < 0.15 else 1)
    tests = own_tests(root, rng, 1) if rng.random() < 0.45 else ()
    if set(chosen) & set(attributes_in(tests)):
        tests = ()
    return Select("distinct", root, tuple(Ref((), a) for a in chosen), tests, distinct=True)


def function_for(attribute: Attribute, rng: Dice) -> str:
    """An aggregate that means something for the attribute."""
    if attribute.additive:
        return rng.choices(("sum", "avg", "max", "min"), (45, 30, 15, 10))[0]
    return rng.choices(("avg", "max", "min"), (55, 27, 18))[0]


def measure_of(ref: Ref, function: str, rng: Dice) -> Measure:
    """The aggregate, now and then in dollars where cents are stored."""
    attribute = ref.attribute
    if attribute.kind == "money" and attribute.unit == "cent" and function in ("sum", "avg") and rng.random() < 0.4:
        return Measure(function, ref, divisor=100, unit=attribute.currency or "dollar")
    return Measure(function, ref)


def aggregating(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    dates = [a for a in askable(root) if a.dated and len(a.values) > 3]
    numbers = numeric(root)
    tests = own_tests(root, rng, 1) if rng.random() < 0.55 else ()
    if dates and (not numbers or rng.random() < 0.15):
        date = rng.choice(dates)
        if date in attributes_in(tests):
            return None
        return Select("aggregate", root, (Measure(rng.choice(("max", "min")), Ref((), date)),), tests)
    numbers = [a for a in numbers if a not in attributes_in(tests)]
    if not numbers:
        return None
    ref = Ref((), rng.fresh(numbers, of="measured"))
    if rng.random() < 0.15:
        functions = rng.choice((("min", "max"), ("avg", "max"), ("avg", "min", "max"), ("max", "min")))
        return Select("aggregate", root, tuple(Measure(function, ref) for function in functions), tests)
    return Select("aggregate", root, (measure_of(ref, function_for(ref.attribute, rng), rng),), tests)


def limit_of(rng: Dice) -> int:
    """How many of the best: mostly one."""
    return rng.choices((1, 2, 3, 4, 5, 10), (58, 5, 17, 3, 12, 5))[0]


def superlative(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    candidates = sortable(root)
    if not candidates:
        return None
    ref = Ref((), rng.fresh(candidates, of="sorted"))
    tests = own_tests(root, rng, 1) if rng.random() < 0.3 else ()
    if ref.attribute in attributes_in(tests):
        return None
    outputs: tuple[Output, ...] = tuple(root.label)
    labels = [r.attribute for r in root.label]
    draw = rng.random()
    if draw < 0.22 and ref.attribute not in labels:
        outputs = (*outputs, ref)
    elif draw < 0.36:
        others = [
            a for a in askable(root) if a not in labels and a is not ref.attribute and a not in attributes_in(tests)
        ]
        if others:
            outputs = (Ref((), rng.choice(others)),)
    order = (Order(ref, rng.random() < 0.66),)
    return Select("superlative", root, outputs, (*tests, *filled(root, ref)), order=order, limit=limit_of(rng))


def sorting(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    labels = [ref.attribute for ref in root.label if not ref.path]
    candidates = [a for a in askable(root) if (a.numeric or a.dated or a.kind in ("year", "name")) and not a.nulls]
    candidates = [a for a in candidates if a.unique or len(a.values) > 0.6 * min(len(root.sample), root.rows)]
    if not candidates:
        return None
    attribute = rng.choice(candidates)
    tests = own_tests(root, rng, 1) if rng.random() < 0.35 else ()
    if attribute in attributes_in(tests):
        return None
    outputs: tuple[Output, ...] = tuple(root.label)
    if rng.random() < 0.4:
        extra = [a for a in askable(root) if a not in labels and a not in attributes_in(tests)]
        outputs = (*outputs, Ref((), rng.choice(extra))) if extra else outputs
    descending = rng.random() < (0.25 if attribute.kind == "name" else 0.55)
    return Select("sort", root, outputs, tests, order=(Order(Ref((), attribute), descending),))


def related_outputs(root: Entity, path: Path, rng: Dice) -> tuple[Output, ...]:
    """What to show of the entity at the end of a forward path: its label, or one attribute."""
    target = end(root, path)
    others = [a for a in askable(target) if a not in [ref.attribute for ref in target.label]]
    if not target.named or (others and rng.random() < 0.3):
        return (Ref(path, rng.choice(others)),) if others else ()
    return tuple(Ref((*path, *ref.path), ref.attribute) for ref in target.label)
