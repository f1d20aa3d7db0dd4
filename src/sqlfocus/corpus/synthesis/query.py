"""A query as a structure of meaning: what SQL is written from and what questions are worded from.

The rule for FROM is: the entity that the question lists, counts or sums up comes first, joins go outward from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref, end


@dataclass(frozen=True, slots=True)
class Test:
    """A condition on one attribute.

    ``op`` with its ``values``: ``eq ne gt ge lt le`` (one), ``between`` (two, both included), ``in`` (two or more),
    ``contains starts ends`` (a text), ``null filled`` (none), ``flag`` (True or False), ``above below`` (none: its
    own average),
    and of dates ``year`` (2024), ``month`` (2024, 3), ``day since before after`` (an ISO date), ``days`` (two, both
    included),
    ``later earlier`` (another date attribute of the same row).
    """

    # pytest collects classes by their name.
    __test__ = False

    ref: Ref
    op: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the tests holds."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """An entity at the end of ``path`` passes all ``tests``, which start from there; ``negated``, there is none.

    The first step of ``path`` goes from parent to child.
    """

    path: Path
    tests: tuple[Test, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Extreme:
    """The parent at the end of ``path`` has the greatest (or smallest) value of ``ref``, which starts there."""

    path: Path
    ref: Ref
    greatest: bool


Condition = Test | AnyOf | Related | Extreme


@dataclass(frozen=True, slots=True)
class Period:
    """The ``year`` or ``month`` of a date."""

    ref: Ref
    unit: str


@dataclass(frozen=True, slots=True)
class Product:
    """Quantity times price."""

    left: Ref
    right: Ref


@dataclass(frozen=True, slots=True)
class Days:
    """The days from one date to a later one."""

    start: Ref
    end: Ref


@dataclass(frozen=True, slots=True)
class Measure:
    """A number over rows.

    ``count`` of rows (``of`` is ``None``), ``count_distinct``, ``sum``, ``avg``, ``min``, ``max``, or ``share`` (the
    percentage of rows that pass ``test``). ``divisor`` turns the stored unit into ``unit``.
    """

    function: str
    of: Ref | Product | Days | None = None
    test: Test | None = None
    divisor: int = 1
    unit: str = ""


Output = Ref | Period | Measure


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by ``by``."""

    by: Output
    descending: bool


@dataclass(frozen=True, slots=True)
class Having:
    """Only groups whose measure compares so."""

    measure: Measure
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Select:
    """A query over one root entity. Empty ``outputs`` are all columns of the root.

    ``group`` are attributes or periods; ``group_path`` instead groups by the entity at its end, whose label, or
    another of its attributes, is among the outputs. ``outer`` keeps entities without related ones (a LEFT JOIN).
    """

    shape: str
    root: Entity
    outputs: tuple[Output, ...]
    where: tuple[Condition, ...] = ()
    group: tuple[Ref | Period, ...] = ()
    group_path: Path | None = None
    having: Having | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    distinct: bool = False
    outer: bool = False

    @property
    def told(self) -> list[Attribute]:
        """What is shown of the entity that is grouped by, where that is not what it is called; else nothing."""
        if self.group_path is None:
            return []
        shown = [output.attribute for output in self.outputs if isinstance(output, Ref)]
        return [] if shown == [ref.attribute for ref in end(self.root, self.group_path).label] else shown


@dataclass(frozen=True, slots=True)
class Combined:
    """``INTERSECT``, ``EXCEPT`` or ``UNION`` of two selects."""

    shape: str
    operator: str
    left: Select
    right: Select


Query = Select | Combined
