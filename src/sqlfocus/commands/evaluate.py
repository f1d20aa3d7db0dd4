"""``sqlfocus evaluate``."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlfocus.commands.ask import CANDIDATES_HELP, ENGINE_HELP, VALUES_HELP

if TYPE_CHECKING:
    from sqlfocus.corpus.example import Example
    from sqlfocus.evaluation.evaluate import Predict
    from sqlfocus.evaluation.score import Evaluation, Prediction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--model",
        nargs="+",
        default=[],
        help="adapter, merged model, hub name, GGUF file, or the URL of a server's /v1; several",
    )
    parser.add_argument(
        "--data", type=Path, help="JSONL file of questions with their SQL; saved predictions without it need it"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="file for the predictions of --model, replaced if it is there (default: output/predictions.jsonl)",
    )
    parser.add_argument(
        "--predictions", type=Path, nargs="+", default=[], help="score saved predictions, without a model"
    )
    parser.add_argument("--limit", type=int, help="ask so many questions, spread evenly over the file")
    parser.add_argument("--prompt_template", help="how a base model is asked (default: schema-first)")
    parser.add_argument("--max_values", type=int, metavar="N", help=VALUES_HELP)
    parser.add_argument(
        "--hub", choices=("huggingface", "modelscope"), default="huggingface", help="where models come from"
    )
    parser.add_argument("--engine", choices=("auto", "transformers", "llamacpp"), default="auto", help=ENGINE_HELP)
    parser.add_argument("--candidates", type=int, default=1, metavar="N", help=CANDIDATES_HELP)
    parser.add_argument(
        "--repair", action="store_true", help="ask once more where an answer is faulty or finds nothing, as the service"
    )
    add_measuring_arguments(parser)


def add_measuring_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that say how models are measured, of ``sqlfocus compare`` too."""
    parser.add_argument(
        "--databases", type=Path, required=True, help="folder with <db_id>/<db_id>.sqlite or <db_id>.sqlite"
    )
    parser.add_argument("--exclude_databases", nargs="+", default=[], metavar="DB_ID", help="leave their questions out")
    parser.add_argument(
        "--schema_dir",
        type=Path,
        help="folder with a schema text <db_id>.txt a database; default: schemas/ beside the data file where there is "
        "one, else the schemas are read from the databases",
    )
    parser.add_argument("--rule", choices=("spider", "bird"), default="spider", help="when two results are equal")
    parser.add_argument("--batch_size", type=int, default=16, help="questions decoded at once (%(default)s)")
    parser.add_argument("--max_new_tokens", type=int, default=256, help="longest answer (%(default)s)")
    parser.add_argument(
        "--free", action="store_true", help="let a model write what it will, not only SQL that is valid on the schema"
    )
    parser.add_argument("--format", choices=("text", "markdown"), default="text", help="of the tables")


def run(args: argparse.Namespace) -> int:
    """Evaluate, save the predictions, print the tables."""
    from sqlfocus.errors import UserError
    from sqlfocus.evaluation.report import database_table, notes, table

    if not args.model and not args.predictions:
        raise UserError("nothing to evaluate; name a model with --model or a file of predictions with --predictions")
    if args.model and args.data is None:
        raise UserError("which questions? name a JSONL file with --data, for instance data/dev_data.jsonl")
    for name in ("limit", "batch_size", "max_new_tokens", "candidates"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError(f"--{name} {value}: it has to be at least 1")
    if args.prompt_template is not None:
        from sqlfocus.corpus.prompt import template_named

        template_named(args.prompt_template)

    evaluations = [*_models(args), *_saved(args)]
    markdown = args.format == "markdown"
    print_out = sys.stdout.write
    print_out(table(evaluations, markdown=markdown) + "\n\n")
    for line in notes(evaluations):
        print_out(line + "\n")
    print_out("\n" + database_table(evaluations, markdown=markdown) + "\n")
    return 0


def _models(args: argparse.Namespace) -> list[Evaluation]:
    """Ask each model, and keep what it wrote even where Ctrl-C or the next model's error ends it."""
    if not args.model:
        return []
    from sqlfocus.evaluation.questions import read_questions, schema_folder
    from sqlfocus.evaluation.saved import write_predictions
    from sqlfocus.evaluation.score import Evaluation

    examples, excluded = read_questions(args.data, args.databases, exclude=args.exclude_databases, limit=args.limit)
    folder = schema_folder(args.data, args.schema_dir)
    output = args.output or Path("output/predictions.jsonl")
    evaluations: list[Evaluation] = []
    try:
        for model in args.model:
            evaluations.append(Evaluation(model, args.rule, excluded=excluded))
            _ask(args, evaluations[-1], examples, folder)
            written = write_predictions(output, evaluations)
            sys.stderr.write(f"{written} predictions: {output}\n")
    except KeyboardInterrupt as stop:
        kept = write_predictions(output, evaluations)
        raise KeyboardInterrupt(f"Stopped; {kept} predictions are kept in {output}.") from stop
    return evaluations


def _ask(args: argparse.Namespace, evaluation: Evaluation, examples: list[Example], schema_dir: Path | None) -> None:
    """Ask one model, which is gone from memory on return; ``evaluation`` fills as it answers."""
    from tqdm import tqdm

    from sqlfocus.evaluation.as_served import served_predictor
    from sqlfocus.evaluation.evaluate import engine_predictor, evaluate
    from sqlfocus.evaluation.questions import schema_reader
    from sqlfocus.inference.loading import load_engine
    from sqlfocus.models.named import max_values

    model = evaluation.model
    engine, template = load_engine(
        model, engine=args.engine, prompt_template=args.prompt_template, hub=args.hub, batch_size=args.batch_size
    )
    with tqdm(total=len(examples), desc=Path(model).name, unit="question", file=sys.stderr) as bar:
        schema_of = schema_reader(args.databases, schema_dir, max_values=max_values(model, args.max_values))
        asking: Callable[..., Predict] = engine_predictor
        if args.repair:
            asking = functools.partial(served_predictor, at_once=args.batch_size)
        predict = asking(
            *(engine, template, schema_of),
            databases=args.databases,
            constrained=not args.free,
            max_new_tokens=args.max_new_tokens,
            candidates=args.candidates,
        )

        def judged(predictions: Sequence[Prediction]) -> None:
            evaluation.add(predictions)
            bar.update(len(predictions))

        whole = evaluate(examples, args.databases, predict, model=model, rule=args.rule, on_judged=judged)
    evaluation.predictions, evaluation.gold_failed = whole.predictions, whole.gold_failed  # in the data's order
    evaluation.empty_databases = whole.empty_databases
    _note(model, args, evaluation)


def _saved(args: argparse.Namespace) -> list[Evaluation]:
    from sqlfocus.corpus.example import read_examples
    from sqlfocus.evaluation.evaluate import evaluate
    from sqlfocus.evaluation.saved import read_predictions, write_predictions

    questions = read_examples(args.data) if args.predictions and args.data is not None else []
    evaluations = [
        evaluate(
            saved.examples,
            args.databases,
            saved.predictor(),
            model=saved.model,
            exclude=args.exclude_databases,
            rule=args.rule,
        )
        for path in args.predictions
        for saved in read_predictions(path, questions)
    ]
    if evaluations and args.output is not None and not args.model:
        write_predictions(args.output, evaluations)
    return evaluations


def _note(model: str, args: argparse.Namespace, evaluation: Evaluation) -> None:
    """Write the measurement into the model's own record, from which a merged model's card takes it."""
    from sqlfocus.errors import UserError
    from sqlfocus.models.record import read_record

    record = read_record(Path(model)) if Path(model).is_dir() else None
    if record is None:
        return
    score = evaluation.score
    low, high = score.interval
    row = {"data": str(args.data), "questions": score.questions, "ex": score.ex, "low": low, "high": high}
    same = ("data", "questions")
    record.evaluations = [old for old in record.evaluations if any(old.get(key) != row[key] for key in same)] + [row]
    try:
        record.write(Path(model))
    except UserError as error:
        sys.stderr.write(f"The measurement is not noted in the model's record: {error}\n")
