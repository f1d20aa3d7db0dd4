"""The run: sample, try, word, until there are enough question–SQL pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Domain, Entity, ties
from sqlfocus.corpus.synthesis.lexicon import read_domain
from sqlfocus.corpus.synthesis.paths import tables_of
from sqlfocus.corpus.synthesis.phrasing_en import English
from sqlfocus.corpus.synthesis.phrasing_zh import Chinese
from sqlfocus.corpus.synthesis.profile import Connection
from sqlfocus.corpus.synthesis.query import Combined, Query
from sqlfocus.corpus.synthesis.shape_table import SHAPES
from sqlfocus.corpus.synthesis.shapes import askable
from sqlfocus.corpus.synthesis.sql import render
from sqlfocus.corpus.synthesis.trial import RejectedError, Trial
from sqlfocus.corpus.synthesis.voice import UnspeakableError
from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import Database

LANGUAGES = ("en", "zh")
_GIVE_UP = 120
"""A shape that fails so often in a row has nothing more to give."""


class Voice(Protocol):
    """Words queries in one language; raises ``UnspeakableError`` where a name has no word in it."""

    def question(self, query: Query) -> str: ...


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The pairs, and what the run can tell of them.

    ``shapes`` and ``tables`` count pairs (a pair counts for each table that its SQL reads), ``rejected`` counts
    queries by reason, ``notes`` are conventions found, links inferred and tables left out, one line each.
    """

    examples: list[Example]
    queries: int
    shapes: dict[str, int]
    tables: dict[str, int]
    rejected: dict[str, int]
    notes: tuple[str, ...] = ()

    def summary(self, wanted: int) -> list[str]:
        """What to tell the user, in lines; ``wanted`` is how many pairs were asked for."""
        lines = [f"note: {note}" for note in self.notes]
        made = len(self.examples)
        lines.append(f"{made} pairs from {self.queries} queries")
        if made < wanted:
            lines.append(f"{wanted} were asked for: the database gives no more without repeating itself")
        lines.append("by shape: " + _counted(self.shapes))
        lines.append("by table: " + _counted(self.tables))
        if self.rejected:
            lines.append("rejected queries: " + _counted(self.rejected))
        return lines


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(slots=True)
class _Run:
    domain: Domain
    trial: Trial
    voices: dict[str, Voice]
    rng: Dice
    tied: list[Entity]
    queries: dict[str, Query] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    sources: list[Query] = field(default_factory=list)
    results: set[Any] = field(default_factory=set)
    roots: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def sample(self, shape: str) -> tuple[str, Query] | None:
        """A new query of the shape that passed the trial, with its SQL."""
        roots = [entity for entity in self.domain.entities if not entity.unnameable]
        if SHAPES[shape].counts_ties:
            roots += self.tied
        weights = [_richness(entity) / (1 + self.roots[entity.table]) for entity in roots]
        if SHAPES[shape].names_rows:
            weights = [weight * (1 if root.named else 0.3) for weight, root in zip(weights, roots, strict=True)]
        root = self.rng.choices(roots, weights)[0]
        query = SHAPES[shape].sampler(self.domain, root, self.rng)
        if query is None:
            return None
        try:
            open_value = not isinstance(query, Combined) and query.having is not None
            if not open_value and render(query, self.domain.dialect) in self.queries:
                raise RejectedError("a duplicate")
            query, rows = self.trial.settle(query, self.rng)
            sql = render(query, self.domain.dialect)
            if sql in self.queries:
                raise RejectedError("a duplicate")
            fingerprint = (query.shape, tuple(sorted(tables_of(query))), _masked(sql), repr(rows[:50]), len(rows))
            if fingerprint in self.results:
                raise RejectedError("the same result as a query like it")
            self.results.add(fingerprint)
        except RejectedError as rejected:
            self.rejected[str(rejected)] += 1
            return None
        self.roots[root.table] += 1
        return sql, query

    def word(self, sql: str, query: Query, phrasings: int) -> int:
        """Word a query in every language and keep the pairs; return how many are new."""
        new = 0
        for voice in self.voices.values():
            made = 0
            for _ in range(phrasings * 3):
                if made == phrasings:
                    break
                try:
                    question = voice.question(query)
                except UnspeakableError:
                    self.rejected["no word for a name or code in the language"] += 1
                    break
                key = question.lower().strip(" .?？。")
                if key in self.asked:
                    if self.asked[key] != sql:
                        self.rejected["a question that another query answers"] += 1
                    continue
                self.asked[key] = sql
                self.examples.append(Example(question, sql, self.domain.name, dialect=self.domain.dialect))
                self.sources.append(query)
                made += 1
            new += made
        return new


def synthesize(
    database: Database,
    connection: Connection,
    *,
    count: int,
    seed: int = 42,
    languages: Sequence[str] = ("en",),
    phrasings: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Synthesis:
    """Make ``count`` question–SQL pairs about a database, or as many as it gives.

    ``connection`` runs read-only queries within limits. A query gets up to ``phrasings`` questions in each language;
    where the queries run out before ``count``, it gets more. The same database, seed and arguments give the same pairs.
    ``on_progress`` is called with the number of pairs made so far.

    Raises:
        UserError: no table has rows, a language is unknown, or no pair can be made at all.
    """
    unknown = [language for language in languages if language not in LANGUAGES]
    if unknown or not languages:
        raise UserError(f"{', '.join(unknown) or 'no language'}: no such language; known are {', '.join(LANGUAGES)}")
    if count < 1 or phrasings < 1:
        raise UserError(f"count is {count} and phrasings {phrasings}; both are at least 1")
    domain = read_domain(database, connection)
    rng = Dice(seed)
    voices = {language: _voice(language, domain, rng) for language in dict.fromkeys(languages)}
    tied = [one for entity in domain.entities for one in ties(entity)]
    run = _Run(domain, Trial(domain, connection), voices, rng, tied)
    failures: Counter[str] = Counter()
    open_shapes = list(SHAPES)
    while open_shapes and len(run.examples) < count:
        shape = min(open_shapes, key=lambda name: (run.made[name] + rng.random()) / SHAPES[name].weight)
        found = run.sample(shape)
        worded = run.word(*found, phrasings) if found else 0
        if found and worded:
            run.queries[found[0]] = found[1]
            run.made[shape] += 1
            failures[shape] = 0
            if on_progress:
                on_progress(min(len(run.examples), count))
        else:
            failures[shape] += 1
            if failures[shape] >= _GIVE_UP:
                open_shapes.remove(shape)
    for _ in range(3):
        for sql, query in run.queries.items():
            if len(run.examples) >= count:
                break
            run.word(sql, query, 1)
    if not run.examples:
        raise UserError(f"{database.name}: no question can be made; {_why(run)}")
    examples, sources = run.examples[:count], run.sources[:count]
    return Synthesis(
        examples,
        queries=len({example.sql for example in examples}),
        shapes=dict(Counter(query.shape for query in sources)),
        tables=dict(Counter(table for query in sources for table in tables_of(query))),
        rejected=dict(run.rejected),
        notes=domain.notes,
    )


def _voice(language: str, domain: Domain, rng: Dice) -> Voice:
    return English(domain, rng) if language == "en" else Chinese(domain, rng)


def _richness(entity: Entity) -> float:
    return 1.0 + 0.5 * len(askable(entity)) ** 0.5 + 0.3 * len(entity.parents)


def _masked(sql: str) -> str:
    """The SQL without its digits, so that queries that differ in a number only are seen to be alike."""
    return "".join(character for character in sql if not character.isdigit())


def _why(run: _Run) -> str:
    if run.rejected.get("no word for a name or code in the language"):
        return "its names have no words in the language asked for: add column comments, or choose other --languages"
    return "its tables have too few rows or columns to ask about"
