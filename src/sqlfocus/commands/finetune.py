"""``sqlfocus finetune``, also ``python finetune.py``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlfocus.errors import UserError
from sqlfocus.models.installed import need_training

if TYPE_CHECKING:
    from sqlfocus.training.arguments import FinetuneArguments


def parse(words: list[str], *, prog: str, description: str = "Fine-tune a model with LoRA.") -> FinetuneArguments:
    """Parse the flags.

    Raises:
        UserError: values that transformers' own checks refuse, or it is not installed.
    """
    need_training(prog)
    from transformers import HfArgumentParser

    from sqlfocus.training.arguments import FinetuneArguments

    parser = HfArgumentParser(FinetuneArguments, prog=prog, description=description, allow_abbrev=False)
    try:
        (args,) = parser.parse_args_into_dataclasses(words)
    except (ValueError, ImportError) as error:
        raise UserError(str(error).splitlines()[0]) from error
    return args


def run_words(words: list[str], *, prog: str) -> int:
    """Fine-tune; with evaluation questions and their databases, EX is measured on the way."""
    args = parse(words, prog=prog)
    from sqlfocus.training.finetune import check, finetune

    check(args)
    measure = None
    if args.eval_file and args.eval_databases:
        from sqlfocus.evaluation.in_training import measure_on

        data = Path(args.eval_file)
        measure = measure_on(
            data,
            Path(args.eval_databases),
            schema_dir=Path(args.schema_dir) if args.schema_dir else data.parent / "schemas",
            samples=args.eval_samples,
            batch_size=max(8, args.per_device_eval_batch_size),
        )
    elif args.eval_databases:
        raise UserError("--eval_databases needs the questions to ask of them: name them with --eval_file")
    finetune(args, measure=measure)
    return 0
