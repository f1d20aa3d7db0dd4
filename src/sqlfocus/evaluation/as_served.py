"""Asks as the service does: what is faulty or finds nothing is asked for once more."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlfocus.answer import Request, answer_with_repair
from sqlfocus.corpus.example import Example
from sqlfocus.corpus.prompt import PromptTemplate
from sqlfocus.evaluation.evaluate import LIMITS, Predict, database_file, described
from sqlfocus.execution.runner import Runner
from sqlfocus.inference.engine import Engine
from sqlfocus.schema.lookup import ValueIndex, hint, read_values


def served_predictor(
    engine: Engine,
    template: PromptTemplate,
    schema_of: Callable[[str], str],
    *,
    databases: Path,
    at_once: int,
    constrained: bool = True,
    max_new_tokens: int = 256,
    candidates: int = 1,
) -> Predict:
    """A :data:`~sqlfocus.evaluation.evaluate.Predict` with one repair (:func:`sqlfocus.answer.answer_with_repair`).

    The databases' values are looked up, and those that a question names are shown where its answer finds nothing.
    ``at_once`` questions are under way at a time.
    """

    @functools.cache
    def values(db_id: str) -> ValueIndex:
        return read_values(str(database_file(databases, db_id)), described(schema_of(db_id), "sqlite"))

    def predict(examples: Sequence[Example], tell: Callable[[int, Sequence[str]], None]) -> None:
        for db_id in dict.fromkeys(one.db_id for one in examples):
            values(db_id)
        telling, stop = threading.Lock(), threading.Event()
        threads = ThreadPoolExecutor(at_once)
        with Runner(LIMITS, workers=2) as runner:

            def ask(place: int) -> None:
                one = examples[place]
                schema = schema_of(one.db_id)
                request = Request(
                    one.question,
                    schema,
                    evidence=one.evidence,
                    dialect=one.dialect,
                    hint=hint(values(one.db_id).find(one.question)),
                    run=functools.partial(runner.run, database_file(databases, one.db_id)),
                    database=described(schema, one.dialect) if constrained else None,
                )
                trace = answer_with_repair(
                    *(engine, template, request),
                    max_new_tokens=max_new_tokens,
                    candidates=candidates,
                    stop=stop,
                )
                with telling:
                    if not stop.is_set():
                        tell(place, [trace.answer.completion])

            engine.start()
            try:
                for _ in threads.map(ask, range(len(examples))):
                    pass
            finally:  # after an error or Ctrl-C what is under way ends, and nothing more begins
                stop.set()
                threads.shutdown(cancel_futures=True)

    return predict
