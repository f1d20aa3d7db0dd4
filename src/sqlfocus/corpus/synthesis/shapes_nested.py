"""Nested queries, set operations and computed measures."""

from __future__ import annotations

from sqlfocus.corpus.synthesis.conditions import sample_test, sayable
from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Attribute, Domain, Entity, Path, Ref, end, forward_paths
from sqlfocus.corpus.synthesis.query import (
    Combined,
    Condition,
    Days,
    Measure,
    Order,
    Output,
    Product,
    Query,
    Related,
    Select,
    Test,
)
from sqlfocus.corpus.synthesis.shapes import askable, numeric, own_tests
from sqlfocus.corpus.synthesis.shapes_joined import child_path, clear_path, forward_path, parent_tests

_QUANTITIES = ("quantity", "units", "count", "stock", "number", "copies", "amount")
_PRICES = ("price", "cost", "rate", "fee")


def against_average(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """Rows above or below the average of all rows."""
    candidates = [a for a in numeric(root) if a.kind != "percent"]
    if not candidates:
        return None
    test = Test(Ref((), rng.choice(candidates)), "above" if rng.random() < 0.65 else "below")
    outputs = (Measure("count"),) if rng.random() < 0.25 else tuple(root.label)
    return Select("average", root, outputs, (test,))


def _halves(root: Entity, rng: Dice) -> tuple[Ref, Test, Test] | None:
    """A category shared by rows, and two conditions on one other attribute that cannot both hold."""
    groups = [a for a in askable(root, "category", "year") if 2 < len(a.values) <= 60 and not a.unique and not a.nulls]
    tested = [
        a
        for a in askable(root)
        if a.kind in ("code", "category", "age", "money", "quantity", "score", "measure") and not a.unique
    ]
    pairs = [(group, other) for group in groups for other in tested if group is not other]
    if not pairs:
        return None
    group, other = rng.choice(pairs)
    ref = Ref((), other)
    if other.numeric:
        numbers = other.numbers
        if len(other.values) < 4:
            return None
        from sqlfocus.corpus.synthesis.conditions import threshold

        high, low = threshold(other, 0.65), threshold(other, 0.35)
        return (Ref((), group), Test(ref, "gt", (high,)), Test(ref, "lt", (low,))) if numbers and low <= high else None
    values = [
        v
        for v in other.values
        if (str(v) in other.codes_en or str(v) in other.codes_zh if other.kind == "code" else sayable(v))
    ]
    if len(values) < 2:
        return None
    one, two = rng.sample(values[:6], 2)
    return Ref((), group), Test(ref, "eq", (one,)), Test(ref, "eq", (two,))


def intersecting(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    return _combined("intersect", "INTERSECT", root, rng)


def excepting(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    return _combined("except", "EXCEPT", root, rng)


def _combined(shape: str, operator: str, root: Entity, rng: Dice) -> Query | None:
    if rng.random() < 0.5:
        children = _by_children(root, rng)
        if children:
            left, right = children
            return Combined(
                shape,
                operator,
                Select(shape, root, tuple(root.label), (left,)),
                Select(shape, root, tuple(root.label), (right,)),
            )
    halves = _halves(root, rng)
    if halves is None:
        return None
    group, one, two = halves
    return Combined(shape, operator, Select(shape, root, (group,), (one,)), Select(shape, root, (group,), (two,)))


def _by_children(root: Entity, rng: Dice) -> tuple[Related, Related] | None:
    """Two values of one attribute beyond a child, as customers who ordered one product and another."""
    path = child_path(root, rng)
    if path is None or not root.named:
        return None
    target = end(root, path)
    label = (
        target.label[0].attribute
        if path[-1].forward and target.named and len(target.label) == 1 and not target.label[0].path
        else None
    )
    candidates = [a for a in askable(target, "category", "code") if len(a.values) > 1 and not a.unique]
    attribute = (
        label if label and (rng.random() < 0.7 or not candidates) else (rng.choice(candidates) if candidates else None)
    )
    if attribute is None:
        return None
    values = [
        v
        for v in attribute.values
        if (str(v) in attribute.codes_en or str(v) in attribute.codes_zh if attribute.kind == "code" else sayable(v))
    ]
    if len(values) < 2:
        return None
    one, two = rng.sample(values[:40], 2)
    ref = Ref((), attribute)
    return Related(path, (Test(ref, "eq", (one,)),)), Related(path, (Test(ref, "eq", (two,)),))


def uniting(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """The values that two tables hold under one name, together, in common, or in one only."""
    partners: list[tuple[Attribute, Entity, Attribute]] = []
    for attribute in askable(root, "category", "name"):
        for other in domain.entities:
            if other is root or other.unnameable:
                continue
            for match in askable(other, "category", "name"):
                english = bool(attribute.english) and match.english[:1] == attribute.english[:1]
                chinese = bool(attribute.chinese) and match.chinese[:1] == attribute.chinese[:1]
                if english or (chinese and not attribute.english):
                    same_sort = attribute.kind == "category" or (root.person and other.person)
                    if same_sort:
                        partners.append((attribute, other, match))
    if not partners or root.unnameable:
        return None
    attribute, other, match = rng.choice(partners)
    shape, operator = rng.choices((("union", "UNION"), ("intersect", "INTERSECT"), ("except", "EXCEPT")), (2, 1, 1))[0]
    return Combined(
        shape, operator, Select(shape, root, (Ref((), attribute),)), Select(shape, other, (Ref((), match),))
    )


def products_of(root: Entity) -> list[Product]:
    """Quantity times price, the price from the row itself or, if it has none, from a parent."""

    def called(entity: Entity, words: tuple[str, ...], kinds: tuple[str, ...]) -> list[Attribute]:
        return [
            a for a in entity.attributes if a.kind in kinds and a.english and a.english[0].lower().split()[-1] in words
        ]

    quantities = called(root, _QUANTITIES, ("quantity",))
    quantities = [a for a in quantities if a.english[0].lower().split()[-1] in _QUANTITIES[:5]]
    own = called(root, _PRICES[:1], ("money",))
    found = [Product(Ref((), q), Ref((), p)) for q in quantities for p in own]
    if not found:
        for path in forward_paths(root, 1):
            prices = called(end(root, path), _PRICES[:1], ("money",))
            found += [Product(Ref((), q), Ref(path, p)) for q in quantities for p in prices]
    return found


def multiplying(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """The total of quantity times price: over all rows, over some, per group, or the best group."""
    products = products_of(root)
    if not products:
        return None
    product = rng.choice(products)
    cents = product.right.attribute.unit == "cent"
    measure = (
        Measure("sum", product, divisor=100, unit=product.right.attribute.currency or "dollar")
        if cents and rng.random() < 0.45
        else Measure("sum", product)
    )
    draw = rng.random()
    path = forward_path(root, rng, 3)
    where: tuple[Condition, ...] = ()
    if draw < 0.35:
        if path and rng.random() < 0.7:
            where = parent_tests(root, path, rng)
        elif rng.random() < 0.7:
            where = own_tests(root, rng, 1)
        return Select("product", root, (measure,), where)
    grouping = _grouping(root, clear_path(root, rng), rng)
    if grouping is None:
        return Select("product", root, (measure,))
    group, outputs, group_path = grouping
    if draw < 0.68:
        order = (Order(measure, True),) if rng.random() < 0.3 else ()
        return Select("product", root, (*outputs, measure), group=group, group_path=group_path, order=order)
    shown: tuple[Output, ...] = (*outputs, measure) if rng.random() < 0.35 else outputs
    limit = rng.choices((1, 3, 5), (6, 3, 2))[0]
    return Select(
        "product",
        root,
        shown,
        group=group,
        group_path=group_path,
        order=(Order(measure, rng.random() < 0.85),),
        limit=limit,
    )


def _grouping(
    root: Entity, path: Path | None, rng: Dice
) -> tuple[tuple[Ref, ...], tuple[Ref, ...], Path | None] | None:
    if path is None:
        return None
    target = end(root, path)
    shared = [
        a for a in askable(target, "category", "code") if 1 < len(a.values) <= 40 and not a.unique and not a.nulls
    ]
    if shared and (not target.named or rng.random() < 0.35):
        ref = Ref(path, rng.choice(shared))
        return (ref,), (ref,), None
    if not target.named or not target.key or any(ref.path for ref in target.label):
        return None
    return (), tuple(Ref(path, ref.attribute) for ref in target.label), path


def days_between(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """The average, longest or shortest time from one date of a row to a later one."""
    dates = [
        (place, a)
        for place, a in enumerate(root.attributes)
        if a.dated and "birth" not in " ".join(a.english) and "生" not in "".join(a.chinese)
    ]
    pairs = []
    for one, start in dates:
        for two, finish in dates:
            rows = [(row[one], row[two]) for row in root.sample if row[one] and row[two]]
            if (
                start is not finish
                and len(rows) > 4
                and all(str(a)[:10] <= str(b)[:10] for a, b in rows)
                and any(str(a)[:10] != str(b)[:10] for a, b in rows)
            ):
                pairs.append(Days(Ref((), start), Ref((), finish)))
    if not pairs:
        return None
    days = rng.choice(pairs)
    measure = Measure(rng.choices(("avg", "max", "min"), (6, 2, 1))[0], days)
    path = forward_path(root, rng, 2)
    where: tuple[Condition, ...] = ()
    draw = rng.random()
    if draw < 0.3:
        test = sample_test(root, rng, avoid=[days.start.attribute, days.end.attribute])
        where = (test,) if test else ()
    elif draw < 0.55 and path:
        where = parent_tests(root, path, rng)
    elif draw < 0.75:
        groups = [
            a for a in askable(root, "category", "code") if 1 < len(a.values) <= 30 and not a.unique and not a.nulls
        ]
        if groups:
            group = Ref((), rng.choice(groups))
            return Select("days", root, (group, measure), group=(group,))
    return Select("days", root, (measure,), where)


def share(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """What percentage of the rows passes a condition."""
    test = sample_test(root, rng)
    if test is None or test.op in ("null", "filled", "contains", "starts", "in", "day", "days"):
        return None
    measure = Measure("share", test=test)
    if rng.random() < 0.2:
        groups = [
            a
            for a in askable(root, "category", "code")
            if 1 < len(a.values) <= 30 and a is not test.ref.attribute and not a.unique and not a.nulls
        ]
        if groups:
            group = Ref((), rng.choice(groups))
            return Select("share", root, (group, measure), group=(group,))
    return Select("share", root, (measure,))
