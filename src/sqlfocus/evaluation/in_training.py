"""Execution accuracy while a model is trained: the same measurement as afterwards, on the live model."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlfocus.corpus.example import read_examples
from sqlfocus.errors import UserError
from sqlfocus.evaluation.evaluate import database_file, engine_predictor, evaluate
from sqlfocus.inference.transformers import TransformersEngine
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.schema.folder import read_schema
from sqlfocus.schema.text import read_schema_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sqlfocus.corpus.prompt import PromptTemplate
    from sqlfocus.training.tracking import Tracker

ROWS_SHOWN = 50


def measure_on(
    data: Path, databases: Path, *, schema_dir: Path, samples: int, batch_size: int
) -> Callable[[PreTrainedModel, PreTrainedTokenizerBase, PromptTemplate, Tracker, int], dict[str, float]]:
    """A measurement for :func:`sqlfocus.training.finetune.finetune`: EX on ``samples`` questions, evenly spread.

    It gives ``ex`` and ``runs`` (shares, 0 to 1), and logs a table of predictions with their verdicts.

    Raises:
        UserError: the data or a database is missing.
    """
    examples = read_examples(data)
    if samples < len(examples):
        examples = [examples[place * len(examples) // samples] for place in range(samples)]
    for db_id in {example.db_id for example in examples}:
        database_file(databases, db_id)
    schema_of = functools.cache(functools.partial(read_schema, schema_dir))
    constrained = True
    try:
        for example in examples:
            read_schema_text(schema_of(example.db_id), dialect=example.dialect)
    except UserError as error:
        constrained = False
        sys.stderr.write(f"EX in training is of free answers, not held to the schema: {error}\n")

    def measure(
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        template: PromptTemplate,
        tracker: Tracker,
        step: int,
    ) -> dict[str, float]:
        own = TransformersTokenizer(tokenizer)
        engine = TransformersEngine(model, own, name="in training", batch_size=batch_size)
        predict = engine_predictor(
            engine, template, schema_of, databases=databases, constrained=constrained, max_new_tokens=128
        )
        measured = evaluate(examples, databases, predict)
        rows = [
            (one.example.db_id, one.example.question, one.example.sql, one.answer.sql, one.verdict.value, one.reason)
            for one in measured.predictions[:ROWS_SHOWN]
        ]
        tracker.table(
            "eval/predictions", ("database", "question", "gold", "predicted", "verdict", "reason"), rows, step=step
        )
        return {"ex": measured.score.ex, "runs": measured.ran / measured.score.questions}

    return measure
