"""Conditions in English: as an adjective, behind the noun, after "with", after "that", after "whose"."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfocus.corpus.synthesis.amounts_en import AmountsEn, Clause, be
from sqlfocus.corpus.synthesis.domain import Attribute, Entity
from sqlfocus.corpus.synthesis.english import a, is_adjective, listed
from sqlfocus.corpus.synthesis.query import Test
from sqlfocus.corpus.synthesis.words_en import ANTONYMS


@dataclass(slots=True)
class ClausesEn(AmountsEn):
    """Words single conditions."""

    def clause(self, test: Test, entity: Entity) -> Clause:
        """The condition in all the forms that it has."""
        attribute = test.ref.attribute
        if test.op in ("null", "filled"):
            return self._missing(test, attribute)
        if test.op == "flag":
            return self._flag(test, attribute)
        if test.op in ("above", "below"):
            return self._average(test, attribute, entity)
        if test.op in ("later", "earlier"):
            return self._against(test, attribute, entity)
        if attribute.dated:
            return self._date(test, attribute, entity)
        if attribute.kind == "year":
            return self._year(test, attribute)
        if attribute.numeric and test.op != "in":
            return self._number(test, attribute, entity)
        if test.op in ("contains", "starts", "ends"):
            return self._like(test, attribute)
        if attribute.kind == "key" or (attribute.kind == "other" and test.op == "eq"):
            return self._key(test, attribute)
        return self._value(test, attribute, entity)

    def _key(self, test: Test, attribute: Attribute) -> Clause:
        name, value = self.attr(attribute), str(test.values[0])
        return Clause(
            having=f"{name} {value}", whose=f"{name} is {value}", plain=(f"has {name} {value}", f"have {name} {value}")
        )

    def _missing(self, test: Test, attribute: Attribute) -> Clause:
        name = self.attr(attribute)
        event = self.event(attribute, None)
        null = test.op == "null"
        if event and event[1] and self.chance(0.5):
            participle = event[0]
            if null:
                said = self.pick(f"not been {participle} yet", f"not been {participle}", f"not yet been {participle}")
                return Clause(plain=(f"has {said}", f"have {said}"))
            return Clause(plain=(f"has been {participle}", f"have been {participle}"))
        if null:
            state = self.pick("missing", "not recorded", "unknown", "empty", "not set")
            return Clause(
                lacking=self.pick(a(name), f"any {name}"),
                whose=f"{name} is {state}",
                plain=(f"has no {name}", f"have no {name}"),
            )
        return Clause(
            having=a(name),
            whose=f"{name} is {self.pick('known', 'recorded', 'not missing', 'filled in')}",
            plain=(f"has {a(name)}", f"have {a(name)}"),
        )

    def _flag(self, test: Test, attribute: Attribute) -> Clause:
        name, true = self.attr(attribute), bool(test.values[0])
        if attribute.verb == "has":
            said = f"has {a(name)}", f"have {a(name)}"
            no = f"has no {name}", f"have no {name}"
            return Clause(having=a(name), plain=said) if true else Clause(lacking=a(name), plain=no)
        if is_adjective(name):
            if true:
                return Clause(adjective=name, plain=be(name))
            opposite = ANTONYMS.get(name, "")
            if opposite and opposite not in self.taken and self.chance(0.5):
                return Clause(adjective=opposite, plain=be(opposite))
            return Clause(plain=be(f"not {name}"))
        if attribute.verb == "is":
            return Clause(plain=be(name if true else f"not {name}"))
        marked = self.pick("marked as", "flagged as")
        return Clause(
            plain=be(f"{'' if true else 'not '}{marked} {name}"),
            post=f"{marked} {name}" if true else f"not {marked} {name}",
        )

    def _like(self, test: Test, attribute: Attribute) -> Clause:
        name, text = self.attr(attribute), test.values[0]
        said = self.pick(f"'{text}'", f'"{text}"', f"'{text}'")
        if test.op == "starts":
            letter = f"the letter {text.upper()}" if len(text) == 1 and text.isalpha() and self.chance(0.5) else said
            verb = self.pick("start", "begin")
            return Clause(
                whose=f"{name} {verb}s with {letter}",
                having=f"{a(name)} {self.pick('starting', 'beginning')} with {letter}",
            )
        if test.op == "ends":
            return Clause(
                whose=f"{name} ends {self.pick('with', 'in')} {said}",
                having=f"{a(name)} ending {self.pick('with', 'in')} {said}",
            )
        word = self.pick("the word ", "", "") if text.isalpha() and len(text) > 2 else ""
        return Clause(
            whose=f"{name} {self.pick('contains', 'includes')} {word}{said}",
            having=f"{word or self.pick('', 'the text ')}{said} in {self.pick('the', 'their')} {name}",
            plain=(f"has {word}{said} in its {name}", f"have {word}{said} in their {name}"),
        )

    def _value(self, test: Test, attribute: Attribute, entity: Entity) -> Clause:
        name, op = self.attr(attribute), test.op
        values = [self.word_of(attribute, value) for value in test.values]
        value = listed(values, "or")
        negated = "not " if op == "ne" else ""
        last = name.lower().split()[-1]
        if op == "ne":
            result = Clause(whose=f"{name} is not {value}", having=f"{a(name)} other than {value}")
        else:
            either = self.pick("either ", "") if op == "in" and len(values) == 2 else ""
            result = Clause(
                whose=f"{name} is {either}{value}",
                having=self.pick(f"{name} {value}", f"the {name} {value}") if op == "eq" else f"the {name} {value}",
            )
        adjectives = [word.strip("'\"").lower() for word in values]
        if all(is_adjective(word) for word in adjectives):
            said = listed(adjectives, "or")
            result.plain = be(f"{negated}{said}")
            if op == "eq":
                result.adjective = adjectives[0]
        elif last in ("city", "country", "state", "province", "region", "county", "town", "hometown", "nationality"):
            origin = self.pick("from", "in") if last != "nationality" else "of nationality"
            origin = self.pick("from", "from", "living in") if entity.person and last != "nationality" else origin
            if name in ("city", "country", "state", "province", "region", "hometown"):
                result.having = ""
                result.post, result.plain = (
                    f"{negated}{origin} {value}",
                    be(
                        negated
                        + (self.pick("located ", "based ", "") if origin == "in" and not entity.person else "")
                        + f"{origin} {value}"
                    ),
                )
        elif name == "language" and op in ("eq", "in") and not entity.person:
            result.post, result.plain = f"in {value}", be(f"in {value}")
        elif name in ("category", "type", "genre", "kind", "class", "brand") and op in ("eq", "in"):
            result.post = (
                f"of {name} {value}"
                if name != "category"
                else self.pick(f"in the category {value}", f"in the {value} category", f"of category {value}")
                if op == "eq"
                else f"in the category {value}"
            )
            result.plain = be(result.post)
        elif name == "name" and op == "eq":
            result.post = self.pick(f"named {value}", f"called {value}")
            result.plain = be(result.post)
        elif name == "title" and op == "eq" and not entity.person:
            result.post = self.pick(f"titled {value}", f"called {value}")
            result.plain = be(result.post)
        elif last == "method" and op in ("eq", "in") and "payment" in name:
            result.post = (
                f"paid by {listed([v.lower() for v in values], 'or')}"
                if entity.english and entity.english[0].split()[-1] in ("order", "invoice", "bill", "purchase")
                else f"made by {listed([v.lower() for v in values], 'or')}"
            )
            result.plain = (f"was {result.post}", f"were {result.post}")
        elif attribute.kind == "code" and op == "eq" and name in ("type", "kind", "level") and values[0].isalpha():
            result.adjective = values[0]
        return result
