"""Conditions on numbers, years and dates in English, and the forms that any condition has."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfocus.corpus.synthesis.domain import Attribute, Entity
from sqlfocus.corpus.synthesis.english import a, is_plural, listed, plural
from sqlfocus.corpus.synthesis.query import Test
from sqlfocus.corpus.synthesis.values_en import ValuesEn
from sqlfocus.corpus.synthesis.voice import UnspeakableError
from sqlfocus.corpus.synthesis.words_en import COMPARATIVES, MEASURING_VERBS

_OF = {  # behind "a price"
    "gt": ("above {}", "over {}", "of more than {}", "greater than {}", "higher than {}", "exceeding {}"),
    "ge": ("of at least {}", "of {} or more", "no lower than {}", "of {} or higher"),
    "lt": ("below {}", "under {}", "of less than {}", "lower than {}"),
    "le": ("of at most {}", "of {} or less", "no higher than {}", "up to {}"),
    "eq": ("of {}", "of exactly {}", "of {}"),
    "between": ("between {} and {}", "from {} to {}", "between {} and {}"),
}
_IS = {  # behind "price is"
    "gt": ("above {}", "over {}", "more than {}", "greater than {}", "higher than {}"),
    "ge": ("at least {}", "{} or more", "greater than or equal to {}"),
    "lt": ("below {}", "under {}", "less than {}", "lower than {}"),
    "le": ("at most {}", "{} or less", "no more than {}"),
    "eq": ("{}", "exactly {}", "equal to {}"),
    "between": ("between {} and {}",),
}
_MUCH = {  # behind "costs"
    "gt": ("more than {}", "over {}"),
    "ge": ("at least {}", "{} or more"),
    "lt": ("less than {}", "under {}"),
    "le": ("at most {}", "no more than {}", "up to {}"),
    "eq": ("{}", "exactly {}"),
    "between": ("between {} and {}",),
}
_MANY = {  # before "pages"
    "gt": ("more than {}", "over {}"),
    "ge": ("at least {}", "{} or more"),
    "lt": ("fewer than {}", "less than {}"),
    "le": ("at most {}", "no more than {}", "up to {}"),
    "eq": ("{}", "exactly {}"),
    "between": ("between {} and {}",),
}


# The words before "price" and "salary" that leave "costs" and "earns" true.
_MODIFIERS = {
    "price": ("unit", "list", "sale", "sales", "retail"),
    "salary": ("monthly", "yearly", "annual", "base"),
    "wage": ("hourly", "weekly", "monthly"),
}


@dataclass(slots=True)
class Clause:
    """One condition in the forms that it has; an empty string is a form that it has not.

    ``adjective`` noun · noun ``post`` · noun with ``having`` · noun without ``lacking`` · noun that ``plain``
    (third person, plural) · noun whose ``whose``.
    """

    adjective: str = ""
    post: str = ""
    having: str = ""
    lacking: str = ""
    plain: tuple[str, str] = ("", "")
    whose: str = ""

    def predicate(self) -> tuple[str, str]:
        """What can follow "that", singular and plural; always there."""
        if self.plain[0]:
            return self.plain
        if self.having:
            return f"has {self.having}", f"have {self.having}"
        if self.lacking:
            return f"has no {_bare(self.lacking)}", f"have no {_bare(self.lacking)}"
        if self.adjective:
            return f"is {self.adjective}", f"are {self.adjective}"
        raise UnspeakableError("a condition without a predicate")


def _bare(noun: str) -> str:
    return noun.removeprefix("a ").removeprefix("an ").removeprefix("any ")


def be(rest: str) -> tuple[str, str]:
    """``is …`` and ``are …``."""
    return f"is {rest}", f"are {rest}"


@dataclass(slots=True)
class AmountsEn(ValuesEn):
    """Words conditions on numbers and times."""

    def _average(self, test: Test, attribute: Attribute, entity: Entity) -> Clause:
        name, up = self.attr(attribute), test.op == "above"
        last = name.split()[-1]
        of_all = f" of all {plural(self.noun(entity))}" if self.chance(0.3) else ""
        side = self.pick(*(("above", "higher than", "greater than") if up else ("below", "lower than", "less than")))
        mean = self.pick(f"the average {name}{of_all}", f"the average{of_all}", f"the mean {name}{of_all}")
        result = Clause(whose=f"{name} is {side} {mean}", having=f"{a(name)} {side} {mean}")
        if last in COMPARATIVES and name == last:
            comparative = COMPARATIVES[last][0 if up else 1]
            result.post = f"{comparative} {self.pick('average', 'the average')}{of_all}"
            result.plain = be(result.post)
        elif last in MEASURING_VERBS and (entity.person or last not in ("salary", "wage")) and name == last:
            amount = f"{'more' if up else 'less'} than {self.pick('average', 'the average')}{of_all}"
            verbs = MEASURING_VERBS[last]
            result.plain = (f"{verbs[0]} {amount}", f"{verbs[1]} {amount}")
        return result

    def _number(self, test: Test, attribute: Attribute, entity: Entity) -> Clause:
        name, op = self.attr(attribute), test.op
        last = name.lower().split()[-1]
        if op == "ne":
            value = self.number(test.values[0], attribute)
            return Clause(having=f"{a(name)} other than {value}", whose=f"{name} is not {value}")
        if op == "eq" and test.values == (0,) and "stock" in name:
            return Clause(post="out of stock", plain=be("out of stock"), whose=f"{name} is 0")
        values = self.numbers(test.values, attribute)
        of, is_, much = (self.pick(*table[op]).format(*values) for table in (_OF, _IS, _MUCH))
        result = Clause(having=f"{a(name)} {of}", whose=f"{name} is {is_}")
        counted = (
            name.removeprefix("number of ") if name.startswith("number of ") else (name if is_plural(last) else "")
        )
        if counted and attribute.kind in ("quantity", "score", "measure"):
            many = f"{self.pick(*_MANY[op]).format(*values)} {counted}"
            result = Clause(
                having=many,
                plain=(f"has {many}", f"have {many}"),
                whose=f"{name if not is_plural(last) or name.startswith('number') else 'number of ' + name} is {is_}",
            )
        elif last == "age" and name == last:
            if op == "eq":
                result.post, result.plain = f"aged {values[0]}", be(f"{values[0]} years old")
            elif op in ("gt", "lt"):
                result.post = (
                    f"{COMPARATIVES['age'][op == 'lt']} {values[0]}"
                    if self.chance(0.7)
                    else f"{'over' if op == 'gt' else 'under'} {values[0]} years old"
                )
                result.plain = be(result.post)
            elif op == "between":
                result.post = f"aged between {values[0]} and {values[1]}"
                result.plain = be(result.post)
            else:
                result.plain = be(f"{self.pick(*_MUCH[op]).format(*values)} years old")
        elif (
            last in MEASURING_VERBS
            and (name == last or name.split()[0] in _MODIFIERS.get(last, ()))
            and (last != "price" or len(self._alike(entity, "price")) == 1)
            and (entity.person or last not in ("salary", "wage"))
            and name.split()[0] not in ("total", "average")
        ):
            one, many, participle = MEASURING_VERBS[last]
            result.plain = (f"{one} {much}", f"{many} {much}")
            result.post = f"{participle} {much}"
            if last == "price" and op in ("gt", "lt") and self.chance(0.4):
                result.post = f"priced {'above' if op == 'gt' else 'below'} {values[0]}"
            elif last == "price" and op == "between" and self.chance(0.6):
                result.post = f"priced between {values[0]} and {values[1]}"
        elif name == last and last in COMPARATIVES and op in ("gt", "lt"):
            result.post = f"{COMPARATIVES[last][op == 'lt']} {values[0]}"
            result.plain = be(result.post)
        elif name == "rating" and op != "between":
            result.plain, result.post = be(f"rated {is_}"), f"rated {is_}"
        elif last == "stock" and op in _MANY:
            result.having = self.pick(f"{self.pick(*_MANY[op]).format(*values)} in stock", f"a stock {of}")
        return result

    def _alike(self, entity: Entity, word: str) -> list[Attribute]:
        return [o for o in entity.attributes if o.english and o.english[0].lower().split()[-1] == word and o.numeric]

    def _year(self, test: Test, attribute: Attribute) -> Clause:
        name = self.attr(attribute)
        words = name.lower().split()
        verb = next(
            (
                v
                for w, v in (
                    ("founded", "founded"),
                    ("founding", "founded"),
                    ("built", "built"),
                    ("release", "released"),
                    ("released", "released"),
                    ("opened", "opened"),
                    ("opening", "opened"),
                    ("established", "established"),
                    ("publication", "published"),
                    ("published", "published"),
                    ("publish", "published"),
                    ("birth", "born"),
                    ("construction", "built"),
                )
                if w in words
            ),
            "",
        )
        value = test.values[0]
        if test.op == "between":
            when = f"between {value} and {test.values[1]}"
        elif test.op == "in":
            when = f"in {listed([str(v) for v in test.values], 'or')}"
        else:
            when = {
                "eq": self.pick(f"in {value}"),
                "gt": f"after {value}",
                "lt": f"before {value}",
                "ge": self.pick(f"in {value} or later", f"in or after {value}"),
                "le": f"in or before {value}",
                "ne": f"not in {value}",
            }[test.op]
        if verb:
            return Clause(
                post=f"{verb} {when}",
                plain=(f"was {verb} {when}", f"were {verb} {when}"),
                whose=f"{name} is {when.removeprefix('in ') if test.op == 'eq' else when}",
            )
        whose = f"{name} is {when.removeprefix('in ') if test.op == 'eq' else when}"
        post = ""
        if name.lower() == "year":
            post = {
                "eq": self.pick(f"from {value}", f"in {value}", f"from the year {value}"),
                "gt": f"after {value}",
                "lt": f"before {value}",
            }.get(test.op, f"from {when}" if test.op == "between" else "")
            post = post.replace("from between", "between")
        if test.op == "eq":
            return Clause(post=post, having=f"{name} {value}", whose=whose)
        return Clause(post=post, whose=whose, plain=(f"has {a(name)} {when}", f"have {a(name)} {when}"))

    def _date(self, test: Test, attribute: Attribute, entity: Entity) -> Clause:
        if test.op == "in" or test.op == "eq":
            test = Test(test.ref, "day", test.values[:1])
        when, name = self.when(test), self.attr(attribute)
        event = self.event(attribute, entity)
        if event:
            participle, passive = event
            if passive:
                return Clause(
                    post=f"{participle} {when}",
                    plain=(f"was {participle} {when}", f"were {participle} {when}"),
                    whose=f"{name} is {when}",
                )
            return Clause(plain=(f"{participle} {when}", f"{participle} {when}"), whose=f"{name} is {when}")
        sole = sum(other.dated for other in entity.attributes) == 1
        plain_name = name.lower() in ("date", "time", "day", "datetime")
        post = ""
        if sole and plain_name:
            post = (
                {"in": f"from {when[3:]}", "during": f"from {when[7:]}", "on": when}.get(
                    when.split()[0], f"dated {when}"
                )
                if self.chance(0.6)
                else f"dated {when}"
            )
            post = post.replace("from the year", "from the year")
        return Clause(post=post, having=f"{a(name)} {when}", whose=f"{name} is {when}")

    def _against(self, test: Test, attribute: Attribute, entity: Entity) -> Clause:
        name, other = self.attr(attribute), self.attr(test.values[0])
        side = "after" if test.op == "later" else "before"
        event = self.event(attribute, entity)
        result = Clause(
            whose=f"{name} is {self.pick(side, 'later than' if side == 'after' else 'earlier than')} the {other}"
        )
        if event:
            participle, passive = event
            when = f"{participle} {side} the {other}"
            result.plain = (f"was {when}", f"were {when}") if passive else (when, when)
            result.post = when if passive else ""
        return result
