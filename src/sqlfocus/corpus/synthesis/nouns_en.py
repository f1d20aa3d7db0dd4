"""Noun phrases in English: an entity with its conditions, by adjectives, prepositions and relative clauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.amounts_en import Clause
from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Ref
from sqlfocus.corpus.synthesis.english import is_plural, listed, number_word, plural
from sqlfocus.corpus.synthesis.query import Condition, Extreme, Test
from sqlfocus.corpus.synthesis.relations_en import RelationsEn
from sqlfocus.corpus.synthesis.voice import UnspeakableError
from sqlfocus.corpus.synthesis.words_en import MADE_BY_PERSONS, SUPERLATIVES


@dataclass(slots=True)
class NounsEn(RelationsEn):
    """Words entities with conditions."""

    def phrase(
        self, entity: Entity, conditions: Sequence[Condition], *, many: bool = True, noun: str = "", style: str = ""
    ) -> str:
        """The entity's noun with the conditions around it, without an article.

        ``style`` is ``compact``, ``that`` or ``whose``; one of them by chance where it is empty.
        """
        head = (plural(noun) if many else noun) if noun else (self.nouns(entity) if many else self.one(entity))
        grouped = self.grouped(conditions)
        own = [c for c in grouped if not isinstance(c, (tuple, Extreme))]
        beyond = [c for c in grouped if isinstance(c, (tuple, Extreme))]
        clauses = [self._clause_of(condition, entity) for condition in own]
        style = style or self.rng.choices(("compact", "that", "whose"), (60, 22, 18))[0]
        adjective, posts, having, lacking, plains, whoses = self._slots(clauses, style)
        for place, condition in enumerate(beyond):
            clause = self._clause_of(condition, entity, many=many)
            late = bool(plains or whoses or place) or (
                bool(posts or having or lacking) and clause.post.startswith("of ")
            )
            if late or self.chance(0.2):
                whoses.append(clause.whose)
            else:
                posts_last = clause.post
                having_text = self._with(having, lacking)
                posts = [*posts, having_text, posts_last] if having_text else [*posts, posts_last]
                having, lacking = [], []
        text = " ".join(part for part in (adjective, head, *posts, self._with(having, lacking)) if part)
        index = 0 if many is False else 1
        relative: list[str] = [pair[index] for pair in plains]
        if relative:
            text += f" {self.who(entity)} {listed(relative)}"
            if whoses:
                text += " and" + "".join(f"{' and' if n else ''} whose {w}" for n, w in enumerate(whoses))
        elif whoses:
            text += (
                " whose " + self.pick(" and whose ", " and whose ", " and ").join(whoses)
                if all(" or whose " not in w for w in whoses)
                else " whose " + " and whose ".join(whoses)
            )
        return text

    @staticmethod
    def _with(having: Sequence[str], lacking: Sequence[str]) -> str:
        parts = ([f"with {listed(having)}"] if having else []) + (
            [f"without {listed(lacking, 'or')}"] if lacking else []
        )
        return " and ".join(parts)

    def _slots(
        self, clauses: Sequence[Clause], style: str
    ) -> tuple[str, list[str], list[str], list[str], list[tuple[str, str]], list[str]]:
        adjective = ""
        posts: list[str] = []
        having: list[str] = []
        lacking: list[str] = []
        plains: list[tuple[str, str]] = []
        whoses: list[str] = []
        for clause in clauses:
            options: list[str] = []
            if style == "whose" and clause.whose:
                options = ["whose"]
            elif style == "that" and clause.plain[0]:
                options = ["plain"]
            else:
                options += ["adjective"] * 6 if clause.adjective and not adjective else []
                options += ["post"] * 4 if clause.post else []
                options += ["having"] * (1 if clause.post or clause.adjective else 4) if clause.having else []
                options += ["lacking"] * 3 if clause.lacking else []
            if not options:
                options = ["plain"] if clause.plain[0] else ["whose"] if clause.whose else ["adjective"]
            slot = self.rng.choice(options)
            if slot == "adjective":
                adjective = f"{adjective} {clause.adjective}".strip()
            elif slot == "post":
                posts.append(clause.post)
            elif slot == "having":
                having.append(clause.having)
            elif slot == "lacking":
                lacking.append(clause.lacking)
            elif slot == "plain":
                plains.append(clause.plain)
            else:
                whoses.append(clause.whose)
        return adjective, posts, having, lacking, plains, whoses

    def subject_and_predicate(self, entity: Entity, conditions: Sequence[Condition]) -> tuple[str, str]:
        """``customers from Berlin`` and ``are older than 30``: one condition is the predicate.

        Raises:
            UnspeakableError: there is no condition.
        """
        if not conditions:
            raise UnspeakableError("no condition to say of the subject")
        grouped = self.grouped(conditions)
        own = [condition for condition in grouped if not isinstance(condition, Extreme)]
        if not own:
            raise UnspeakableError("no condition to say of the subject")
        last = own[-1]
        predicate = self._clause_of(last, entity)
        said = predicate.predicate() if predicate.plain[0] or not predicate.whose else ("", "")
        if not said[1]:
            raise UnspeakableError("no predicate")
        if isinstance(last, tuple):
            rest = [c for c in conditions if not (isinstance(c, Test) and c.ref.path and c.ref.path[0].link is last[0])]
        else:
            rest = [c for c in conditions if c is not last]
        return self.phrase(entity, rest, style="compact"), said[1]

    # Superlatives

    def superlative(self, entity: Entity, conditions: Sequence[Condition], ref: Ref, greatest: bool, limit: int) -> str:
        """``most expensive product``, ``3 customers with the highest balance``; without article."""
        attribute = ref.attribute
        name = self.attr(attribute)
        many = limit > 1
        adjective = self.adjective(entity, attribute, greatest)
        number = f"{number_word(limit) if self.chance(0.6) else limit} " if many else ""
        conditions = [c for c in conditions if not (isinstance(c, Test) and c.op == "filled" and c.ref == ref)]
        if adjective and self.chance(0.7):
            phrase = self.phrase(entity, conditions, many=many, style="compact")
            return f"{number}{adjective} {phrase}"
        phrase = self.phrase(entity, conditions, many=many, style="compact")
        return f"{number}{phrase} {self.joint(entity, phrase, many)} {self.most(attribute, name, greatest)}"

    def joint(self, entity: Entity, phrase: str, many: bool) -> str:
        """``with``, or ``who have`` behind a phrase that has a "with" of its own."""
        if " with " in phrase or " whose " in phrase:
            return f"{self.who(entity)} {'have' if many else 'has'}"
        return "with"

    def most(self, attribute: Attribute, name: str, greatest: bool) -> str:
        """``the highest price``, ``the most pages``, ``the latest order date``."""
        if attribute.dated or attribute.kind == "year":
            least = "earliest"
            return f"the {self.pick('latest', 'most recent') if greatest else least} {name}"
        counted = name.removeprefix("number of ")
        if name.startswith("number of ") or is_plural(name.split()[-1]):
            return f"the {'most' if greatest else 'fewest'} {counted}"
        if name.split()[-1] in ("length", "duration", "runtime"):
            return f"the {'longest' if greatest else 'shortest'} {name}"
        least = self.pick("lowest", "smallest", "lowest")
        return f"the {self.pick('highest', 'largest', 'highest') if greatest else least} {name}"

    def adjective(self, entity: Entity, attribute: Attribute, greatest: bool) -> str:
        """The superlative that the attribute gives its entity; empty where another attribute could be meant."""
        words = attribute.english[0].lower().split() if attribute.english else []
        key = " ".join(words) if " ".join(words) in SUPERLATIVES else (words[-1] if words else "")
        pair = SUPERLATIVES.get(key)
        if pair is None:
            if (
                attribute.dated
                and sum(other.dated for other in entity.attributes) == 1
                and not entity.person
                and self.event(attribute, entity)
            ):
                return (
                    self.pick("most recent", "latest", "newest")
                    if greatest
                    else self.pick("earliest", "oldest", "first")
                )
            if words and words[-1] in ("amount", "total") and entity.english[0].split()[-1].lower() in MADE_BY_PERSONS:
                pair = ("largest", "smallest")
            else:
                return ""
        if key in ("salary", "wage") and not entity.person:
            return ""
        for other in entity.attributes:
            theirs = other.english[0].lower().split() if other.english else []
            if (
                other is not attribute
                and theirs
                and (other.numeric or other.dated)
                and SUPERLATIVES.get(theirs[-1]) == pair
            ):
                return ""
        return pair[0 if greatest else 1]
