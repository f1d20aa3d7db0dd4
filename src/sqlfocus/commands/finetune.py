"""``sqlfocus finetune``, also ``python finetune.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlfocus.errors import UserError

if TYPE_CHECKING:
    from sqlfocus.training.arguments import FinetuneArguments


def parse(words: list[str], *, prog: str) -> FinetuneArguments:
    """Parse the flags.

    Raises:
        UserError: values that transformers' own checks refuse.
    """
    from transformers import HfArgumentParser

    from sqlfocus.training.arguments import FinetuneArguments

    parser = HfArgumentParser(
        FinetuneArguments, prog=prog, description="Fine-tune a model with LoRA.", allow_abbrev=False
    )
    try:
        (args,) = parser.parse_args_into_dataclasses(words)
    except (ValueError, ImportError) as error:
        raise UserError(str(error).splitlines()[0]) from error
    return args


def run_words(words: list[str], *, prog: str) -> int:
    """Fine-tune."""
    args = parse(words, prog=prog)
    from sqlfocus.training.finetune import finetune

    finetune(args)
    return 0
