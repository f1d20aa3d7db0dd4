"""English questions that ask for one row, for the best rows, for different values, and set operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref
from sqlfocus.corpus.synthesis.english import plural
from sqlfocus.corpus.synthesis.query import Combined, Related, Select, Test
from sqlfocus.corpus.synthesis.rows_en import RowsEn
from sqlfocus.corpus.synthesis.words_en import AGENTS, BUYERS, PLACED


@dataclass(slots=True)
class SinglesEn(RowsEn):
    """Words look-ups, superlatives, different values, and what two queries have in common or not."""

    def lookup(self, query: Select) -> str:
        """An attribute of one row that is called by its name."""
        root = query.root
        tests = [condition for condition in query.where if isinstance(condition, Test)]
        thing = self.called(root, tests, bare=not self.shared(query))
        own, beyond = self.output_groups(query)
        if beyond:
            path, attributes = beyond[0]
            link = path[0].link
            noun = link.role_en or self.noun(link.parent)
            whole = attributes == [ref.attribute for ref in link.parent.label]
            agent = AGENTS.get(noun.split()[-1], "") or (
                PLACED.get(self.noun(root).split()[-1], "")
                if link.parent.person and not link.role_en and noun.split()[-1] in BUYERS
                else ""
            )
            if whole and agent and self.chance(0.5):
                return self.pick(
                    f"Which {noun} {agent} {thing}?",
                    f"Who {agent} {thing}?" if link.parent.person else "",
                    f"Which {noun} {agent} {thing}?",
                )
            if whole and self.chance(0.65):
                if link.parent.person:
                    return self.pick(
                        f"Who is the {noun} of {thing}?",
                        f"Which {noun} does {thing} belong to?" if not link.role_en else "",
                        f"Who is {thing}'s {noun}?" if root.person else "",
                        f"Find the {noun} of {thing}.",
                    )
                return self.pick(
                    f"Which {noun} does {thing} belong to?",
                    f"What is the {noun} of {thing}?",
                    f"Which {noun} is {thing} in?" if self.preposition(link) == "in" else "",
                    f"{noun} of {thing}",
                )
            return self.ask(
                f"the {self.attribute_phrase(attributes)} of the {noun} of {thing}", many=len(attributes) > 1
            )
        if len(own) == 1 and self.chance(0.5):
            question = self._natural(root, own[0], thing)
            if question:
                return question
        names = self.attribute_phrase(own)
        possessive = f"{thing}'s {names}" if root.person and thing[0].isupper() and thing[-1].isalpha() else ""
        return self.ask(self.pick(f"the {names} of {thing}", f"the {names} of {thing}", possessive), many=len(own) > 1)

    def _natural(self, root: Entity, attribute: Attribute, thing: str) -> str:
        name = self.attr(attribute)
        last = name.lower().split()[-1]
        event = self.event(attribute, root)
        if event:
            participle, passive = event
            base = {
                "started": "start",
                "began": "begin",
                "ended": "end",
                "joined": "join",
                "signed up": "sign up",
                "expired": "expire",
                "arrived": "arrive",
                "departed": "depart",
                "finished": "finish",
                "enrolled": "enroll",
                "graduated": "graduate",
                "left": "leave",
            }
            return (
                f"When was {thing} {participle}?"
                if passive
                else f"When did {thing} {base.get(participle, participle)}?"
            )
        if name == "price":
            return self.pick(f"How much does {thing} cost?", f"How much is {thing}?")
        if name == "age" and root.person:
            return f"How old is {thing}?"
        if name == "height":
            return f"How tall is {thing}?"
        if name in ("city", "country", "state"):
            return self.pick(
                f"Which {name} is {thing} {'from' if root.person else 'in'}?",
                f"What {name} is {thing} {'from' if root.person else 'in'}?",
            )
        if name.startswith("number of "):
            return f"How many {name.removeprefix('number of ')} does {thing} have?"
        if attribute.kind == "money" and last in ("salary", "wage") and root.person:
            return f"How much does {thing} earn?"
        return ""

    def best(self, query: Select) -> str:
        """The row or rows with the greatest or smallest value."""
        root, order = query.root, query.order[0]
        assert isinstance(order.by, Ref) and query.limit
        many = query.limit > 1
        ref, limit = order.by, query.limit
        own, beyond = self.output_groups(query)
        label = [r.attribute for r in root.label]
        where = [c for c in query.where if not (isinstance(c, Test) and c.op == "filled" and c.ref == ref)]
        name = self.attr(ref.attribute)
        be = "are" if many else "is"
        if many and self.chance(0.25):
            rows = self.phrase(root, where, style="compact")
            least = f"{limit} {rows} {self.joint(root, rows, True)} {self.most(ref.attribute, name, False)}"
            phrase = f"top {limit} {rows} by {name}" if order.descending else least
        else:
            phrase = self.superlative(root, where, ref, order.descending, limit)
        if beyond and not own:
            return self._whose_best(*beyond[0], phrase, many)
        if own == label:
            noun = self.noun(root)
            adjective = self.adjective(root, ref.attribute, order.descending)
            if not many and adjective and self.chance(0.3):
                return f"Which {self.phrase(root, where, many=False, style='compact')} is the {adjective}?"
            if self.chance(0.35):
                subject = self.phrase(root, where, many=many, style="compact")
                number = f"{limit} " if many else ""
                most = self.most(ref.attribute, name, order.descending)
                return f"Which {number}{subject} {'have' if many else 'has'} {most}?"
            if root.named and self.chance(0.3):
                return self.ask(f"the {self.attribute_phrase(label, many=many)} of the {phrase}", many=many)
            if not root.named:
                return self.ask(f"the {self.attribute_phrase(label, many=many)} of the {phrase}", many=many)
            return (
                f"{'Who' if root.person else 'What'} {be} the {phrase}?"
                if noun and self.chance(0.4)
                else self._who(self.ask(f"the {phrase}", many=many), root)
            )
        extra = [attribute for attribute in own if attribute not in label]
        if own[: len(label)] == label and root.named and not many and self.chance(0.5):
            return self.pick(
                f"Which is the {phrase} and what is its {self.attribute_phrase(extra)}?"
                if not root.person
                else f"Who is the {phrase} and what is their {self.attribute_phrase(extra)}?",
                f"Show the {phrase} with {'their' if root.person else 'its'} {self.attribute_phrase(extra)}.",
            )
        return self.ask(f"the {self.attribute_phrase(own, many=many)} of the {phrase}", many=many or len(own) > 1)

    def _whose_best(self, path: Path, attributes: Sequence[Attribute], phrase: str, many: bool) -> str:
        """The customer of the largest order."""
        link = path[-1].link
        noun = link.role_en or self.noun(link.parent)
        nouns = plural(noun) if many else noun
        label = [ref.attribute for ref in link.parent.label]
        if list(attributes) == label and link.parent.named and len(path) == 1 and self.chance(0.4):
            return f"Which {nouns} {'have' if many else 'has'} the {phrase}?"
        said = self.attribute_phrase(attributes, many=many)
        return self.ask(f"the {said} of the {nouns} of the {phrase}", many=many or len(attributes) > 1)

    @staticmethod
    def _who(question: str, root: Entity) -> str:
        return question.replace("What is", "Who is").replace("What are", "Who are") if root.person else question

    def distinct(self, query: Select) -> str:
        """The different values of an attribute."""
        own, _ = self.output_groups(query)
        names = self.attribute_phrase(own, many=True)
        phrase = self.phrase(query.root, query.where)
        if len(own) > 1:
            names = "combinations of " + self.attribute_phrase(own)
        different = self.pick("different", "distinct", "unique", "different")
        if (
            len(own) == 1
            and self.attr(own[0]) in ("city", "country", "state", "region", "province")
            and self.chance(0.3)
        ):
            if query.root.person:
                return self.pick(
                    f"Which {names} do the {phrase} come from?",
                    f"In which {names} do {self.pick('our ', 'the ')}{phrase} live?",
                )
            return f"In which {names} {self.pick('are there', 'do we have')} {phrase}?"
        if len(own) == 1 and self.chance(0.25):
            return self.pick(
                f"Which {names} do the {phrase} have?" if not query.where else "",
                f"Which {different} {names} are there among the {phrase}?",
            )
        return self.ask(f"{self.pick('the', 'all')} {different} {names} of {self.pick('the ', '')}{phrase}", many=True)

    def combined(self, query: Combined) -> str:
        """Both, one without the other, or all together."""
        left, right = query.left, query.right
        if left.root is not right.root:
            return self._two_tables(query)
        one, two = left.where[0], right.where[0]
        if isinstance(one, Related) and isinstance(two, Related):
            return self._both_related(query.operator, left.root, one, two)
        output = left.outputs[0]
        assert isinstance(output, Ref) and isinstance(one, Test) and isinstance(two, Test)
        names = plural(self.attr(output.attribute))
        style = self.pick("compact", "compact", "that")
        a_phrase, b_phrase = self.phrase(left.root, (one,), style=style), self.phrase(left.root, (two,), style=style)
        if query.operator == "INTERSECT":
            have = self.pick("have both", "there are both", "have both")
            if have == "there are both":
                return f"For which {names} are there both {a_phrase} and {b_phrase}?"
            return self.pick(
                f"Which {names} have both {a_phrase} and {b_phrase}?",
                self.ask(f"the {names} that have both {a_phrase} and {b_phrase}", many=True),
                self.ask(f"the {names} with both {a_phrase} and {b_phrase}", many=True),
            )
        return self.pick(
            f"Which {names} have {a_phrase} but no {b_phrase}?",
            self.ask(f"the {names} with {a_phrase} but without any {b_phrase}", many=True),
            f"For which {names} are there {a_phrase} but no {b_phrase}?",
        )

    def _both_related(self, operator: str, root: Entity, one: Related, two: Related) -> str:
        first = self._related(one, root).predicate()[1]
        if operator == "INTERSECT":
            second = self._related(two, root).predicate()[1]
            joint = self.pick(" and also ", " and ")
            middle = f"{first}{joint}{second}"
        else:
            second = self._related(Related(two.path, two.tests, True), root).predicate()[1]
            middle = f"{first} but {second}"
        nouns = self.nouns(root)
        names = self.attribute_phrase([r.attribute for r in root.label], many=True)
        return self.pick(
            f"Which {nouns} {middle}?",
            self.ask(f"the {nouns} {self.who(root)} {middle}", many=True),
            self.ask(
                f"the {names} of {nouns} {self.who(root)} {middle}",
                many=True,
            ),
        )

    def _two_tables(self, query: Combined) -> str:
        output, right = query.left.outputs[0], query.right.outputs[0]
        assert isinstance(output, Ref) and isinstance(right, Ref)
        self.chosen[right.attribute] = names = self.attr(output.attribute)
        names = plural(names)
        one, two = self.nouns(query.left.root), self.nouns(query.right.root)
        if query.operator == "UNION":
            without = self.pick(", without duplicates", ", each only once", "", "")
            return self.ask(
                self.pick(
                    f"the {names} of all {one} and {two} together{without}",
                    f"all the {names} of {one} or {two}{without}",
                ),
                many=True,
            )
        if query.operator == "INTERSECT":
            return self.pick(
                f"Which {names} do {one} and {two} have in common?",
                self.ask(f"the {names} that occur among both {one} and {two}", many=True),
            )
        return self.pick(
            self.ask(f"the {names} that occur among {one} but not among {two}", many=True),
            f"Which {names} of {one} are not {names} of {two}?",
        )
