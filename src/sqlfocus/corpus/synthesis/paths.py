"""Which tables a query must join: the paths that its columns need, and where a column can be read without a join."""

from __future__ import annotations

from collections.abc import Iterator

from sqlfocus.corpus.synthesis.domain import Path, Ref, end
from sqlfocus.corpus.synthesis.query import (
    AnyOf,
    Combined,
    Days,
    Extreme,
    Output,
    Period,
    Product,
    Query,
    Related,
    Select,
    Test,
)


def tests(query: Select) -> Iterator[Test]:
    for condition in query.where:
        if isinstance(condition, Test):
            yield condition
        elif isinstance(condition, (AnyOf, Related)):
            yield from condition.tests


def nearest(path: Path, column: str) -> tuple[Path, str]:
    """Where the column can be read: one that a foreign key refers to is read from the child, without a join."""
    while path and path[-1].forward and column in path[-1].link.referenced:
        link = path[-1].link
        column = link.columns[link.referenced.index(column)]
        path = path[:-1]
    return path, column


def group_is_joined(query: Select) -> bool:
    """Whether the entity that is grouped by must be joined, because its label is not in the foreign key itself."""
    path = query.group_path
    assert path is not None
    return any(ref.path or place_of(ref, path) == path for ref in end(query.root, path).label)


def needed(condition: Related) -> Path:
    """As far as SQL has to go: that a row of a child exists tells of the parents that each has."""
    path = condition.path
    if condition.tests:
        return path
    while len(path) > 1 and path[-1].forward and path[-1].link.total and not path[-1].target.live:
        path = path[:-1]
    return path


def place_of(ref: Ref, base: Path = ()) -> Path:
    return nearest((*base, *ref.path), ref.attribute.column)[0]


def paths(query: Select) -> Iterator[Path]:
    """The paths that a query's columns need, in the order in which the text meets them."""
    yield ()
    for output in query.outputs:
        yield from _output_paths(output)
    if query.group_path is not None:
        joined = group_is_joined(query)
        for attribute in end(query.root, query.group_path).key:
            yield query.group_path if joined else nearest(query.group_path, attribute.column)[0]
    for part in query.group:
        yield from _output_paths(part)
    for condition in query.where:
        if isinstance(condition, Test):
            yield place_of(condition.ref)
        elif isinstance(condition, AnyOf):
            yield from (place_of(test.ref) for test in condition.tests)
        elif isinstance(condition, Extreme):
            yield condition.path[:-1]
        elif not condition.negated:
            if not condition.tests:
                yield needed(condition)
            yield from (place_of(test.ref, condition.path) for test in condition.tests)
    if query.having:
        yield from _output_paths(query.having.measure)
    for order in query.order:
        yield from _output_paths(order.by)


def _output_paths(output: Output) -> Iterator[Path]:
    if isinstance(output, Ref):
        yield place_of(output)
    elif isinstance(output, Period):
        yield place_of(output.ref)
    else:
        if isinstance(output.of, Ref):
            yield place_of(output.of)
        elif isinstance(output.of, Product):
            yield from (place_of(output.of.left), place_of(output.of.right))
        elif isinstance(output.of, Days):
            yield from (place_of(output.of.start), place_of(output.of.end))
        if output.test is not None:
            yield place_of(output.test.ref)


def tables_of(query: Query) -> list[str]:
    """The tables that a query reads, each once, in the order in which they are met."""
    halves = [query.left, query.right] if isinstance(query, Combined) else [query]
    met: dict[str, None] = {}
    for half in halves:
        for path in paths(half):
            for length in range(len(path) + 1):
                met.setdefault(end(half.root, path[:length]).table)
        for condition in half.where:
            if isinstance(condition, (Related, Extreme)):
                for hop in condition.path:
                    met.setdefault(hop.target.table)
    return list(met)
