"""A database as people speak of it: entities with nouns, attributes with kinds, links with roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sqlfocus.corpus.synthesis.wordlist import word_set

NUMERIC = word_set("money quantity age score percent measure")
"""The kinds whose values are compared and aggregated as numbers."""
DATED = frozenset(("date", "datetime"))


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """A column.

    ``kind`` is one of ``key`` (identifies rows), ``name`` (what a row is called), ``code`` (values with a meaning that
    the comment tells), ``category`` (few distinct texts), ``flag``, ``date``, ``datetime``, ``year``, ``text``,
    ``contact``, those of ``NUMERIC``, or ``other`` (neither asked for nor filtered).
    """

    table: str
    column: str
    kind: str
    textual: bool
    """Whether SQL writes its values in quotes."""
    english: tuple[str, ...]
    """What it is called, the usual name first, singular, without article; empty where there is no English for it."""
    chinese: tuple[str, ...]
    unit: str = ""
    currency: str = ""
    codes_en: dict[str, str] = field(default_factory=dict)
    codes_zh: dict[str, str] = field(default_factory=dict)
    values: tuple[Any, ...] = ()
    """Distinct sampled values, the most frequent first."""
    numbers: tuple[float, ...] = ()
    """All sampled numbers in order, of a numeric or year attribute."""
    nulls: float = 0.0
    """The share of NULLs in the sample."""
    unique: bool = False
    additive: bool = False
    """Whether a sum over rows means something: amounts do, prices, ages and ratings do not."""
    truths: tuple[Any, Any] = (1, 0)
    """The values of a flag for yes and no."""
    verb: str = ""
    """``is`` or ``has``, where a flag's name begins so."""

    @property
    def numeric(self) -> bool:
        return self.kind in NUMERIC

    @property
    def dated(self) -> bool:
        return self.kind in DATED


@dataclass(eq=False, slots=True)
class Entity:
    """A table. ``label`` are the references that a row is called by (``path`` may lead to a supertype's name)."""

    table: str
    schema: str
    english: tuple[str, ...]
    """Singular nouns, the usual one first."""
    chinese: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    key: tuple[Attribute, ...]
    key_declared: bool
    person: bool
    rows: int
    """At most one more than the size from which a table is big."""
    label: tuple[Ref, ...] = ()
    named: bool = False
    """Whether the label is a name rather than a key."""
    unnameable: bool = False
    """Whether the table has no noun of its own, as ``student_courses``: it is joined through, not asked about."""
    parents: list[Link] = field(default_factory=list)
    children: list[Link] = field(default_factory=list)
    sample: tuple[tuple[Any, ...], ...] = ()
    """Sampled rows, a value for each attribute."""
    tie: bool = False
    """Whether it stands for what a table without a noun ties its only parent to: the activities of a student, which
    are rows of ``student_activities``."""
    live: tuple[Attribute, Any] | None = None
    """The soft-deletion column and its value in rows that are not deleted; ``None`` as value is NULL."""

    def attribute(self, column: str) -> Attribute:
        """The attribute of that column.

        Raises:
            KeyError: there is none.
        """
        for attribute in self.attributes:
            if attribute.column == column:
                return attribute
        raise KeyError(f"{self.table}.{column}")


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A foreign key: ``columns`` of ``child`` refer to ``referenced`` of ``parent``."""

    child: Entity
    parent: Entity
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    role_en: str = ""
    """What the parent is to the child, as ``manager``; empty where the parent's own noun says it."""
    role_zh: str = ""
    subtype: bool = False
    """Whether a child is a parent: its key is the foreign key, or the foreign key is named as the child itself."""
    total: bool = True
    """Whether every sampled child has a parent."""
    owner: bool = False
    """Whether a child is this parent's, though another key leads to the same table: that one says who it is, as
    ``friend_id`` of ``friend``, this whose, as ``student_id``."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step along a link, ``forward`` from child to parent."""

    link: Link
    forward: bool

    @property
    def target(self) -> Entity:
        return self.link.parent if self.forward else self.link.child


Path = tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """An attribute at the end of a path."""

    path: Path
    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Domain:
    """The entities of a database in the order of its tables."""

    name: str
    dialect: str
    entities: tuple[Entity, ...]
    notes: tuple[str, ...] = ()
    """One line each: conventions found, links inferred, tables left out."""

    def entity(self, table: str) -> Entity:
        """The entity of a table; a ``KeyError`` where there is none."""
        for entity in self.entities:
            if entity.table == table:
                return entity
        raise KeyError(table)


def ties(entity: Entity) -> list[Entity]:
    """What a table without a noun of its own ties each of two parents to, to be counted by that parent.

    There are none where a pair of the two may be there twice, or a row lack one of them: then rows are not what is
    tied.
    """
    links = entity.parents
    if not entity.unnameable or len(links) != 2 or links[0].parent is links[1].parent or entity.live:
        return []
    columns = [link.columns[0] for link in links]
    if any(len(link.columns) > 1 or link.subtype or not link.total or link.parent.live for link in links):
        return []
    if any(link.parent.unnameable for link in links):
        return []
    places = [next(p for p, a in enumerate(entity.attributes) if a.column == column) for column in columns]
    pairs = [tuple(row[place] for place in places) for row in entity.sample]
    if len(set(pairs)) < len(pairs):
        return []
    found = []
    for link, other in (links, links[::-1]):
        tied = replace(
            entity,
            english=other.parent.english,
            chinese=other.parent.chinese,
            attributes=(),
            person=other.parent.person,
            unnameable=False,
            tie=True,
            parents=[],
            children=[],
        )
        tied.parents.append(replace(link, child=tied))
        found.append(tied)
    return found


def end(root: Entity, path: Path) -> Entity:
    """The entity at the end of a path."""
    return path[-1].target if path else root


def forward_paths(root: Entity, depth: int) -> Iterator[Path]:
    """The paths from child to parent of 1 to ``depth`` steps, shortest first; no table is met twice.

    A reference to the own table is a path of one step.
    """
    level: list[Path] = [()]
    for _ in range(depth):
        longer: list[Path] = []
        for path in level:
            if path and path[-1].link.child is path[-1].link.parent:
                continue
            for link in end(root, path).parents:
                seen = [root, *(hop.target for hop in path)]
                if link.parent in seen and not (link.child is link.parent and not path):
                    continue
                longer.append((*path, Hop(link, True)))
        yield from longer
        level = longer
