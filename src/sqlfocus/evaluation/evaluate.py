"""Measure a model on questions whose right SQL is known: write, execute, compare."""

from __future__ import annotations

import functools
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sqlfocus.answer import choose, complete_all, finish
from sqlfocus.corpus.example import Example
from sqlfocus.corpus.prompt import PromptTemplate
from sqlfocus.errors import UserError
from sqlfocus.evaluation.difficulty import hardness
from sqlfocus.evaluation.score import Evaluation, Prediction
from sqlfocus.evaluation.verdict import Verdict, compare, orders_its_result
from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Limits, Result, Runner
from sqlfocus.files import check_file_name
from sqlfocus.inference.engine import Completion, Engine
from sqlfocus.schema.lookup import ValueIndex, read_values
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.text import read_schema_text

# A gold result has to be whole to be compared with.
LIMITS = Limits(seconds=30.0, rows=200_000, bytes=128 << 20, memory=2 << 30)

Tell = Callable[[int, Sequence[Completion]], None]
"""Takes what was written for a question, by the question's place."""

Predict = Callable[[Sequence[Example], Tell], None]
"""Asks a model questions, and says what it writes for each, by the question's place, as soon as it is written.

It may write several candidates, between which their execution decides (:func:`sqlfocus.answer.choose`).
"""


def evaluate(
    examples: Sequence[Example],
    databases: Path,
    predict: Predict,
    *,
    model: str = "",
    exclude: Sequence[str] = (),
    rule: str = "spider",
    limits: Limits = LIMITS,
    on_judged: Callable[[Sequence[Prediction]], None] | None = None,
) -> Evaluation:
    """Ask ``predict`` for each question, run what it writes and the gold query, and compare.

    Args:
        examples: the questions, in SQLite's dialect. They are asked database by database, since the prompts of one
            share its schema.
        databases: holds ``<db_id>/<db_id>.sqlite`` or ``<db_id>.sqlite`` (``.db`` will do).
        predict: asks a model; :func:`engine_predictor` makes one.
        exclude: databases whose questions are left out.
        rule: ``spider`` or ``bird``; see :mod:`sqlfocus.evaluation.verdict`.
        on_judged: called with predictions as soon as they are judged, those with a failed gold query included; from
            a thread of its own, while the model goes on.

    Raises:
        UserError: a database is missing or cannot be read, an example is in another dialect, or no question is left.
    """
    asked = [example for example in examples if example.db_id not in exclude]
    if not asked:
        raise UserError("no questions are left to evaluate; check the data file and --exclude_databases")
    if other := next((example for example in asked if example.dialect != "sqlite"), None):
        raise UserError(f"{other.db_id}: its questions are in {other.dialect}; evaluate executes on SQLite files only")
    files = {db_id: database_file(databases, db_id) for db_id in dict.fromkeys(example.db_id for example in asked)}
    evaluation = Evaluation(model, rule, excluded=len(examples) - len(asked))
    with Runner(limits) as runner:
        evaluation.empty_databases = [db_id for db_id, file in files.items() if not _has_rows(runner, file)]
        order = {db_id: place for place, db_id in enumerate(files)}
        asked.sort(key=lambda example: order[example.db_id])
        # Judged in a thread of their own, so that the model does not wait for a query. What was answered before Ctrl-C
        # is judged too.
        with ThreadPoolExecutor(1) as judging:
            judged: dict[int, Future[Prediction]] = {}
            pending: deque[Future[Prediction]] = deque()

            def judge(example: Example, completions: Sequence[Completion]) -> Prediction:
                prediction = _judge(example, completions, runner, files[example.db_id], rule)
                if on_judged is not None:
                    on_judged([prediction])
                return prediction

            def tell(place: int, completions: Sequence[Completion]) -> None:
                while pending and pending[0].done():
                    pending.popleft().result()  # raises what went wrong, now and not after all questions
                judged[place] = judging.submit(judge, asked[place], completions)
                pending.append(judged[place])

            predict(asked, tell)
            evaluation.add([judged[place].result() for place in range(len(asked))])
    return evaluation


def _judge(example: Example, completions: Sequence[Completion], runner: Runner, file: Path, rule: str) -> Prediction:
    """Run a question's gold query and those in ``completions``, and compare the gold result with the chosen one's."""
    permit = check(example.sql, dialect=example.dialect)
    gold = runner.run(file, example.sql) if permit.allowed else Result(error=permit.reason)
    if gold.truncated:
        gold = Result(error=f"the gold result is cut at {len(gold.rows)} rows")
    run = None if gold.error else lambda sql: runner.run(file, sql)
    answer = choose(
        [finish(example.question, one.text, dialect=example.dialect, run=run) for one in completions],
        [one.score for one in completions],
    )
    if gold.error:
        level = hardness(example.sql, dialect=example.dialect) if permit.parsed else ""
        return Prediction(example, answer, Verdict.GOLD_FAILED, level, gold, gold.error)
    if answer.result is None:
        verdict = Verdict.REFUSED if answer.permit.parsed else Verdict.UNPARSABLE
        reason = answer.permit.reason
    else:
        ordered = orders_its_result(example.sql, dialect=example.dialect)
        verdict = compare(answer.result, gold, ordered=ordered, rule=rule)
        reason = answer.result.error
    return Prediction(example, answer, verdict, hardness(example.sql, dialect=example.dialect), gold, reason)


def engine_predictor(
    engine: Engine,
    template: PromptTemplate,
    schema_of: Callable[[str], str],
    *,
    databases: Path | None = None,
    constrained: bool = True,
    max_new_tokens: int = 256,
    candidates: int = 1,
) -> Predict:
    """A :data:`Predict` that asks ``engine``; ``schema_of`` gives the schema text of a database by its name.

    With ``constrained`` it is held to SQL that is valid on what the text describes, and with ``databases`` beside that,
    where they are, their values count. It writes ``candidates`` answers to
    each question.
    """

    def predict(examples: Sequence[Example], tell: Tell) -> None:
        # Benchmarks ask each question in several phrasings, one after the other. Apart, one's answer drafts the next's.
        chance = random.Random(0)
        turns = {db_id: turn for turn, db_id in enumerate(dict.fromkeys(one.db_id for one in examples))}
        places = sorted(range(len(examples)), key=lambda place: (turns[examples[place].db_id], chance.random()))
        asked = [examples[place] for place in places]
        schemas = [schema_of(one.db_id) for one in asked]
        pairs = list(zip(asked, schemas, strict=True))
        complete_all(
            engine,
            [
                template.prompt(schema=schema, question=one.question, evidence=one.evidence, dialect=one.dialect)
                for one, schema in pairs
            ],
            lambda number, written: tell(places[number], written),
            max_new_tokens=max_new_tokens,
            databases=[held_to(one, schema, databases) if constrained else None for one, schema in pairs],
            candidates=candidates,
        )

    return predict


@functools.lru_cache(maxsize=64)
def described(schema: str, dialect: str) -> Database:
    """The database that a schema text describes, for answers to be held to.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return read_schema_text(schema, dialect=dialect)
    except UserError as error:
        raise UserError(f"answers cannot be held to a schema text: {error}; pass --free to do without") from error


def held_to(example: Example, schema: str, databases: Path | None) -> Database:
    """What a question's answers are held to: the database that its schema text describes, with its values."""
    database = described(schema, example.dialect)
    if databases is None:
        return database
    return replace(database, values=values_of(database_file(databases, example.db_id), database))


@functools.lru_cache(maxsize=64)
def values_of(file: Path, database: Database) -> ValueIndex:
    """The values of a database file, which are read once."""
    return read_values(str(file), database)


def database_file(databases: Path, db_id: str) -> Path:
    """The file of a database in any of the benchmarks' layouts.

    Raises:
        UserError: there is none, or its name would lead elsewhere.
    """
    check_file_name(db_id)
    for ending in ("sqlite", "db"):
        for file in (databases / db_id / f"{db_id}.{ending}", databases / f"{db_id}.{ending}"):
            if file.is_file():
                return file
    if not databases.is_dir():
        raise UserError(f"{databases}: no such folder of databases; check --databases")
    raise UserError(
        f"{databases}: no database {db_id} there (neither {db_id}/{db_id}.sqlite nor {db_id}.sqlite); "
        f"check --databases, or leave its questions out with --exclude_databases {db_id}"
    )


def _has_rows(runner: Runner, file: Path) -> bool:
    tables = runner.run(
        file, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    if tables.error:
        raise UserError(f"{file}: cannot be read as a database ({tables.error})")
    for (name,) in tables.rows:
        quoted = name.replace('"', '""')
        if runner.run(file, f'SELECT 1 FROM "{quoted}" LIMIT 1').rows:
            return True
    return False
