"""What the voices of all languages share: chance, and one name for a thing throughout a question."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from sqlfocus.corpus.synthesis.domain import Attribute, Domain, Entity, Link, Ref
from sqlfocus.corpus.synthesis.query import Condition, Select, Test

Grouped = Condition | tuple[Link, list[Test]]
"""A condition of an entity's own, or the conditions on one parent, said from the parent's point of view."""


class UnspeakableError(Exception):
    """There is no word for a table, a column or a code in the language."""


@dataclass(slots=True)
class Voice(ABC):
    """Words queries in one language; ``rng`` decides which wording.

    One question calls a thing by one name throughout: the choices are kept in ``chosen`` until ``forget``.
    """

    domain: Domain
    rng: Random
    chosen: dict[object, str] = field(default_factory=dict)

    def forget(self) -> None:
        """Begin a new question."""
        self.chosen.clear()

    def pick(self, *options: str) -> str:
        """One of the options that are not empty; empty where all are."""
        return self.rng.choice([option for option in options if option] or [""])

    def chance(self, share: float) -> bool:
        """True in ``share`` of the cases."""
        return self.rng.random() < share

    @abstractmethod
    def number(self, value: float, attribute: Attribute | None = None) -> str:
        """A number as people write it, with the unit that the attribute's comment names."""

    def numbers(self, values: Sequence[float], attribute: Attribute) -> list[str]:
        """Numbers that are said together, all in one style."""
        state = self.rng.getstate()
        said = []
        for value in values:
            self.rng.setstate(state)
            said.append(self.number(value, attribute))
        return said

    def shared(self, query: Select) -> bool:
        """Whether other named entities have what is looked up too, so that the entity must be named."""
        asked = {o.attribute.english[0] for o in query.outputs if isinstance(o, Ref) and o.attribute.english}
        others = [entity for entity in self.domain.entities if entity is not query.root and entity.named]
        return any(a.english and a.english[0] in asked for entity in others for a in entity.attributes)

    @staticmethod
    def names_row(entity: Entity, tests: Sequence[Condition]) -> bool:
        """Whether the tests together say what one row is called."""
        wanted = {ref.attribute for ref in entity.label if not ref.path}
        said = {t.ref.attribute for t in tests if isinstance(t, Test) and t.op == "eq" and not t.ref.path}
        spoken = not any(attribute.dated or attribute.numeric for attribute in wanted)
        return bool(wanted) and wanted == said and len(tests) == len(wanted) and spoken

    @staticmethod
    def grouped(conditions: Sequence[Condition]) -> list[Grouped]:
        """Own conditions one by one, those on the same parent together."""
        result: list[Grouped] = []
        parents: dict[Link, list[Test]] = {}
        for condition in conditions:
            if isinstance(condition, Test) and condition.ref.path and not condition.ref.path[0].link.subtype:
                link = condition.ref.path[0].link
                if link not in parents:
                    parents[link] = []
                    result.append((link, parents[link]))
                beyond = Ref(condition.ref.path[1:], condition.ref.attribute)
                parents[link].append(Test(beyond, condition.op, condition.values))
            else:
                result.append(condition)
        return result
