"""What a model folder says of itself: ``sqlfocus.json``, beside the weights of an adapter or a merged model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_write, parse_json

FILE_NAME = "sqlfocus.json"
FORMAT = 1


@dataclass
class ModelRecord:
    """How a model was made, as far as serving, merging and measuring it need to know."""

    base_model: str
    """Hub name, folder or GGUF file, as it was given to fine-tuning."""
    base_revision: str
    """The hub's commit, or ``sha256:…`` of the weights of a local base; empty where neither is known."""
    prompt_template: str
    dialects: list[str]
    hub: str = "huggingface"
    train_file: str = ""
    train_sha256: str = ""
    max_values: int | None = None
    """How many sample values a column has at most in the schema texts of training; None where there were none."""
    training: dict[str, Any] = field(default_factory=dict)
    """Examples, steps, epochs, seed, learning rate and LoRA's settings."""
    versions: dict[str, str] = field(default_factory=dict)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    """One entry a measurement: data, questions, ex, low, high (shares, 0 to 1)."""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write ``sqlfocus.json`` into ``folder``, whole or not at all."""
        with atomic_write(folder / FILE_NAME) as file:
            json.dump(asdict(self), file, ensure_ascii=False, indent=2)
            file.write("\n")


def read_record(folder: Path) -> ModelRecord | None:
    """The record in ``folder``, or None where there is none (a base model).

    Raises:
        UserError: the file is not a record, or of a format that this version does not know.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        row = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a model record ({error}); fine-tune or merge again") from error
    return record_from(row, str(path))


def record_from(row: Any, where: str) -> ModelRecord:
    """The record that ``row`` is; ``where`` is named in errors.

    Raises:
        UserError: it is not a record, lacks an entry or has one of a wrong type, or is of a format that this version
            does not know.
    """
    if not isinstance(row, dict) or row.get("format") != FORMAT:
        raise UserError(f"{where}: a record of another format; this version of sqlfocus reads format {FORMAT}")
    row = {"base_revision": "", "dialects": ["sqlite"]} | row
    missing = {"base_model", "prompt_template"} - row.keys()
    if missing:
        raise UserError(f"{where}: the record lacks {', '.join(sorted(missing))}; fine-tune or merge again")
    known = {name: row[name] for name in _CHECKS if name in row}
    for name, value in known.items():
        if not _CHECKS[name](value):
            raise UserError(f"{where}: the record's {name} cannot be {str(value)[:60]!r}; fine-tune or merge again")
    return ModelRecord(**known)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_measurement(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_text(value.get("data"))
        and _is_count(value.get("questions"))
        and all(_is_number(value.get(name)) for name in ("ex", "low", "high"))
    )


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("base_model", "base_revision", "prompt_template", "hub", "train_file", "train_sha256"), _is_text),
    "dialects": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "max_values": lambda value: value is None or _is_count(value),
    "training": _is_object,
    "versions": _is_object,
    "evaluations": lambda value: isinstance(value, list) and all(map(_is_measurement, value)),
}
"""What each entry is to be: a record may come from a file that somebody else made."""


def installed_versions() -> dict[str, str]:
    """The versions of the packages that decide what a model computes, of those that are installed."""
    found = {}
    for name in ("sql-focus-finetune", "torch", "transformers", "peft"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
