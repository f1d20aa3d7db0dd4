"""Query shapes along foreign keys: conditions on parents and children, counts and aggregates across tables."""

from __future__ import annotations

from sqlfocus.corpus.synthesis.conditions import sample_test
from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Domain, Entity, Hop, Link, Path, Ref, end, forward_paths
from sqlfocus.corpus.synthesis.query import Condition, Extreme, Measure, Order, Query, Related, Select, Test
from sqlfocus.corpus.synthesis.shapes import (
    askable,
    attributes_in,
    filled,
    function_for,
    label_test,
    limit_of,
    measure_of,
    numeric,
    outputs_of,
    own_tests,
    related_outputs,
    sortable,
)


def forward_path(root: Entity, rng: Dice, depth: int = 3) -> Path | None:
    """A path to a parent; near ones are more likely, and it does not end in a table without a noun."""
    paths = [
        path for path in forward_paths(root, depth) if not end(root, path).unnameable and not path[-1].link.subtype
    ]
    if not paths:
        return None
    return rng.fresh(paths, [(6.0, 2.5, 1.0)[len(path) - 1] for path in paths], of="forward")


def clear_path(root: Entity, rng: Dice, depth: int = 3) -> Path | None:
    """A forward path that naming its end alone makes clear: the one shortest way there, or a last step with a role."""
    path = forward_path(root, rng, depth)
    if path is None:
        return None
    if path[-1].link.owner:
        return path
    lengths = [len(other) for other in forward_paths(root, 3) if end(root, other) is end(root, path)]
    clear = len(path) == min(lengths) and (lengths.count(len(path)) == 1 or path[-1].link.role_en)
    return path if clear else None


def parent_tests(root: Entity, path: Path, rng: Dice) -> tuple[Test, ...]:
    """A condition at the end of a forward path: often what the parent is called, else one of its attributes."""
    target = end(root, path)
    if target.named and rng.random() < 0.5:
        named = label_test(target, rng, path)
        if named:
            return named
    test = sample_test(target, rng, path=path)
    return (test,) if test else ()


def is_doubled(link: Link) -> bool:
    """Whether the child refers to the parent in more than one way, so that "airports with routes" is not clear."""
    return not link.owner and sum(other.parent is link.parent for other in link.child.parents) > 1


def child_path(root: Entity, rng: Dice) -> Path | None:
    """A path that begins with a step to a child; a child without a noun is passed through to its other parent."""
    links = [link for link in root.children if link.child is not root and not link.subtype and not is_doubled(link)]
    if not links:
        return None
    link = rng.fresh(links, of="children")
    path: Path = (Hop(link, False),)
    others = [other for other in link.child.parents if other is not link and other.parent is not root]
    grandchildren = [
        other for other in link.child.children if other.child is not root and other.child is not link.child
    ]
    if link.child.unnameable or (others and rng.random() < 0.35):
        if not others:
            return None
        onward = rng.choice(others)
        return None if onward.parent.unnameable else (*path, Hop(onward, True))
    if grandchildren and rng.random() < 0.3:
        grand = rng.choice(grandchildren)
        onwards = [
            other
            for other in grand.child.parents
            if other is not grand and other.parent is not link.child and other.parent is not root
        ]
        if onwards:
            onward = rng.choice(onwards)
            if not onward.parent.unnameable:
                return (*path, Hop(grand, False), Hop(onward, True))
    return path


def related(root: Entity, rng: Dice, *, negated: bool = False, tested: float = 0.85) -> Related | None:
    """The condition that a child, or something beyond it, exists or does not."""
    path = child_path(root, rng)
    if path is None or len(path[0].link.columns) != 1:
        return None
    target = end(root, path)
    tests: tuple[Test, ...] = ()
    if rng.random() < tested or (path[-1].forward and not path[0].target.unnameable):
        if target.named and path[-1].forward and rng.random() < 0.6:
            tests = label_test(target, rng)
        if not tests:
            test = sample_test(target, rng)
            tests = (test,) if test else ()
        if not tests or (negated and tests[0].op in ("ne", "null")):
            return None
    return Related(path, tests, negated)


def joining(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """Attributes of an entity together with those of a parent."""
    path = clear_path(root, rng, 2)
    if path is None:
        return None
    beside = related_outputs(root, path, rng)
    own = tuple(root.label)
    if not root.named and rng.random() < 0.5:
        others = [a for a in askable(root) if a not in [ref.attribute for ref in own]]
        own = (Ref((), rng.choice(others)),) if others else own
    if not beside:
        return None
    tests = own_tests(root, rng, 1) if rng.random() < 0.45 else ()
    return Select("join_list", root, (*own, *beside), tests)


def best_of_parent(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """Of the row with the most of something its parent, as the customer of the largest order."""
    path = clear_path(root, rng, 2)
    candidates = sortable(root)
    outputs = related_outputs(root, path, rng) if path else ()
    if not outputs or not candidates:
        return None
    ref = Ref((), rng.fresh(candidates, of="sorted"))
    limit = 1 if rng.random() < 0.8 else limit_of(rng)
    return Select(
        "superlative_join", root, outputs, filled(root, ref), order=(Order(ref, rng.random() < 0.7),), limit=limit
    )


def filtering_by_parent(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    path = forward_path(root, rng)
    tests = parent_tests(root, path, rng) if path else ()
    if not tests:
        return None
    own = own_tests(root, rng, 1) if rng.random() < 0.28 else ()
    return Select("join_filter", root, outputs_of(root, rng, avoid=attributes_in(own)), (*own, *tests))


def filtering_by_child(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    condition = related(root, rng)
    if condition is None:
        return None
    own = own_tests(root, rng, 1) if rng.random() < 0.2 else ()
    outputs = tuple(root.label)
    if rng.random() < 0.25:
        others = [
            a for a in askable(root) if a not in [ref.attribute for ref in outputs] and a not in attributes_in(own)
        ]
        outputs = (*outputs, Ref((), rng.choice(others))) if others else outputs
    return Select("child_filter", root, outputs, (*own, condition), distinct=True)


def counting_joined(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    where: tuple[Condition, ...]
    if rng.random() < 0.35 and root.key:
        condition = related(root, rng)
        if condition is None or len(root.key) != 1:
            return None
        return Select("join_count", root, (Measure("count_distinct", Ref((), root.key[0])),), (condition,))
    path = forward_path(root, rng)
    tests = parent_tests(root, path, rng) if path else ()
    if not tests:
        return None
    where = (*(own_tests(root, rng, 1) if rng.random() < 0.3 else ()), *tests)
    return Select("join_count", root, (Measure("count"),), where)


def aggregating_joined(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    numbers = numeric(root)
    path = forward_path(root, rng)
    tests = parent_tests(root, path, rng) if path else ()
    if not numbers or not tests:
        return None
    attribute = rng.fresh(numbers, of="measured")
    own = own_tests(root, rng, 1) if rng.random() < 0.2 else ()
    if attribute in attributes_in(own):
        own = ()
    return Select(
        "join_aggregate", root, (measure_of(Ref((), attribute), function_for(attribute, rng), rng),), (*own, *tests)
    )


def without(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    condition = related(root, rng, negated=True, tested=0.45)
    if condition is None:
        return None
    own = own_tests(root, rng, 1) if rng.random() < 0.2 else ()
    if rng.random() < 0.3:
        return Select("without", root, (Measure("count"),), (*own, condition))
    return Select("without", root, tuple(root.label), (*own, condition))


def of_extreme(domain: Domain, root: Entity, rng: Dice) -> Query | None:
    """Children of the parent that has the most of something, as orders of the oldest customer."""
    paths = [
        p
        for p in forward_paths(root, 1)
        if len(p[0].link.columns) == 1 and not p[0].link.subtype and p[0].link.parent is not root
    ]
    if not paths:
        return None
    path = rng.choice(paths)
    candidates = sortable(end(root, path))
    if not candidates:
        return None
    condition = Extreme(path, Ref((), rng.choice(candidates)), rng.random() < 0.65)
    outputs = (Measure("count"),) if rng.random() < 0.4 else tuple(root.label)
    return Select("extreme", root, outputs, (condition,))
