"""Which model is meant where none is named: the newest that fine-tuning or merging wrote."""

from __future__ import annotations

from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.models.record import FILE_NAME

MERGED = Path("new-model")
ADAPTERS = Path("save-model")


def newest_model(merged: Path = MERGED, adapters: Path = ADAPTERS) -> Path:
    """The newest merged model, else the newest adapter; never an untuned base.

    Raises:
        UserError: there is neither.
    """
    for folder in (merged, adapters):
        records = sorted(folder.glob(f"*/{FILE_NAME}"), key=lambda record: record.stat().st_mtime)
        if records:
            return records[-1].parent
    raise UserError(
        f"there is no fine-tuned model in {merged}/ or {adapters}/; make one with python finetune.py, or name one with "
        "--model"
    )
