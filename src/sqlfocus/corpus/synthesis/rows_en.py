"""English questions that ask for a list of rows, sorted or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref
from sqlfocus.corpus.synthesis.english import listed, plural
from sqlfocus.corpus.synthesis.nouns_en import NounsEn
from sqlfocus.corpus.synthesis.query import Condition, Measure, Order, Select
from sqlfocus.corpus.synthesis.voice import UnspeakableError

_IMPERATIVE = (
    "List {}.",
    "Show {}.",
    "Show me {}.",
    "Give me {}.",
    "Find {}.",
    "Display {}.",
    "Return {}.",
    "Give {}.",
    "Get {}.",
    "List {}.",
    "Find {}.",
)
_POLITE = (
    "Please list {}.",
    "Could you show me {}?",
    "Can you list {}?",
    "I would like to see {}.",
    "I need {}.",
    "Can you give me {}?",
    "Please show {}.",
    "I'd like to know {}.",
    "Could you tell me {}?",
)
_SINGLE = ("Find {}.", "Give me {}.", "Show me {}.", "Tell me {}.", "Return {}.", "Show {}.", "Get {}.")


@dataclass(slots=True)
class RowsEn(NounsEn):
    """Words lists of rows, and puts noun phrases into questions and commands."""

    singular: bool = False
    """Whether the list that was worded last is grammatically one thing, as "the price of each product"."""

    def ask(self, what: str, *, many: bool) -> str:
        """A noun phrase as a question, a command, a polite request or a mere phrase."""
        draw = self.rng.random()
        if draw < 0.36:
            text = f"What {'are' if many else 'is'} {what}?"
        elif draw < 0.72:
            text = self.pick(*(_IMPERATIVE if many else _SINGLE)).format(what)
        elif draw < 0.88:
            text = self.pick(*_POLITE).format(what)
        else:
            bare = what.removeprefix("the ").removeprefix("all ")
            text = bare if self.chance(0.6) else bare[:1].upper() + bare[1:]
        return text

    def command(self, what: str) -> str:
        """A noun phrase as a command or request."""
        return self.pick(*_IMPERATIVE, *_POLITE[:7]).format(what)

    def attribute_phrase(self, attributes: Sequence[Attribute], *, many: bool = False) -> str:
        """``name and price``, ``first and last names``, ``names and prices``."""
        words = [self.attr(attribute) for attribute in attributes]
        if (
            len(words) >= 2
            and words[0].endswith(" name")
            and words[1].endswith(" name")
            and words[0].split()[0] in ("first", "given")
        ):
            first = plural(words[0]) if many else words[0]
            joined = self.pick(f"{words[0].removesuffix(' name')} and {words[1]}", f"{first} and {words[1]}")
            words = [joined, *words[2:]] if len(words) > 2 else [joined]
        return listed([plural(word) if many else word for word in words])

    def output_groups(self, query: Select) -> tuple[list[Attribute], list[tuple[Path, list[Attribute]]]]:
        """The root's own attributes among the outputs, and those of each path."""
        own: list[Attribute] = []
        beyond: dict[Path, list[Attribute]] = {}
        for output in query.outputs:
            if isinstance(output, Ref):
                if output.path and not output.path[0].link.subtype:
                    beyond.setdefault(output.path, []).append(output.attribute)
                else:
                    own.append(output.attribute)
        return own, list(beyond.items())

    def beyond_phrase(self, path: Path, attributes: Sequence[Attribute], *, many: bool) -> str:
        """``the name of their customer``, ``customer names``."""
        link = path[-1].link
        noun = link.role_en or self.noun(link.parent)
        said = self.attribute_phrase(attributes, many=many)
        whose = ("their" if many else "its") if len(path) == 1 else "the"
        short = said if said.lower().startswith(noun.lower()) else f"{noun} {said}"
        if len(path) > 1:
            return self.pick(f"the {said} of the {noun}", f"the {short}")
        return self.pick(f"{whose} {short}", f"the {said} of {whose} {plural(noun) if many else noun}", f"the {short}")

    def rows(self, query: Select, conditions: Sequence[Condition] | None = None) -> tuple[str, bool]:
        """What a select lists, as a noun phrase with its article, and whether it is the bare entities."""
        root, where = query.root, query.where if conditions is None else conditions
        own, beyond = self.output_groups(query)
        label = [ref.attribute for ref in root.label]
        every = (
            self.pick("all ", "the ", "all the ", "", "all our " if self.chance(0.3) else "")
            if not where
            else self.pick("the ", "all ", "", "the ")
        )
        if not query.outputs:
            what = self.pick(
                "all information about",
                "all details of",
                "everything about",
                "all the information on",
                "the full records of",
                "all columns of",
            )
            return f"{what} {self.phrase(root, where)}", False
        if beyond:
            return self._with_parents(query, where, own, beyond), False
        if own == label and root.named and self.chance(0.5):
            return f"{every}{self.phrase(root, where)}", True
        if own[: len(label)] == label and len(own) > len(label) and root.named:
            extra = own[len(label) :]
            if self.chance(0.4):
                return (
                    f"{every}{self.phrase(root, where, style='compact')}, "
                    + self.pick("with", "together with", "along with")
                    + f" their {self.attribute_phrase(extra, many=True)}",
                    False,
                )
        repeated = not any(attribute.unique or attribute.kind in ("name", "text", "contact") for attribute in own)
        if repeated or (len(own) > 1 and self.chance(0.3)):
            self.singular = len(own) == 1
            return (
                f"the {self.attribute_phrase(own)} of "
                f"{self.pick('each', 'every')} {self.phrase(root, where, many=False)}",
                False,
            )
        many = not (len(own) > 1 and self.chance(0.5))
        names = self.attribute_phrase(own, many=many)
        if own == label and root.named and len(label) > 1 and self.chance(0.3):
            names = "full names"
        of = (
            self.pick("of all ", "of ", "of the ", "of our " if self.chance(0.4) else "")
            if not where
            else self.pick("of ", "of all ", "of the ")
        )
        return f"the {names} {of}{self.phrase(root, where)}", False

    def _with_parents(
        self,
        query: Select,
        where: Sequence[Condition],
        own: Sequence[Attribute],
        beyond: Sequence[tuple[Path, list[Attribute]]],
    ) -> str:
        root = query.root
        label = [ref.attribute for ref in root.label]
        path, attributes = beyond[0]
        if not own:
            self.singular = len(attributes) == 1
            alone = self.beyond_phrase(path, attributes, many=False).replace("its ", "the ")
            return f"{alone} of {self.pick('each ', 'every ')}{self.phrase(root, where, many=False)}"
        if list(own) == label and root.named and self.chance(0.4):
            head = self.pick("all ", "the ") + self.phrase(root, where, style="compact")
        else:
            each = self.phrase(root, where, many=False, style="compact")
            head = f"the {self.attribute_phrase(own)} of {self.pick('each', 'every')} {each}"
            self.singular = len(own) == 1
            tail = self.beyond_phrase(path, attributes, many=False)
            return f"{head}{self.pick(' and ', ', together with ', ' along with ')}{tail}"
        tail = self.beyond_phrase(path, attributes, many=True)
        return f"{head}{self.pick(' and ', ', together with ', ' along with ')}{tail}"

    def listing(self, query: Select) -> str:
        """A list of rows, possibly sorted."""
        root = query.root
        own, beyond = self.output_groups(query)
        label = [ref.attribute for ref in root.label]
        if not query.order and query.where and own == label and not beyond and query.outputs and self.chance(0.45):
            try:
                subject, predicate = self.subject_and_predicate(root, query.where)
            except UnspeakableError:
                pass
            else:
                return f"Which {subject} {predicate}?"
        self.singular = False
        what, bare = self.rows(query)
        if query.order:
            what = f"{what}{self.sorted_by(query.order, root)}"
            return self.command(what) if self.chance(0.75) else self.ask(what, many=True)
        if not query.outputs:
            return self.command(what)
        if bare and not what.startswith("the "):
            return self.command(what) if self.chance(0.8) or not query.where else f"{what[:1].upper()}{what[1:]}"
        return self.ask(what, many=not self.singular)

    def sorted_by(self, order: Sequence[Order], root: Entity) -> str:
        """How the list is sorted, with the words before it."""
        first = order[0]
        if isinstance(first.by, Measure) or not isinstance(first.by, Ref):
            number = "number" if isinstance(first.by, Measure) and first.by.of is None else "value"
            one, two = ("highest", "lowest") if first.descending else ("lowest", "highest")
            way = "descending" if first.descending else "ascending"
            return self.pick(
                f", sorted by that {number} from {one} to {two}",
                f", sorted by the {number} in {way} order",
                f", {one} {number} first",
                f", in {way} order of the {number}",
            )
        attribute = first.by.attribute
        name = self.attr(attribute)
        verb = self.pick("sorted by", "ordered by", "sorted by")
        if attribute.kind == "name":
            if first.descending:
                return self.pick(
                    f", {verb} {name} in reverse alphabetical order",
                    f", {verb} {name} from Z to A",
                    f", {verb} {name} in descending order",
                )
            return self.pick(
                f", {verb} {name} alphabetically",
                f" in alphabetical order of {name}",
                f", {verb} {name} from A to Z",
                f", {verb} {name}",
            )
        if attribute.dated or attribute.kind == "year":
            down = self.pick(
                f", {verb} {name} from newest to oldest",
                f", {verb} {name}, latest first",
                f", {verb} {name} in descending order",
                f", {verb} {name}, most recent first",
            )
            up = self.pick(
                f", {verb} {name} from oldest to newest",
                f", {verb} {name}, earliest first",
                f", {verb} {name} in ascending order",
                f", {verb} {name}",
            )
            return down if first.descending else up
        adjective = self.adjective(root, attribute, True)
        if adjective and self.chance(0.3) and adjective.split()[0] != "most":
            one, two = adjective, self.adjective(root, attribute, False)
            return f" from {one} to {two}" if first.descending else f" from {two} to {one}"
        down = self.pick(
            f", {verb} {name} in descending order",
            f", {verb} {name} from highest to lowest",
            f", {verb} {name}, highest first",
            f" in descending order of {name}",
            f", {verb} descending {name}",
        )
        up = self.pick(
            f", {verb} {name} in ascending order",
            f", {verb} {name} from lowest to highest",
            f", {verb} {name}, lowest first",
            f" in ascending order of {name}",
            f", {verb} {name}",
        )
        return down if first.descending else up
