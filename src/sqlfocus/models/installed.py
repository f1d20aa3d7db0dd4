"""What of the extra ``train`` is installed: fine-tuning and merging need it, and answering with weights in a folder."""

from __future__ import annotations

import importlib.util

from sqlfocus.errors import UserError

WEIGHTS = ("torch", "transformers", "peft")
"""What loads weights that are no GGUF file, an adapter's too."""
TRAINING = (*WEIGHTS, "accelerate")


def missing_for_weights() -> str:
    """The first package that answering with a model's folder lacks; empty where it lacks none."""
    return _missing(WEIGHTS)


def need_training(what: str) -> None:
    """Refuse what trains, changes weights or counts a model's tokens where the packages for that are not installed.

    Raises:
        UserError: one is not; the message names the extra that brings them.
    """
    if missing := _missing(TRAINING):
        raise UserError(f"{what} needs {missing}: pip install 'sql-focus-finetune[train]'")


def _missing(names: tuple[str, ...]) -> str:
    return next((name for name in names if importlib.util.find_spec(name) is None), "")
