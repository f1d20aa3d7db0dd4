"""What an English question calls a row, and how it says that rows of other tables belong to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.amounts_en import Clause, be
from sqlfocus.corpus.synthesis.clauses_en import ClausesEn
from sqlfocus.corpus.synthesis.domain import Entity, Hop, Link, Ref
from sqlfocus.corpus.synthesis.english import a, article, countable, listed, plural
from sqlfocus.corpus.synthesis.names import table_verb
from sqlfocus.corpus.synthesis.query import AnyOf, Condition, Extreme, Related, Test
from sqlfocus.corpus.synthesis.voice import Grouped
from sqlfocus.corpus.synthesis.wordlist import word_set
from sqlfocus.corpus.synthesis.words_en import (
    AT,
    BUYERS,
    BY,
    DOING,
    FOR,
    FROM,
    IN,
    MADE_BY_PERSONS,
    PAST,
    TABLE_VERBS,
    TIES,
)

_PARTS = word_set("item line detail entry content component ingredient")
_NAMED_AFTER = word_set(
    "department category genre team class group project hotel school university store shop branch brand region "
    "district station airport museum hospital restaurant league festival program campaign plan"
)


@dataclass(slots=True)
class RelationsEn(ClausesEn):
    """Words what entities are called and how they are related."""

    @abstractmethod
    def phrase(
        self, entity: Entity, conditions: Sequence[Condition], *, many: bool = True, noun: str = "", style: str = ""
    ) -> str:
        """The entity's noun with the conditions around it, see ``NounsEn``."""

    @abstractmethod
    def superlative(self, entity: Entity, conditions: Sequence[Condition], ref: Ref, greatest: bool, limit: int) -> str:
        """``most expensive product``, ``3 customers with the highest balance``; without article."""

    def nouns(self, entity: Entity) -> str:
        """The entity's plural."""
        noun = self.noun(entity)
        return plural(noun) if countable(noun) or plural(noun) != noun else f"{noun} records"

    def one(self, entity: Entity) -> str:
        """The entity's singular, to be counted."""
        noun = self.noun(entity)
        return noun if countable(noun) or plural(noun) != noun else f"{noun} record"

    def who(self, entity: Entity) -> str:
        return "who" if entity.person and self.chance(0.85) else "that"

    def called(self, entity: Entity, tests: Sequence[Test], role: str = "", *, bare: bool = True) -> str:
        """A row by what it is called: ``Alice Smith``, ``the Toys category``, ``order 1005``; not without its noun
        unless ``bare``."""
        by_attribute = {test.ref.attribute: test.values[0] for test in tests}
        values = [by_attribute[ref.attribute] for ref in entity.label]
        attribute = entity.label[0].attribute
        noun = role or self.noun(entity)
        last = noun.split()[-1].lower()
        if not entity.named:
            value = str(values[0])
            name = self.attr(attribute)
            return self.pick(
                f"{noun} {value}",
                f"the {noun} with {name} {value}",
                f"the {noun} with the {name} {value}",
                f"{noun} number {value}" if name.lower() in ("id", "number", f"{noun} number") else "",
            )
        value = self._full_name(values) if len(values) > 1 else self.word_of(attribute, values[0])
        if entity.person:
            return self.pick(
                value if bare else "",
                value if bare else "",
                f"the {noun} {value}",
                f"{noun} {value}",
                f"the {noun} named {value}",
            )
        if value.lower().strip("'\"").endswith(last):
            return self.pick(value, f"the {value}")
        # A small letter or a quotation mark in front does not read as a name.
        bare = bare and value[:1].isupper() and len(value) > 3
        if last in _NAMED_AFTER:
            plain = value.strip("'\"")
            return self.pick(f"the {plain} {noun}", f"the {noun} {value}", f"the {plain} {noun}", value)
        return self.pick(
            f"the {noun} {value}", value, f"the {noun} {self.pick('called', 'named')} {value}", f"the {noun} {value}"
        )

    def preposition(self, link: Link) -> str:
        """What stands between a child and its parent, as in "orders by", "employees in", "reviews of"."""
        role = (link.role_en or self.noun(link.parent)).split()[-1].lower()
        child = self.noun(link.child).split()[-1].lower()
        first = link.role_en.split()[0].lower() if link.role_en else ""
        if first in ("source", "origin", "departure", "from"):
            return "from"
        if first in ("destination", "arrival", "target", "to"):
            return "to"
        if role in BY and (link.parent.person or role in ("publisher", "manufacturer", "producer", "maker", "brand")):
            if role in ("customer", "client", "user", "buyer", "donor"):
                return self.pick("by", "from", "of", "by") if child in MADE_BY_PERSONS else "of"
            return self.pick("by", "by", "from") if role in FROM else "by"
        if role in FROM:
            return "from"
        if link.parent.person:
            return self.pick("by", "of") if child in MADE_BY_PERSONS else "of"
        if role in ("order", "invoice", "course", "project") and child not in _PARTS:
            return "for"
        if role in IN:
            return (
                "from"
                if link.child.person and role in ("city", "country", "state", "region", "province") and self.chance(0.5)
                else "in"
            )
        if role in AT:
            return self.pick("at", "of") if role not in ("location", "campus", "address") else "at"
        if role in FOR and child in (*MADE_BY_PERSONS, "ticket", "item", "line", "detail", "stock", "inventory"):
            return "for" if child not in ("review", "rating") else self.pick("of", "for")
        return "of"

    # Conditions on related entities

    def of_parent(self, link: Link, tests: Sequence[Test], *, many: bool = True) -> tuple[str, str]:
        """A condition on the parent as a prepositional phrase, and as what follows "whose"."""
        parent, role = link.parent, link.role_en
        said = self.preposition(link)
        noun = role or self.noun(parent)
        if self.names_row(parent, tests):
            named = self.called(parent, tests, role)
            if role and not named.startswith(("the ", noun)):
                named = f"the {noun} {named}"
            whose = f"{noun} is {self._name_only(parent, tests)}"
            if noun in ("manager", "supervisor", "boss") and self.chance(0.6):
                under = self.pick("managed by", "reporting to") if noun != "supervisor" else "supervised by"
                return f"{under} {self._name_only(parent, tests)}", whose
            return f"{said} {named}", whose
        if noun in ("manager", "supervisor", "boss") and self.chance(0.6):
            said = "supervised by" if noun == "supervisor" else self.pick("managed by", "reporting to")
        clauses = [self._clause_of(test, parent) for test in self.grouped(tests)]
        whose = f"{noun} {listed([clause.predicate()[0] for clause in clauses])}"
        said_parent = self.phrase(parent, tests, many=many, noun=role)
        return f"{said} {said_parent if many else f'{article(said_parent)} {said_parent}'}", whose

    def _full_name(self, values: Sequence[object]) -> str:
        """First and last name; where they are stored in capitals, now and then as people write them."""
        name = " ".join(str(value) for value in values)
        return name.title() if name.isupper() and self.chance(0.6) else name

    def _name_only(self, entity: Entity, tests: Sequence[Test]) -> str:
        by_attribute = {test.ref.attribute: test.values[0] for test in tests}
        values = [by_attribute[ref.attribute] for ref in entity.label]
        if len(values) > 1:
            return self._full_name(values)
        return self.word_of(entity.label[0].attribute, values[0]) if entity.named else str(values[0])

    def _clause_of(self, condition: Grouped, entity: Entity, *, many: bool = True) -> Clause:
        if isinstance(condition, tuple):
            link, tests = condition
            phrase, whose = self.of_parent(link, tests, many=many)
            belongs = (
                be(phrase)
                if phrase.split()[0] in ("in", "at", "by", "from", "to")
                else ("belongs to " + phrase.split(" ", 1)[1], "belong to " + phrase.split(" ", 1)[1])
            )
            if phrase.split()[0] in ("for", "managed", "supervised"):
                belongs = be(phrase)
            if phrase.startswith("reporting to "):
                belongs = (phrase.replace("reporting", "reports", 1), phrase.replace("reporting", "report", 1))
            return Clause(post=phrase, plain=belongs, whose=whose)
        if isinstance(condition, Test):
            return self.clause(condition, entity)
        if isinstance(condition, AnyOf):
            return self._any_of(condition, entity)
        if isinstance(condition, Related):
            return self._related(condition, entity)
        return self._extreme(condition)

    def _any_of(self, condition: AnyOf, entity: Entity) -> Clause:
        clauses = [self.clause(test, entity) for test in condition.tests]
        if all(clause.whose for clause in clauses) and self.chance(0.5):
            return Clause(whose=" or whose ".join(clause.whose for clause in clauses), plain=("", ""))
        predicates = [clause.predicate() for clause in clauses]
        either = self.pick("either ", "")
        return Clause(
            plain=(
                either + " or ".join(one for one, _ in predicates),
                either + " or ".join(many for _, many in predicates),
            )
        )

    def _extreme(self, condition: Extreme) -> Clause:
        link = condition.path[0].link
        best = self.superlative(link.parent, (), condition.ref, condition.greatest, 1)
        said = self.preposition(link)
        return Clause(post=f"{said} the {best}", whose=f"{link.role_en or self.noun(link.parent)} is the {best}")

    def _related(self, condition: Related, entity: Entity) -> Clause:
        first, rest = condition.path[0], condition.path[1:]
        child = first.target
        doing = (
            DOING.get(self.noun(child).split()[-1].lower(), "")
            if entity.person and child.english and entity.english[0].split()[-1].lower() in BUYERS
            else ""
        )
        if rest and rest[0].forward:
            passed = self._passed(entity, child, rest, condition)
            if passed:
                return passed
        elif (
            rest
            and doing in ("placed", "made")
            and self.noun(child).split()[-1] in ("order", "purchase")
            and self.chance(0.5)
        ):
            what = self._object(rest[-1].target, condition.tests, negated=condition.negated)
            if condition.negated:
                return Clause(
                    plain=(
                        f"has never {self.pick('ordered', 'bought')} {what}",
                        f"have never {self.pick('ordered', 'bought')} {what}",
                    )
                )
            verb = self.pick("ordered", "bought", "purchased")
            return Clause(
                plain=(
                    self.pick(f"{verb} {what}", f"has {verb} {what}"),
                    self.pick(f"{verb} {what}", f"have {verb} {what}"),
                )
            )
        inner: list[Condition] = []
        if rest and not rest[0].forward:
            inner.append(Related(rest, condition.tests))
        else:
            inner += [Test(Ref((*rest, *t.ref.path), t.ref.attribute), t.op, t.values) for t in condition.tests]
        many = self.phrase(child, inner)
        if condition.negated:
            single = self.phrase(child, inner, many=False)
            if doing and not inner and self.noun(child) in ("order", "purchase") and self.chance(0.3):
                said = f"never {self.pick('ordered', 'bought')} anything"
                return Clause(plain=(f"has {said}", f"have {said}"))
            if doing and self.chance(0.5):
                said = f"never {doing} {self.pick(a(single), f'any {many}')}"
                return Clause(plain=(f"has {said}", f"have {said}"))
            return Clause(
                lacking=f"any {many}",
                plain=self.pick_pair(
                    (f"has no {many}", f"have no {many}"), (f"does not have any {many}", f"do not have any {many}")
                ),
            )
        single = self.phrase(child, inner, many=False)
        some = self.pick(many, f"at least one {single}", f"{article(single)} {single}", many)
        if doing and f" {doing} " not in f" {some} " and self.chance(0.6):
            past = PAST.get(doing, doing)
            return Clause(
                plain=self.pick_pair(
                    (f"has {doing} {some}", f"have {doing} {some}"), (f"{past} {some}", f"{past} {some}")
                )
            )
        return Clause(having=some, plain=(f"has {some}", f"have {some}"))

    def pick_pair(self, *pairs: tuple[str, str]) -> tuple[str, str]:
        return self.rng.choice(pairs)

    def _object(self, target: Entity, tests: Sequence[Test], *, negated: bool) -> str:
        if self.names_row(target, tests):
            return self.called(target, tests, bare=False)
        return (
            f"any {self.phrase(target, tests)}"
            if negated
            else self.pick(self.phrase(target, tests), f"at least one {self.phrase(target, tests, many=False)}")
        )

    def _passed(self, entity: Entity, child: Entity, rest: Sequence[Hop], condition: Related) -> Clause | None:
        """A child that only ties the entity to another parent is not named: orders that contain a product."""
        target = rest[0].target
        tests = [Test(Ref((*rest[1:], *t.ref.path), t.ref.attribute), t.op, t.values) for t in condition.tests]
        words = self.noun(child).lower().split() if child.english else []
        part = bool(words) and words[-1] in _PARTS
        what = self._object(target, tests, negated=condition.negated)
        named = self.names_row(target, tests)
        if part and (set(self.noun(entity).lower().split()) - _PARTS) & set(words):
            verbs = self.rng.choice((("contains", "contain"), ("includes", "include")))
        elif part and (set(self.noun(target).lower().split()) - _PARTS) & set(words):
            verbs = self.rng.choice((("appears in", "appear in"), ("is part of", "are part of")))
        elif words[-1:] in (["enrollment"], ["registration"]) and entity.person and not target.person:
            verbs = ("is enrolled in", "are enrolled in")
        elif words[-1:] == ["membership"] and entity.person:
            verbs = ("is a member of", "are members of")
        elif (
            child.unnameable
            and target.person
            and self.noun(target).split()[-1].lower() in BY
            and not entity.person
            and named
        ):
            written = self.noun(target).split()[-1].lower() in ("author", "writer")
            who = self.pick(self.called(target, tests), self.called(target, tests, bare=False))
            if condition.negated:
                return Clause(plain=be(f"not by {who}"))
            return Clause(
                post=f"{self.pick('written by', 'by') if written else 'by'} {who}",
                plain=(f"was {'written ' if written else ''}by {who}", f"were {'written ' if written else ''}by {who}")
                if written
                else be(f"by {who}"),
            )
        elif (
            child.unnameable
            and entity.english
            and entity.english[0].split()[-1] in ("author", "writer")
            and not target.person
        ):
            if condition.negated:
                return Clause(plain=(f"has not written {what}", f"have not written {what}"))
            return Clause(plain=(f"wrote {what}", f"wrote {what}"))
        elif child.unnameable and entity.english and target.english and (entity.english[0], target.english[0]) in TIES:
            verbs = TIES[entity.english[0], target.english[0]]
        elif (
            child.unnameable and entity.person and not target.person and (said := table_verb(child.table, TABLE_VERBS))
        ):
            verbs = said
        elif child.unnameable:
            verbs = ("has", "have")
        else:
            return None
        if condition.negated:
            if verbs[0].startswith("is "):
                return Clause(
                    plain=(
                        verbs[0].replace("is ", "is not ", 1) + " " + what,
                        verbs[1].replace("are ", "are not ", 1) + " " + what,
                    )
                )
            if verbs[0] == "has":
                return Clause(lacking=what, plain=(f"does not have {what}", f"do not have {what}"))
            return Clause(plain=(f"does not {verbs[1]} {what}", f"do not {verbs[1]} {what}"))
        if verbs[0] == "has":
            return Clause(having=what, plain=(f"has {what}", f"have {what}"))
        return Clause(
            post=f"{'containing' if verbs[1] == 'contain' else 'including'} {what}"
            if verbs[1] in ("contain", "include")
            else "",
            plain=(f"{verbs[0]} {what}", f"{verbs[1]} {what}"),
        )
