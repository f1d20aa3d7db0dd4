"""Which model is meant where none is named: the newest that fine-tuning, merging or quantizing wrote."""

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


def newest_gguf(merged: Path = MERGED) -> Path:
    """A GGUF file of the newest model that was quantized: its ``Q4_K_M``, else the newest.

    Raises:
        UserError: there is none.
    """
    files = sorted(merged.glob("*-GGUF/*.gguf"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise UserError(
            f"there is no GGUF file in {merged}/*-GGUF/; make one with sqlfocus quantize, or name one with --model"
        )
    usual = [file for file in files if file.parent == files[-1].parent and file.stem.endswith("-Q4_K_M")]
    return (usual or files)[-1]
