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
from sqlfocus.evaluation.evaluate import LIMITS, Predict, Tell, database_file, held_to
from sqlfocus.execution.runner import Runner
from sqlfocus.inference.engine import Completion, Engine
from sqlfocus.schema.lookup import ValueIndex, hint


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

    def predict(examples: Sequence[Example], tell: Tell) -> None:
        held = {one.db_id: held_to(one, schema_of(one.db_id), databases) for one in examples}
        telling, stop = threading.Lock(), threading.Event()
        threads = ThreadPoolExecutor(at_once)
        with Runner(LIMITS, workers=2) as runner:

            def ask(place: int) -> None:
                one = examples[place]
                values = held[one.db_id].values
                assert isinstance(values, ValueIndex)
                request = Request(
                    one.question,
                    schema_of(one.db_id),
                    evidence=one.evidence,
                    dialect=one.dialect,
                    hint=hint(values.find(one.question)),
                    run=functools.partial(runner.run, database_file(databases, one.db_id)),
                    database=held[one.db_id] if constrained else None,
                )
                trace = answer_with_repair(
                    *(engine, template, request),
                    max_new_tokens=max_new_tokens,
                    candidates=candidates,
                    stop=stop,
                )
                with telling:
                    if not stop.is_set():
                        tell(place, [Completion(trace.answer.completion, 0, True)])

            engine.start()
            try:
                for _ in threads.map(ask, range(len(examples))):
                    pass
            finally:  # after an error or Ctrl-C what is under way ends, and nothing more begins
                stop.set()
                threads.shutdown(cancel_futures=True)

    return predict
