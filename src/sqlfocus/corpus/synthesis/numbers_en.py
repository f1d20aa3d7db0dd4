"""English questions that ask for one number: counts, sums, averages, shares, days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Ref
from sqlfocus.corpus.synthesis.english import is_plural, listed, plural
from sqlfocus.corpus.synthesis.idioms import is_revenue, is_sold_unit, is_total_of_sale, words
from sqlfocus.corpus.synthesis.query import Condition, Days, Measure, Product, Select
from sqlfocus.corpus.synthesis.singles_en import SinglesEn
from sqlfocus.corpus.synthesis.voice import UnspeakableError


@dataclass(slots=True)
class NumbersEn(SinglesEn):
    """Words the queries whose result is one number, and the names of measures."""

    def _number_question(self, query: Select, measures: Sequence[Measure]) -> str:
        root, measure = query.root, measures[0]
        if measure.function == "share":
            return self._share(root, measure)
        if measure.of is None or (
            measure.function == "count_distinct" and isinstance(measure.of, Ref) and measure.of.attribute in root.key
        ):
            return self._how_many(root, query.where)
        if measure.function == "count_distinct":
            assert isinstance(measure.of, Ref)
            names = plural(self.attr(measure.of.attribute))
            different = self.pick("different", "distinct")
            phrase = self.phrase(root, query.where)
            return self.pick(
                f"How many {different} {names} do the {phrase} have?",
                f"How many {different} {names} are there among the {phrase}?",
                f"How many {different} {names} of {phrase} are there?",
                self.ask(f"the number of {different} {names} of {phrase}", many=False),
                f"Count the {different} {names} of {phrase}.",
            )
        phrase = self.phrase(root, query.where)
        if isinstance(measure.of, Days):
            return self._days(measure, phrase)
        idiom = self._idiom(query, measure)
        if idiom and self.chance(0.5):
            return idiom
        said = self.measure_name(measure, root)
        natural = self._how_much(query, measure, phrase)
        if natural and self.chance(0.2):
            return natural
        if len(measures) > 1 and isinstance(measure.of, Ref):
            least, most = self.rng.choice((("minimum", "maximum"), ("lowest", "highest")))
            functions = listed([{"avg": "average", "min": least, "max": most}[m.function] for m in measures])
            said = f"{functions} {self.attr(measure.of.attribute)}"
            return self.ask(f"the {said} of {self._all(query.where)}{phrase}", many=True)
        return self.ask(f"the {said} of {self._all(query.where)}{phrase}{self._unit(measure)}", many=False)

    def _idiom(self, query: Select, measure: Measure) -> str:
        """What sellers ask for: revenue, units sold, the average order; empty where the measure is none of them."""
        root, where = query.root, query.where
        if measure.divisor != 1 and self.chance(0.5):
            return ""
        unit = self._unit(measure)
        if is_revenue(self.domain, measure):
            groups = self.grouped(where)
            if len(groups) == 1 and isinstance(groups[0], tuple) and self.chance(0.7):
                link, tests = groups[0]
                named = self.names_row(link.parent, tests)
                source = self.called(link.parent, tests) if named else self.phrase(link.parent, tests)
            else:
                source = self.phrase(root, where) if where else ""
            name = self.pick("total revenue", "revenue", "total sales", "sales revenue")
            return self.ask(f"the {name}{f' from {source}' if source else ''}{unit}", many=False)
        if not isinstance(measure.of, Ref):
            return ""
        attribute = measure.of.attribute
        if measure.function == "avg" and is_total_of_sale(root, attribute) and not where:
            return self.ask(f"the average {self.noun(root)} {self.pick('value', 'amount')}{unit}", many=False)
        parents = self.grouped(where)
        if len(parents) == 1 and isinstance(parents[0], tuple):
            link, tests = parents[0]
            if not self.names_row(link.parent, tests):
                return ""
            thing = self.called(link.parent, tests)
            if measure.function == "sum" and is_sold_unit(root, attribute) and words(link.parent)[-1:] != ["order"]:
                return self.pick(
                    f"How many units of {thing} were {self.pick('sold', 'ordered')}?",
                    f"How many {thing} have been sold in total?" if not thing.startswith("the ") else "",
                )
            if measure.function == "avg" and attribute.english[0] == "rating" and words(root)[-1:] == ["review"]:
                return self.ask(f"the average {self.attr(attribute)} of {thing}", many=False)
        return ""

    def _all(self, where: Sequence[Condition]) -> str:
        return self.pick("all ", "", "the ") if where else self.pick("all ", "all the ", "")

    def _how_many(self, root: Entity, where: Sequence[Condition]) -> str:
        if where and self.chance(0.5):
            try:
                subject, predicate = self.subject_and_predicate(root, where)
            except UnspeakableError:
                pass
            else:
                return f"How many {subject} {predicate}?"
        phrase = self.phrase(root, where)
        draw = self.rng.random()
        if draw < 0.5:
            return (
                f"How many {phrase} {self.pick('are there', 'do we have', 'are there', 'exist' if not where else '')}?"
            )
        if draw < 0.65:
            return self.pick(f"Count the {phrase}.", f"Count all {phrase}.", f"Count the number of {phrase}.")
        return self.ask(f"the {self.pick('', 'total ')}number of {phrase}", many=False)

    def _share(self, root: Entity, measure: Measure, group: str = "") -> str:
        assert measure.test is not None
        predicate = self.clause(measure.test, root).predicate()[1]
        nouns = self.nouns(root)
        if group:
            return self.pick(
                f"For each {group}, what percentage of the {nouns} {predicate}?",
                f"Show each {group} with the percentage of its {nouns} {self.who(root)} {predicate}.",
            )
        return self.pick(
            f"What percentage of {nouns} {predicate}?",
            f"What percent of the {nouns} {predicate}?",
            self.ask(f"the percentage of {nouns} {self.who(root)} {predicate}", many=False),
        )

    def _days(self, measure: Measure, phrase: str, group: str = "") -> str:
        assert isinstance(measure.of, Days)
        start, finish = self.attr(measure.of.start.attribute), self.attr(measure.of.end.attribute)
        kind = {
            "avg": "average",
            "max": self.pick("longest", "maximum", "largest"),
            "min": self.pick("shortest", "minimum", "smallest"),
        }[measure.function]
        days = f"the {kind} number of days between {start} and {finish}"
        if group:
            return self.pick(
                self.ask(f"{days} of {phrase} for each {group}", many=False),
                f"For each {group}, what is {days} of {phrase}?",
            )
        if measure.function == "avg" and self.chance(0.35):
            return f"How many days are there on average between the {start} and the {finish} of {phrase}?"
        return self.ask(f"{days} of {phrase}", many=False)

    def _how_much(self, query: Select, measure: Measure, phrase: str) -> str:
        if (
            not isinstance(measure.of, Ref)
            or measure.divisor != 1
            or len(query.outputs) > 1
            or measure.function != "avg"
        ):
            return ""
        name = self.attr(measure.of.attribute)
        if name == "price":
            return f"How much do {phrase} cost on average?"
        if name == "age" and query.root.person:
            return f"How old are {phrase} on average?"
        if name == "salary" and query.root.person:
            return f"How much do {phrase} earn on average?"
        return ""

    def _function(self, measure: Measure, attribute: Attribute) -> str:
        if attribute.dated:
            return (
                self.pick("latest", "most recent", "last")
                if measure.function == "max"
                else self.pick("earliest", "first")
            )
        return {
            "avg": self.pick("average", "average", "mean"),
            "sum": self.pick("total", "total", "combined"),
            "max": self.pick("maximum", "highest", "largest")
            if attribute.kind != "age"
            else self.pick("maximum", "highest"),
            "min": self.pick("minimum", "lowest", "smallest")
            if attribute.kind != "age"
            else self.pick("minimum", "lowest"),
        }[measure.function]

    def measure_name(self, measure: Measure, root: Entity) -> str:
        """``average price``, ``sum of the totals``, ``total revenue``; without article."""
        if isinstance(measure.of, Product):
            left, right = self.attr(measure.of.left.attribute), self.attr(measure.of.right.attribute)
            times = self.pick("times", "multiplied by", "×")
            what = f"{left} {times} {right}"
            stock = (
                self.pick("total stock value", "total value of the stock", "stock value") + f" ({what})"
                if "stock" in left
                else ""
            )
            return self.pick(
                stock,
                f"total value ({what})",
                f"total of {what}",
                f"sum of {what}",
                self.pick("total revenue", "revenue") + f" ({what})"
                if root.english and root.english[0].split()[0] in ("order", "sale", "sales", "invoice", "purchase")
                else "",
            )
        assert isinstance(measure.of, Ref)
        attribute = measure.of.attribute
        name = self.attr(attribute)
        if measure.function == "sum":
            counted = name.removeprefix("number of ")
            if name.startswith("number of ") or (is_plural(name.split()[-1]) and attribute.kind == "quantity"):
                return f"total number of {counted}"
            if name.split()[0] in ("total", "sum"):
                return f"sum of the {plural(name)}" if name != "total" else "sum of the totals"
            return self.pick(f"total {name}", f"total {name}", f"sum of the {plural(name)}")
        if name.startswith("total number of "):
            name = name.removeprefix("total ")
        return f"{self._function(measure, attribute)} {name}"

    def _unit(self, measure: Measure) -> str:
        if measure.divisor == 1:
            return ""
        return " in " + {"dollar": "dollars", "yuan": "yuan", "euro": "euros", "pound": "pounds"}[measure.unit]
