"""Question → SQL → rows: the one path that the command line, the evaluation and the service take.

The engine writes text, :func:`~sqlfocus.corpus.reply.extract_sql` takes the SQL out of it, the guard decides whether it
may run, and only what the guard wrote anew is run.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlfocus.corpus.prompt import DIALECT_NAMES, Prompt, PromptTemplate
from sqlfocus.corpus.reply import extract_sql
from sqlfocus.execution.guard import Permit, check
from sqlfocus.execution.runner import Result
from sqlfocus.inference.constraint.names import Names
from sqlfocus.inference.engine import Completion, Engine, Weighing
from sqlfocus.schema.mschema import Database

Run = Callable[[str], Result]
"""Runs one query, for instance :meth:`sqlfocus.execution.runner.Execution.run`."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question: the schema text of its database, and how to run what comes out (None: it is not run).

    With ``database``, whose text is ``schema``, the answer may only read that, and is held to SQL that is valid on it
    as it is written, unless it is ``free``. ``hint`` says which values of the database the question names; it is used
    where the question is asked again (:func:`answer_with_repair`).
    """

    question: str
    schema: str
    evidence: str = ""
    dialect: str = "sqlite"
    hint: str = ""
    run: Run | None = field(default=None, compare=False)
    database: Database | None = field(default=None, compare=False, repr=False)
    free: bool = False

    @property
    def held_to(self) -> Database | None:
        """What the engine holds the answer to."""
        return None if self.free else self.database


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question.

    ``completion`` is what the model wrote, ``sql`` the SQL in it ("" where there is none), ``permit`` the guard's
    decision on it. ``result`` is None where nothing was run: the guard refused, or the request does not run.
    """

    question: str
    completion: str
    sql: str
    permit: Permit
    result: Result | None = None
    fault: str = ""
    """What is wrong with it: no SQL, SQL that may not run or names what is not there, or does not run."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How a question was answered.

    ``attempts`` are the answers in their order: one, or two where the first was faulty or found nothing, which
    ``reason`` then says; ``completions`` is all that the model wrote, and ``model_seconds`` the time that took.
    """

    answer: Answer
    attempts: tuple[Answer, ...]
    completions: tuple[Completion, ...]
    model_seconds: float
    reason: str = ""


EMPTY = 1.0
"""So much less, in logarithms of a probability, an answer is worth that finds nothing."""

TEMPERATURE = 0.7
"""At which candidates besides the greedy one are drawn."""


REPAIR = "{fault}\nWrite the corrected {dialect} query. Reply with the SQL only."
"""What the model is told of a faulty answer."""


NOT_THE_QUERYS = ("timeout:", "memory:", "stopped:", "busy:", "unavailable:")
"""How errors begin that no other wording of the query would mend, or hardly."""


def answer_with_repair(
    engine: Engine,
    template: PromptTemplate,
    request: Request,
    *,
    max_new_tokens: int = 256,
    candidates: int = 1,
    stop: threading.Event | None = None,
) -> Trace:
    """Answer one question; an answer that is faulty or finds nothing is asked for once more.

    With several ``candidates`` a question gets so many answers, the greedy one and others that are drawn, and what
    they say when they are run decides between them (:func:`choose`).

    A faulty answer goes back to the model with what is wrong with it. Where it finds nothing and the request has a
    ``hint``, the question is asked again with that: models that were not trained on hints answer as well without
    (docs/linking.md). The second answer is taken where it has no fault and, in place of one that ran, finds something;
    else the first stays. Once ``stop`` is set, nothing more is written or asked.
    """

    def ask(prompt: Prompt) -> tuple[Answer, tuple[Completion, ...], float]:
        return _attempt(engine, prompt, request, max_new_tokens, candidates, stop)

    prompt = _prompt(template, request)
    first, completions, seconds = ask(prompt)
    reason = first.fault or (NOTHING if request.hint and not _finds(first) else "")
    if not reason or reason.startswith(NOT_THE_QUERYS) or (stop is not None and stop.is_set()):
        return Trace(first, (first,), completions, seconds)
    if first.fault:
        said = REPAIR.format(fault=reason, dialect=DIALECT_NAMES[request.dialect])
        again = prompt.followed_by(template.answer(first.sql or first.completion), said)
    else:
        hinted = _prompt(template, replace(request, question=f"{request.question} ({request.hint})"))
        again = replace(hinted, question=request.question)
    second, more, longer = ask(again)
    taken = second if not second.fault and (first.fault or _finds(second)) else first
    return Trace(taken, (first, second), completions + more, seconds + longer, reason)


NOTHING = "it finds nothing"


def _finds(answer: Answer) -> bool:
    """Whether an answer that was run found something: a row, and not one of zeros and NULLs alone."""
    if answer.result is None:
        return True
    rows = answer.result.rows
    return len(rows) > 1 or any(value not in (None, 0) for row in rows for value in row)


def _attempt(
    engine: Engine,
    prompt: Prompt,
    request: Request,
    max_new_tokens: int,
    candidates: int,
    stop: threading.Event | None,
) -> tuple[Answer, tuple[Completion, ...], float]:
    """One answer to a prompt, all that was written for it, and how long that took, running it left out."""
    answers: list[tuple[Answer, tuple[Completion, ...], float]] = []
    start = time.perf_counter()

    def done(_place: int, completions: Sequence[Completion]) -> None:
        seconds = time.perf_counter() - start
        answers.append((_chosen(request, completions), tuple(completions), seconds))

    complete_all(
        *(engine, [prompt], done),
        max_new_tokens=max_new_tokens,
        databases=[request.held_to],
        candidates=candidates,
        stop=stop,
    )
    return answers[0]


def _prompt(template: PromptTemplate, request: Request) -> Prompt:
    return template.prompt(
        schema=request.schema, question=request.question, evidence=request.evidence, dialect=request.dialect
    )


def _chosen(request: Request, completions: Sequence[Completion]) -> Answer:
    return choose(
        [
            finish(request.question, one.text, dialect=request.dialect, run=request.run, database=request.database)
            for one in completions
        ],
        [one.score for one in completions],
    )


def complete_all(
    engine: Engine,
    prompts: Sequence[Prompt],
    tell: Callable[[int, Sequence[Completion]], None],
    *,
    max_new_tokens: int,
    databases: Sequence[Database | None],
    candidates: int = 1,
    stop: threading.Event | None = None,
) -> None:
    """Complete prompts; ``tell`` is called with each one's place and its candidates, the greedy one first.

    Where the engine can weigh answers and they are held to databases, the candidates are different ones, else all but
    the greedy one are drawn. Setting ``stop`` ends them as they are then.
    """
    held = [database for database in databases if database is not None]
    if candidates > 1 and isinstance(engine, Weighing) and len(held) == len(prompts):
        engine.alternatives(
            prompts,
            databases=held,
            wanted=candidates,
            max_new_tokens=max_new_tokens,
            on_done=tell,
            stop=stop,
        )
        return
    written: dict[int, dict[int, Completion]] = {}

    def done(number: int, completion: Completion) -> None:
        place, candidate = divmod(number, candidates)
        written.setdefault(place, {})[candidate] = completion
        if len(written[place]) == candidates:
            found = written.pop(place)
            tell(place, [found[candidate] for candidate in range(candidates)])

    engine.complete(
        [prompt for prompt in prompts for _ in range(candidates)],
        max_new_tokens=max_new_tokens,
        databases=[database for database in databases for _ in range(candidates)],
        temperatures=[TEMPERATURE if candidate else 0.0 for _ in prompts for candidate in range(candidates)],
        on_done=done,
        stop=stop,
    )


def choose(candidates: Sequence[Answer], scores: Sequence[float | None] = ()) -> Answer:
    """One of several answers; where none runs, the first.

    Where each has a score, it is the one of the highest that runs; one that finds nothing has :data:`EMPTY` less.

    Else it is the one that most agree with, by the rows that they return: the shortest SQL that returns those. Those
    that do not run have no voice, and an empty result speaks only where there is no other. Where as many agree on one
    result as on another, that of the earlier candidate is taken, so that the greedy one decides.
    """
    weighed = [
        (score if _finds(candidate) else score - EMPTY, candidate)
        for candidate, score in zip(candidates, scores, strict=False)
        if score is not None and (candidate.result is None or not candidate.result.error) and not candidate.fault
    ]
    if weighed:
        return max(weighed, key=lambda one: one[0])[1]
    groups: dict[tuple[Any, ...], list[Answer]] = {}
    for candidate in candidates:
        if candidate.result is not None and not candidate.result.error:
            groups.setdefault(_meaning(candidate.result), []).append(candidate)
    if not groups:
        return candidates[0]
    most = max(groups.values(), key=lambda group: (bool(group[0].result and group[0].result.rows), len(group)))
    return min(most, key=lambda one: len(one.sql))


def _meaning(result: Result) -> tuple[Any, ...]:
    """What two results that say the same have in common: their rows, in whatever order, numbers to six digits."""
    rows = (
        tuple(f"{value:.6g}" if isinstance(value, int | float) else repr(value) for value in row) for row in result.rows
    )
    return tuple(sorted(rows))


def finish(
    question: str,
    completion: str,
    *,
    dialect: str = "sqlite",
    run: Run | None = None,
    database: Database | None = None,
) -> Answer:
    """The second half of the path: from what a model wrote to rows.

    With ``database`` only its tables may be read, and SQL that is not run is held to its columns too.
    """
    sql = extract_sql(completion, dialect=dialect)
    if not sql:
        permit = Permit(False, "the answer holds no SQL", parsed=False)
        return Answer(question, completion, sql, permit, fault=permit.reason)
    permit = check(sql, dialect=dialect, database=database)
    if not permit.allowed:
        return Answer(question, completion, sql, permit, fault=permit.reason)
    if run is None:
        return Answer(question, completion, sql, permit, fault=_misnamed(database, sql) if database else "")
    result = run(permit.sql)
    return Answer(question, completion, sql, permit, result, result.error)


def _misnamed(database: Database, sql: str) -> str:
    """What a query names that is not there, or ""."""
    return _names(database).wrong(sql, whole=True)


@functools.lru_cache(maxsize=64)
def _names(database: Database) -> Names:
    return Names(database)
