"""What a model says of itself that is named by its folder or GGUF file."""

from __future__ import annotations

from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.models.record import ModelRecord, read_record


def record_of(model: str) -> ModelRecord | None:
    """The record of an adapter, a merged model or a GGUF file; None for what was not fine-tuned here, or elsewhere.

    Raises:
        UserError: the record, or the GGUF file, cannot be read.
    """
    path = Path(model).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return read_gguf(path).record
    return read_record(path) if path.is_dir() else None


def max_values(model: str, told: int | None = None) -> int | None:
    """How many sample values a column's schema line is to show to ``model``: as many as in its training, if known.

    Where it is not, as for a model that a server runs, ``told``; None is the schema reader's own number.

    Raises:
        UserError: the model's record cannot be read, or says another number than ``told``, which is negative.
    """
    if told is not None and told < 0:
        raise UserError(f"--max_values {told}: it has to be at least 0")
    record = record_of(model)
    known = record.max_values if record else None
    if known is not None and told not in (None, known):
        raise UserError(
            f"{model}: the model was trained with {known} sample values a column and answers worse with another "
            f"number; leave out --max_values {told}"
        )
    return told if known is None else known
