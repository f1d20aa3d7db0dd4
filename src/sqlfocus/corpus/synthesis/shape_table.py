"""The query shapes and how often each is asked, after what people ask in Spider, BIRD and at work."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfocus.corpus.synthesis import shapes, shapes_grouped, shapes_joined, shapes_nested
from sqlfocus.corpus.synthesis.shapes import Sampler


@dataclass(frozen=True, slots=True)
class Shape:
    """How a query of the shape is sampled, and how often in proportion to the others.

    ``names_rows`` tells that the answer is rows of the root table, which people seldom ask of a table whose rows have
    no name, as the items of orders.
    """

    sampler: Sampler
    weight: float
    names_rows: bool = False
    counts_ties: bool = False
    """Whether it counts, for rows of a parent, what a table without a noun ties them to."""


SHAPES: dict[str, Shape] = {
    "list": Shape(shapes.listing, 3.0, names_rows=True),
    "filter": Shape(shapes.filtering, 6.5, names_rows=True),
    "filter_more": Shape(shapes.filtering_more, 5.0, names_rows=True),
    "lookup": Shape(shapes.lookup, 4.5, names_rows=True),
    "count": Shape(shapes.counting, 7.0),
    "count_distinct": Shape(shapes.counting_distinct, 3.0),
    "distinct": Shape(shapes.distinct, 2.0),
    "aggregate": Shape(shapes.aggregating, 6.0),
    "superlative": Shape(shapes.superlative, 5.0, names_rows=True),
    "sort": Shape(shapes.sorting, 4.0, names_rows=True),
    "join_list": Shape(shapes_joined.joining, 3.5, names_rows=True),
    "superlative_join": Shape(shapes_joined.best_of_parent, 2.0),
    "join_filter": Shape(shapes_joined.filtering_by_parent, 7.0, names_rows=True),
    "child_filter": Shape(shapes_joined.filtering_by_child, 5.0),
    "join_count": Shape(shapes_joined.counting_joined, 5.0),
    "join_aggregate": Shape(shapes_joined.aggregating_joined, 3.5),
    "group_count": Shape(shapes_grouped.counting_by, 5.0),
    "group_aggregate": Shape(shapes_grouped.aggregating_by, 3.0),
    "group_join": Shape(shapes_grouped.grouping_joined, 4.5, counts_ties=True),
    "group_period": Shape(shapes_grouped.by_period, 2.5),
    "group_outer": Shape(shapes_grouped.including_none, 1.0),
    "most": Shape(shapes_grouped.best_group, 4.0),
    "most_join": Shape(shapes_grouped.best_parent, 5.0, counts_ties=True),
    "having": Shape(shapes_grouped.having, 5.0, counts_ties=True),
    "average": Shape(shapes_nested.against_average, 2.0),
    "without": Shape(shapes_joined.without, 4.0),
    "extreme": Shape(shapes_joined.of_extreme, 1.0, names_rows=True),
    "intersect": Shape(shapes_nested.intersecting, 2.0),
    "except": Shape(shapes_nested.excepting, 2.0),
    "union": Shape(shapes_nested.uniting, 0.8),
    "product": Shape(shapes_nested.multiplying, 2.5),
    "days": Shape(shapes_nested.days_between, 1.0),
    "share": Shape(shapes_nested.share, 1.8),
}
