"""``sqlfocus plan``: what `sqlfocus finetune` with the same flags would do and cost."""

from __future__ import annotations

import sys


def run_words(words: list[str], *, prog: str) -> int:
    """Print the plan."""
    from sqlfocus.commands.finetune import parse

    args = parse(words, prog=prog, description="Say what fine-tuning with these flags would do and cost.")
    from sqlfocus.training.finetune import plan_run

    sys.stdout.write(plan_run(args) + "\n")
    return 0
