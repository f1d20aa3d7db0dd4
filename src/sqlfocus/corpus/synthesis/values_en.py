"""English names and values: nouns for tables and columns, numbers with units, texts, dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlfocus.corpus.synthesis.domain import Attribute, Entity
from sqlfocus.corpus.synthesis.english import MONTHS
from sqlfocus.corpus.synthesis.query import Test
from sqlfocus.corpus.synthesis.voice import UnspeakableError, Voice
from sqlfocus.corpus.synthesis.words_en import EVENT_NOUNS, EVENTS, MADE_BY_PERSONS, SYNONYMS, UNITS


@dataclass(slots=True)
class ValuesEn(Voice):
    """Words names and values. ``taken`` are all names in the database: no synonym may be one of them."""

    taken: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        words = {noun.lower() for entity in self.domain.entities for noun in entity.english}
        words |= {word.lower() for entity in self.domain.entities for a in entity.attributes for word in a.english}
        self.taken = frozenset(words)

    def noun(self, entity: Entity) -> str:
        """What the entity is called in this question, singular.

        Raises:
            UnspeakableError: the table has no English name.
        """
        return self._called(entity, entity.english, entity.table)

    def attr(self, attribute: Attribute) -> str:
        """What the attribute is called in this question, singular, without article."""
        return self._called(attribute, attribute.english, f"{attribute.table}.{attribute.column}")

    def _called(self, thing: object, names: tuple[str, ...], where: str) -> str:
        if not names:
            raise UnspeakableError(f"no English for {where}")
        if thing not in self.chosen:
            name = names[0] if len(names) == 1 or self.chance(0.7) else self.rng.choice(names[1:])
            others = [other for other in SYNONYMS.get(name, ()) if other not in self.taken]
            self.chosen[thing] = self.rng.choice(others) if others and self.chance(0.15) else name
        return self.chosen[thing]

    def number(self, value: float, attribute: Attribute | None = None) -> str:
        """A number as people write it, with the unit that the attribute's comment names."""
        unit = attribute.unit if attribute else ""
        money = attribute is not None and attribute.kind == "money"
        if attribute is not None and money and unit == "cent":
            return self._with_unit(value / 100, attribute.currency or "dollar")
        if unit in UNITS and attribute is not None and attribute.kind != "year":
            spec = UNITS[unit]
            bigger = value / spec.factor
            if spec.bigger and value >= spec.factor and bigger * 2 == int(bigger * 2) and self.chance(0.5):
                return self._with_unit(bigger, spec.bigger)
            return self._with_unit(value, unit) if self.chance(0.75) else self.digits(value)
        if money and self.chance(0.08):
            return f"${self.digits(value)}"
        return self.digits(value)

    def digits(self, value: float) -> str:
        if value == int(value):
            return f"{int(value):,}" if abs(value) >= 10_000 and self.chance(0.5) else str(int(value))
        return f"{value:.10g}"

    def _with_unit(self, value: float, unit: str) -> str:
        spec = UNITS[unit]
        digits = self.digits(value)
        if spec.sign and self.chance(0.4):
            return spec.sign + digits if spec.before else digits + spec.sign
        return f"{digits} {spec.words[0] if value == 1 else spec.words[1]}"

    def text(self, value: Any) -> str:
        """A text value: bare where it reads as a name, else in quotes; now and then in another case."""
        text = str(value)
        if re.fullmatch(r"[A-Z]{3,}( [A-Z]{2,})*", text) and len(text) > 4 and self.chance(0.5):
            text = text.title()
        if text.islower() and self.chance(0.5) and len(text) > 3:
            text = text.capitalize() if self.chance(0.3) else text
        elif text.istitle() and self.chance(0.08):
            text = text.lower()
        if (
            text[:1].islower()
            or (" " in text and self.chance(0.25))
            or any(c in text for c in ",;:()?!")
            or self.chance(0.12)
        ):
            quote = self.pick("'", '"') if "'" not in text else '"'
            return f"{quote}{text}{quote}"
        return text

    def word_of(self, attribute: Attribute, value: Any) -> str:
        """What a value is called: what the comment says of a code, else the value."""
        if attribute.kind == "code":
            word = attribute.codes_en.get(str(value))
            if not word:
                raise UnspeakableError(f"no English for the code {value} of {attribute.table}.{attribute.column}")
            return word
        return self.text(value) if attribute.textual else str(value)

    def day(self, iso: str) -> str:
        """A date in one of the usual spellings."""
        year, month, day = int(iso[:4]), int(iso[5:7]), int(iso[8:10])
        name = MONTHS[month - 1]
        return self.pick(f"{name} {day}, {year}", f"{day} {name} {year}", iso, f"{name} {day}, {year}")

    def when(self, test: Test) -> str:
        """The period of a date's condition, with its preposition."""
        value = test.values[0]
        if test.op == "year":
            return self.pick(f"in {value}", f"in {value}", f"during {value}", f"in the year {value}")
        if test.op == "month":
            return f"in {MONTHS[test.values[1] - 1]} {value}"
        if test.op == "day":
            return f"on {self.day(value)}"
        if test.op == "days":
            return f"between {self.day(value)} and {self.day(test.values[1])}"
        year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
        point = self.day(value)
        if test.op in ("before", "since") and day == 1:
            point = str(year) if month == 1 and self.chance(0.8) else f"{MONTHS[month - 1]} {year}"
        if test.op == "since":
            return self.pick(
                f"since {point}",
                f"in or after {point}" if day == 1 and len(point) < 16 else f"on or after {point}",
                f"since {point}",
            )
        return f"{test.op} {point}"

    def event(self, attribute: Attribute, entity: Entity | None) -> tuple[str, bool] | None:
        """The participle of a date's event and whether it is passive; ``None`` where the name tells no event."""
        if not attribute.dated or not attribute.english:
            return None
        for name in attribute.english:
            stem = name.lower()
            for word in (" date", " time", " day", " at", " on", "date "):
                stem = stem.removesuffix(word) if word[0] == " " else stem.removeprefix(word)
            if stem in EVENTS:
                participle, passive = EVENTS[stem]
                if (
                    entity is not None
                    and stem in entity.english[0].lower().split()[-1:]
                    and stem != "order"
                    and passive
                ):
                    participle = (
                        "made"
                        if participle not in ("written",) and entity.english[0].split()[-1].lower() in MADE_BY_PERSONS
                        else participle
                    )
                if (
                    stem in EVENT_NOUNS
                    and entity is not None
                    and EVENT_NOUNS[stem] not in entity.english[0].lower().split()[-1:]
                ):
                    return ("ordered", True) if stem == "order" and not entity.person else None
                return participle, passive
        return None
