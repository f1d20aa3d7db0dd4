"""Question → SQL → rows: the one path that the command line, the evaluation and the service take.

The engine writes text, :func:`extract_sql` takes the SQL out of it, the guard decides whether it may run, and only what
the guard wrote anew is run.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from sqlfocus.corpus.prompt import DIALECT_NAMES, Prompt, PromptTemplate
from sqlfocus.execution.guard import Permit, check
from sqlfocus.execution.runner import Result
from sqlfocus.inference.constraint.names import Names
from sqlfocus.inference.engine import Completion, Engine
from sqlfocus.schema.mschema import Database

Run = Callable[[str], Result]
"""Runs one query, for instance :meth:`sqlfocus.execution.runner.Execution.run`."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question: the schema text of its database, and how to run what comes out (None: it is not run).

    With ``database`` the answer is held to SQL that is valid on it; ``schema`` is its text.
    """

    question: str
    schema: str
    evidence: str = ""
    dialect: str = "sqlite"
    run: Run | None = field(default=None, compare=False)
    database: Database | None = field(default=None, compare=False, repr=False)


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

    ``attempts`` are the answers in their order: one, or two where the first was faulty and went back to the model;
    ``completions`` is all that the model wrote, and ``model_seconds`` the time that took.
    """

    answer: Answer
    attempts: tuple[Answer, ...]
    completions: tuple[Completion, ...]
    model_seconds: float


TEMPERATURE = 0.7
"""At which candidates besides the greedy one are drawn."""


def answer(
    engine: Engine, template: PromptTemplate, request: Request, *, max_new_tokens: int = 256, candidates: int = 1
) -> Answer:
    """Answer one question; see :func:`answer_all`."""
    return answer_all(engine, template, [request], max_new_tokens=max_new_tokens, candidates=candidates)[0]


REPAIR = "{fault}\nWrite the corrected {dialect} query. Reply with the SQL only."
"""What the model is told of a faulty answer."""


NOT_THE_QUERYS = ("timeout:", "memory:", "stopped:", "busy:", "unavailable:")
"""How errors begin that no other wording of the query would mend, or hardly."""


def answer_with_repair(
    engine: Engine, template: PromptTemplate, request: Request, *, max_new_tokens: int = 256, candidates: int = 1
) -> Trace:
    """Answer one question; an answer that is faulty goes back to the model once, with what is wrong with it.

    The second answer is taken where it has no fault, else the first one stays.
    """
    prompt = _prompt(template, request)
    first, completions, seconds = _attempt(engine, prompt, request, max_new_tokens, candidates)
    if not first.fault or first.fault.startswith(NOT_THE_QUERYS):
        return Trace(first, (first,), completions, seconds)
    said = REPAIR.format(fault=first.fault, dialect=DIALECT_NAMES[request.dialect])
    again = prompt.followed_by(template.answer(first.sql or first.completion), said)
    second, more, longer = _attempt(engine, again, request, max_new_tokens, candidates)
    return Trace(first if second.fault else second, (first, second), completions + more, seconds + longer)


def _attempt(
    engine: Engine, prompt: Prompt, request: Request, max_new_tokens: int, candidates: int
) -> tuple[Answer, tuple[Completion, ...], float]:
    """One answer to a prompt, all that was written for it, and how long that took, running it left out."""
    answers: list[tuple[Answer, tuple[Completion, ...], float]] = []
    start = time.perf_counter()

    def done(_place: int, completions: Sequence[Completion]) -> None:
        seconds = time.perf_counter() - start
        answers.append((_chosen(request, completions), tuple(completions), seconds))

    complete_all(
        engine, [prompt], done, max_new_tokens=max_new_tokens, databases=[request.database], candidates=candidates
    )
    return answers[0]


def answer_all(
    engine: Engine,
    template: PromptTemplate,
    requests: Sequence[Request],
    *,
    max_new_tokens: int = 256,
    candidates: int = 1,
    on_done: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    """Answer questions, in their order. What goes wrong with a question is in its answer and stops no other.

    With several ``candidates`` a question gets so many answers, the greedy one and others that are drawn, and what
    they say when they are run decides between them (:func:`choose`).

    ``on_done`` is called with each question's place and answer, as soon as it is answered.
    """
    prompts = [_prompt(template, request) for request in requests]
    answers: dict[int, Answer] = {}

    def done(place: int, completions: Sequence[Completion]) -> None:
        answers[place] = _chosen(requests[place], completions)
        if on_done is not None:
            on_done(place, answers[place])

    databases = [request.database for request in requests]
    complete_all(engine, prompts, done, max_new_tokens=max_new_tokens, databases=databases, candidates=candidates)
    return [answers[place] for place in range(len(requests))]


def _prompt(template: PromptTemplate, request: Request) -> Prompt:
    return template.prompt(
        schema=request.schema, question=request.question, evidence=request.evidence, dialect=request.dialect
    )


def _chosen(request: Request, completions: Sequence[Completion]) -> Answer:
    return choose(
        [
            finish(request.question, one.text, dialect=request.dialect, run=request.run, database=request.database)
            for one in completions
        ]
    )


def complete_all(
    engine: Engine,
    prompts: Sequence[Prompt],
    tell: Callable[[int, Sequence[Completion]], None],
    *,
    max_new_tokens: int,
    databases: Sequence[Database | None],
    candidates: int = 1,
) -> None:
    """Complete prompts; ``tell`` is called with each one's place and its candidates, the greedy one first."""
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
    )


def choose(candidates: Sequence[Answer]) -> Answer:
    """The answer that most candidates agree with, by the rows that they return: the shortest SQL that returns those.

    Those that do not run have no voice, and an empty result speaks only where there is no other. Where as many agree
    on one result as on another, that of the earlier candidate is taken, so that the greedy one decides. Where none
    runs, the first is taken.
    """
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


# ---- from a model's text to SQL ----

_END_OF_TURN = re.compile(r"<\|[^|>]*\|>|</s>|<end_of_turn>")
_THINKING = re.compile(r".*</think>", re.DOTALL)
_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\n?")
_NAME = r"(?:\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|\w+)"
_HEAD = re.compile(
    rf"\b(?:(?P<query>SELECT\b|WITH\s+(?:RECURSIVE\s+)?{_NAME}\s*(?:\([^()]*\)\s*)?AS\s*(?:(?:NOT\s+)?MATERIALIZED\s*)?\("
    r")|(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|TRUNCATE|PRAGMA|ATTACH|EXPLAIN|SHOW|SET|GRANT|COPY)\b)",
    re.IGNORECASE,
)
# What may stand before SQL on its line: a list's mark, a label ("SQL:", "sqlite>"), an opening bracket.
_BEFORE = re.compile(r"(?!--)[>*#\d.\s-]*(?:[\w ]{1,40}[:：>])?[`*(\s]*")
LONGEST_LABEL = 60
_CONTINUES = re.compile(
    r"\s*(?:[(),=<>|+-]|(?:FROM|WHERE|AND|OR|NOT|ON|USING|GROUP|ORDER|HAVING|LIMIT|OFFSET|UNION|INTERSECT|EXCEPT|JOIN|"
    r"INNER|LEFT|RIGHT|FULL|CROSS|NATURAL|SELECT|AS|IN|BY|CASE|WHEN|THEN|ELSE|END|BETWEEN|LIKE|IS)\b)"
)
# What hides a semicolon: a string, a quoted name, a comment. MySQL alone has backslashes in strings.
_HIDING = r"`[^`]*`|--[^\n]*|/\*.*?\*/"
_STATEMENT_END = re.compile(rf"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|{_HIDING}|(;)", re.DOTALL)
_MYSQL_STATEMENT_END = re.compile(rf"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|{_HIDING}|(;)", re.DOTALL)


def extract_sql(text: str, *, dialect: str = "sqlite") -> str:
    """The SQL in what a model wrote, without fences, prose, labels and further statements; "" where there is none.

    What is cut off is never run. SQL that does not parse is returned all the same, so that it can be shown; prose that
    merely begins like SQL is not.

    >>> extract_sql("Here is the query:\\n```sql\\nSELECT name\\nFROM singer;\\n```\\nIt lists all names.")
    'SELECT name\\nFROM singer'
    >>> extract_sql("I would select all singers from the table.")
    ''
    """
    text = _THINKING.sub("", text.replace("\r\n", "\n"))
    text = _END_OF_TURN.split(text, maxsplit=1)[0]
    parts = _FENCE.split(text)
    fenced = len(parts) > 1
    # Inside fences first. The first part is inside one that the prompt opened, where nothing opens another.
    for part in parts[1::2] + parts[0::2]:
        if (found := _head(part)) and (sql := _sql_at(part, found, dialect, fenced)):
            return sql
    return ""


def _head(part: str) -> re.Match[str] | None:
    """The word with which the SQL in ``part`` begins.

    It stands at the start of a line or after a label. A query is found within a line too, where its word is in
    capitals: "the query is SELECT 1", but not "you can select one".
    """
    within = None
    for found in _HEAD.finditer(part):
        before = part[part.rfind("\n", 0, found.start()) + 1 : found.start()].strip()
        capitals = found[0].split()[0].isupper()
        if len(before) <= LONGEST_LABEL and _BEFORE.fullmatch(before) and (found["query"] or capitals):
            return found
        if within is None and found["query"] and capitals and part[found.start() - 1] not in "\"'":
            within = found
    return within


def _sql_at(part: str, found: re.Match[str], dialect: str, fenced: bool) -> str:
    """The first statement from the word that was found on, or "" where it is the beginning of a sentence."""
    start = found.start()
    start -= len(part[:start]) - len(part[:start].rstrip("( \t\n"))
    sql = part[start:].strip()
    end = _MYSQL_STATEMENT_END if dialect == "mysql" else _STATEMENT_END
    stop = next((token.start() for token in end.finditer(sql) if token[1]), None)
    sql = (sql if stop is None else sql[:stop]).strip()
    whole = _without_tail(sql, dialect) if stop is None and not fenced else sql
    if _parses(whole, dialect):
        return whole
    # "Select" and "With" in mixed case that begin nothing that parses are the first words of a sentence.
    return whole if found[0].split()[0].isupper() or found[0].split()[0].islower() else ""


def _without_tail(sql: str, dialect: str) -> str:
    """Text that begins with SQL, without what a model says after it.

    Lines are taken off the end until the rest parses, but none that goes on in SQL: an unfinished query is not to be
    run as a shorter one.
    """
    lines = sql.split("\n")
    for count in range(len(lines), 0, -1):
        if count < len(lines) and _CONTINUES.match(lines[count].upper() if lines[count].islower() else lines[count]):
            break
        candidate = "\n".join(lines[:count]).strip()
        for ending in (candidate.rstrip(".。 "), candidate, candidate.rstrip("`*.。 ")):
            if _parses(ending, dialect):
                return ending
    return sql.split("\n\n", 1)[0].strip()


def _parses(sql: str, dialect: str) -> bool:
    try:
        return bool(sqlglot.parse(sql, read=dialect)[0])
    except (SqlglotError, RecursionError, IndexError, AttributeError):
        return False
