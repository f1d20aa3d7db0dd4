"""English questions about groups: how many per city, which customer has the most, which have more than three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref, end
from sqlfocus.corpus.synthesis.english import article, number_word, plural
from sqlfocus.corpus.synthesis.idioms import is_revenue, is_sold_unit, main_date, words
from sqlfocus.corpus.synthesis.numbers_en import NumbersEn
from sqlfocus.corpus.synthesis.query import (
    Days,
    Having,
    Measure,
    Period,
    Select,
    Test,
)
from sqlfocus.corpus.synthesis.words_en import BUYERS, MADE_BY_PERSONS

_MORE = {
    "gt": ("more than {}", "over {}"),
    "ge": ("at least {}", "{} or more"),
    "lt": ("fewer than {}", "less than {}"),
    "le": ("at most {}", "no more than {}"),
}
_IS_ABOVE = {
    "gt": ("above {}", "more than {}", "greater than {}", "over {}"),
    "ge": ("at least {}", "{} or more"),
    "lt": ("below {}", "less than {}", "under {}"),
    "le": ("at most {}", "{} or less"),
}
_ABOVE = {
    "gt": ("above {}", "over {}", "greater than {}", "higher than {}"),
    "ge": ("of at least {}",),
    "lt": ("below {}", "under {}", "lower than {}"),
    "le": ("of at most {}",),
}


@dataclass(slots=True)
class GroupsEn(NumbersEn):
    """Words the queries with groups."""

    def grouped_question(self, query: Select, measures: Sequence[Measure]) -> str:
        """A question whose answer is one row for each group, or the groups that stand out."""
        measure = measures[-1] if measures else None
        if measure is None and query.having:
            measure = query.having.measure
        if measure is None and query.order and isinstance(query.order[0].by, Measure):
            measure = query.order[0].by
        assert measure is not None
        shown = bool(measures)
        if query.outer:
            return self._outer(query)
        first = query.group[0] if query.group else None
        if isinstance(first, Period):
            return self._period_question(query, first, measure)
        group = self.group_name(query, query.root)
        if measure.function == "share":
            return self._share(query.root, measure, group)
        if isinstance(measure.of, Days):
            return self._days(measure, self.phrase(query.root, query.where), group)
        if query.having:
            return self._having(query, query.having, group, shown)
        if query.limit is not None:
            return self._most(query, measure, group, shown)
        order = self.sorted_by(query.order, query.root) if query.order else ""
        return self._per_group(query, measure, group, order)

    def group_name(self, query: Select, root: Entity) -> str:
        """What the groups are, singular: ``city``, ``customer``, ``city of the customer``."""
        if query.group_path is not None:
            return self._end_noun(root, query.group_path)
        ref = query.group[0]
        assert isinstance(ref, Ref)
        name = self.attr(ref.attribute)
        if not ref.path:
            return (
                f"{self.noun(root)} {name}"
                if name in ("name", "type", "status", "category", "class") and self.chance(0.3)
                else name
            )
        noun = self._end_noun(root, ref.path)
        return f"{noun} {name}" if not name.startswith(noun.split()[-1]) else name

    def _end_noun(self, root: Entity, path: Path) -> str:
        link = path[-1].link
        return link.role_en or self.noun(end(root, path))

    def _amount(self, measure: Measure, query: Select, *, phrase: str = "") -> str:
        """``number of orders``, ``average price of the products``; without article."""
        phrase = phrase or self.phrase(query.root, query.where, style="compact")
        if measure.of is None:
            return f"number of {phrase}"
        if not query.where and self.chance(0.5):
            if is_revenue(self.domain, measure):
                return f"{self.pick('total revenue', 'revenue', 'total sales')}{self._unit(measure)}"
            if (
                measure.function == "sum"
                and isinstance(measure.of, Ref)
                and is_sold_unit(query.root, measure.of.attribute)
            ):
                return self.pick("number of units sold", "quantity sold", "total quantity sold")
            if isinstance(measure.of, Ref) and self._alone(measure.of.attribute):
                return f"{self.measure_name(measure, query.root)}{self._unit(measure)}"
        return f"{self.measure_name(measure, query.root)} of {phrase}{self._unit(measure)}"

    def _alone(self, attribute: Attribute) -> bool:
        """Whether the attribute's name alone says which it is: no other column of the database is called so."""
        names = [name.lower() for entity in self.domain.entities for a in entity.attributes for name in a.english]
        return all(names.count(name.lower()) == 1 for name in attribute.english) and attribute.english[0] in (
            "rating",
            "salary",
            "monthly salary",
            "score",
        )

    def _per_group(self, query: Select, measure: Measure, group: str, order: str) -> str:
        amount = self._amount(measure, query)
        of_entity = query.group_path is not None
        named = (
            self.attribute_phrase([ref.attribute for ref in end(query.root, query.group_path).label])
            if query.group_path
            else ""
        )
        label = self.pick("name", named) if named == "name" else named
        draw = self.rng.random()
        if draw < 0.3:
            per = self.pick("per", "for each", "by", "for every") if not order else self.pick("per", "for each")
            return (
                self.ask(f"the {amount} {per} {group}", many=False).replace("?", f"{order}?")
                if not order
                else self.command(f"the {amount} {per} {group}{order}")
            )
        if draw < 0.55:
            if of_entity:
                return f"For each {group}, show the {label} and the {amount}{order}."
            return self.pick(
                f"For each {group}, show the {amount}{order}.",
                f"Show each {group} and the {amount}{order}.",
                f"List every {group} with the {amount}{order}.",
            )
        if draw < 0.8 and measure.of is None and not order:
            phrase = self.phrase(query.root, query.where, style="compact")
            if of_entity:
                return self.pick(
                    f"How many {phrase} does each {group} have?",
                    f"How many {phrase} are there for each {group}?",
                    f"How many {phrase} are there per {group}?",
                )
            return self.pick(
                f"How many {phrase} are there for each {group}?",
                f"How many {phrase} are there per {group}?",
                f"How many {phrase} does each {group} have?",
                f"How many {phrase} are there in each {group}?"
                if group in ("city", "country", "category", "region", "state")
                else "",
            )
        if of_entity:
            return self.command(f"the {label} of each {group} and the {amount}{order}")
        return self.command(
            f"{self.pick('each', 'every')} {group} and the {amount}{order}"
            if self.chance(0.5)
            else f"the {plural(group)} and the {amount} for each{order}"
        )

    def _most(self, query: Select, measure: Measure, group: str, shown: bool) -> str:
        descending, limit = query.order[0].descending, query.limit or 1
        many = limit > 1
        count = f"{limit if self.chance(0.6) else number_word(limit)} " if many else ""
        groups = plural(group) if many else group
        phrase = self.phrase(query.root, query.where, style="compact")
        what = "number" if measure.of is None else "value"
        told = self.attribute_phrase(query.told, many=many)
        if not shown and not told and self.chance(0.5):
            idiom = self._most_idiom(query, measure, f"{count}{groups}", many)
            if idiom:
                return idiom
        if measure.of is None:
            most = self.pick(
                f"{'the most' if descending else 'the fewest'} {phrase}",
                f"{'the largest' if descending else 'the smallest'} number of {phrase}",
                f"{'the highest' if descending else 'the lowest'} number of {phrase}",
            )
            own = not query.group_path and isinstance(query.group[0], Ref) and not query.group[0].path
            if own and not shown and self.chance(0.35):
                of = self.pick("among", "of") + (self.pick(" the ", " all ") if not query.where else " ")
                common = f"{'most' if descending else 'least'} common {groups}"
                return f"{'What are' if many else 'What is'} the {count}{common} {of}{phrase}?"
        else:
            best = self.pick("highest", "largest") if descending else self.pick("lowest", "smallest")
            most = f"the {best} {self._amount(measure, query, phrase=phrase)}"
        if told:
            said = f"the {told} of the {count}{groups} {self.pick('with', 'that have' if many else 'that has')} {most}"
            return (
                self.command(f"{said}, and the {what}") if shown else self.ask(said, many=many or len(query.told) > 1)
            )
        if many and descending and self.chance(0.3):
            with_it = f", with the {what}" if shown else ""
            return self.command(f"the top {limit} {groups} by {self._amount(measure, query)}{with_it}")
        if self.chance(0.5):
            plus = self.pick(f", and what is that {what}", f", and what is the {what}") if shown else ""
            return f"Which {count}{groups} {'have' if many else 'has'} {most}{plus}?"
        if shown:
            return self.command(f"the {count}{groups} with {most}, and the {what}")
        return self.ask(f"the {count}{groups} with {most}", many=many)

    def _most_idiom(self, query: Select, measure: Measure, groups: str, many: bool) -> str:
        """The best-selling products, the customers who spent the most; empty where the query asks for neither."""
        parent = end(query.root, query.group_path) if query.group_path else None
        if parent is None or query.where or measure.function != "sum":
            return ""
        descending = query.order[0].descending
        sold = isinstance(measure.of, Ref) and is_sold_unit(query.root, measure.of.attribute)
        if sold and descending and not parent.person:
            be = "are" if many else "is"
            return self.pick(
                f"Which {groups} sold the most?",
                f"What {be} the best-selling {groups}?",
                f"Which {groups} sold the most units?",
            )
        if is_revenue(self.domain, measure) and parent.person and words(parent)[-1] in BUYERS:
            amount = ("most" if descending else "least") + self.pick("", " money", " in total")
            return f"Which {groups} {'have' if many else 'has'} spent the {amount}?"
        return ""

    def _having(self, query: Select, having: Having, group: str, shown: bool) -> str:
        phrase = self.phrase(query.root, query.where, style="compact")
        groups = plural(group)
        measure = having.measure
        if measure.of is None:
            value = int(having.value)
            said = number_word(value) if self.chance(0.5) else str(value)
            amount = self.pick(*_MORE[having.op]).format(said)
            if value == 1:
                phrase_one = self.phrase(query.root, query.where, many=False, style="compact")
                most = f"{amount} {phrase_one}"
            else:
                most = f"{amount} {phrase}"
        else:
            return self._having_measure(query, having, group, shown, phrase)
        plus = self.pick(", and the number", ", together with the number")
        if query.told:
            told = f"the {self.attribute_phrase(query.told, many=True)} of the {groups}"
            said = f"{told} {self.pick('with', 'that have')} {most}"
            return self.command(f"{said}{plus}") if shown else self.ask(said, many=True)
        if shown:
            return self.command(
                f"the {groups} that have {most}{plus}" if not self.chance(0.4) else f"the {groups} with {most}{plus}"
            )
        return self.pick(
            f"Which {groups} have {most}?",
            self.ask(f"the {groups} with {most}", many=True),
            self.ask(f"the {groups} that have {most}", many=True),
        )

    def _having_measure(self, query: Select, having: Having, group: str, shown: bool, phrase: str) -> str:
        measure, groups = having.measure, plural(group)
        name = self.measure_name(measure, query.root)
        value = self.number(having.value, measure.of.attribute if isinstance(measure.of, Ref) else None)
        compared = self.pick(*_IS_ABOVE[having.op]).format(value)
        label = ""
        if query.group_path is not None:
            label = (
                self.attribute_phrase([ref.attribute for ref in end(query.root, query.group_path).label], many=True)
                + " of the "
            )
            label = label if self.chance(0.5) else ""
        if query.told:
            label = f"{self.attribute_phrase(query.told, many=True)} of the "
            if not shown:
                return self.ask(f"the {label}{groups} where the {name} of {phrase} is {compared}", many=True)
        if shown:
            return self.command(
                f"the {label}{groups} for which the {name} of {phrase} is {compared}, "
                f"{self.pick('and', 'together with')} {self.pick('that value', 'the value')}"
            )
        if (
            query.group_path is not None
            and len(query.group_path) == 1
            and not name.startswith("sum of")
            and self.chance(0.5)
        ):
            of = self.pick(*_ABOVE[having.op]).format(value)
            return self.pick(
                f"Which {groups} have {phrase} with {article(name)} {name} {of}?",
                self.ask(f"the {label}{groups} whose {phrase} have {article(name)} {name} {of}", many=True),
            )
        return self.pick(
            f"For which {groups} is the {name} of {phrase} {compared}?",
            self.ask(f"the {label}{groups} where the {name} of {phrase} is {compared}", many=True),
        )

    def _outer(self, query: Select) -> str:
        measure = query.outputs[-1]
        assert isinstance(measure, Measure) and isinstance(measure.of, Ref)
        child = measure.of.path[-1].target
        nouns, kids = self.noun(query.root), self.nouns(child)
        label = self.attribute_phrase([ref.attribute for ref in query.root.label])
        none = self.pick(
            f"including {plural(nouns)} without any {kids}",
            f"also for {plural(nouns)} that have none",
            f"including those with no {kids}",
            "including those with zero",
        )
        names = self.attribute_phrase([ref.attribute for ref in query.root.label], many=True)
        return self.pick(
            f"How many {kids} does each {nouns} have, {none}?",
            f"For each {nouns}, show the {label} and the number of {kids}, {none}.",
            f"Show the {names} of all {plural(nouns)} and how many {kids} they have, {none}.",
            f"For every {nouns}, count the {kids}, {none}.",
        )

    def _period_question(self, query: Select, period: Period, measure: Measure) -> str:
        root, unit = query.root, period.unit
        attribute = period.ref.attribute
        date, event = self.attr(attribute), self.event(attribute, root)
        years = [c.values[0] for c in query.where if isinstance(c, Test) and c.ref == period.ref and c.op == "year"]
        where = tuple(c for c in query.where if not (isinstance(c, Test) and c.ref == period.ref and c.op == "year"))
        query = replace(query, where=where)
        rows = self.phrase(root, where, style="compact")
        every = f"{unit} of {years[0]}" if years else unit
        counted, clear = rows, self._obvious_date(root, attribute)
        if event and measure.of is None and not where and not (clear and self.chance(0.4)):
            counted, clear = f"{rows} {event[0]}" if event[1] else f"{rows} that {event[0]}", True
        happened = f"were {event[0]}" if event and event[1] else ""
        if query.limit is not None:
            return self._best_period(
                query, measure, every, counted, happened if measure.of is None else "", clear, date
            )
        order = (
            self.pick(", in chronological order", f", sorted by {unit}", ", from oldest to newest")
            if query.order
            else ""
        )
        if measure.of is None and happened and self.chance(0.4):
            return f"How many {rows} {happened} in each {every}{order}?"
        if not clear:
            every = self.pick(f"{unit} of the {date}", f"{unit} (by {date})") if not years else f"{every} (by {date})"
        if measure.of is None and (counted == rows or happened) and self.chance(0.2):
            return (
                f"For each {every}, how many {rows} {happened if happened and counted != rows else 'are there'}{order}?"
            )
        amount = f"number of {counted}" if measure.of is None else self._amount(measure, query, phrase=rows)
        if measure.of is not None and self.chance(0.3):
            return f"For each {every}, what is the {amount}{order}?"
        if order or self.chance(0.6):
            return self.command(f"the {amount} {self.pick('per', 'for each', 'by')} {every}{order}")
        return self.ask(f"the {amount} per {every}", many=False)

    def _best_period(
        self, query: Select, measure: Measure, every: str, counted: str, happened: str, clear: bool, date: str
    ) -> str:
        """In which month the most happened."""
        descending = query.order[0].descending
        by = "" if clear else f", by {date},"
        if measure.of is not None:
            best = "highest" if descending else "lowest"
            return f"Which {every}{by} had the {best} {self.measure_name(measure, query.root)} of {counted}?"
        most = "most" if descending else "fewest"
        if happened and self.chance(0.5):
            rows = self.phrase(query.root, query.where, style="compact")
            return f"In which {every} were the {most} {rows} {happened.removeprefix('were ')}?"
        if not clear:
            return f"In which {every}, by {date}, were there the {most} {counted}?"
        return f"Which {every} had the {most} {counted}?"

    @staticmethod
    def _obvious_date(root: Entity, attribute: Attribute) -> bool:
        """Whether "per month" alone can only mean this date: the main one, of a thing that happens at a time."""
        noun = words(root)[-1:]
        return main_date(root) is attribute and bool(
            (noun and noun[0] in MADE_BY_PERSONS) or attribute.english[0].lower() in ("date", "time")
        )
