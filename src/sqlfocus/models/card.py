"""Model cards: the front matter of a ``README.md``, where the hub and llama.cpp's converter find licence and base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData, metadata_load

from sqlfocus.errors import UserError, first_line
from sqlfocus.models.gguf_file import GgufFile, read_gguf

CARD = "README.md"
_LICENCE = ("license", "license_name", "license_link")


def front_matter(folder: Path) -> dict[str, Any]:
    """What the model card in ``folder`` says in its front matter; nothing where there is no card.

    Raises:
        UserError: it is no YAML.
    """
    card = folder / CARD
    if not card.is_file():
        return {}
    try:
        return metadata_load(card) or {}
    except Exception as error:  # YAML's and Unicode's errors share no base class
        raise UserError(f"{card}: its front matter cannot be read ({first_line(error)}); mend or delete it") from error


def base_licence(base: str, folder: Path) -> dict[str, str]:
    """The base model's licence as it is told by its GGUF file, or by the card in its ``folder``; nothing if by neither.

    The keys are the hub's: ``license``, and for one that is not in its list ``license_name`` and ``license_link``.
    """
    path = Path(base).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return _licence({key: read_gguf(path).text(f"general.{key.replace('_', '.')}") for key in _LICENCE})
    try:
        return _licence(front_matter(folder))
    except UserError:  # someone else's card: its base can be used without
        return {}


def base_name(base: str) -> str:
    """How a card names a base model: a hub's name as it is, a folder or file without where it lies."""
    path = Path(base).expanduser()
    if path.exists() or path.is_absolute() or base.count("/") != 1:
        return path.stem if path.suffix == ".gguf" else path.resolve().name
    return base


def written(text: str, **entries: Any) -> str:
    """A card: front matter with the ``entries`` that are not empty, then ``text``."""
    data = ModelCardData(**{key: value for key, value in entries.items() if value})
    return f"---\n{data.to_yaml()}\n---\n\n{text}\n"


def dequantized_card(file: GgufFile, digest: str) -> str:
    """The card of the folder that a GGUF file was dequantized into: name, licence and base as the file has them."""
    licence = _licence({key: file.text(f"general.{key.replace('_', '.')}") for key in _LICENCE})
    name = file.text("general.name") or file.path.stem
    text = f"# {name}\n\nDequantized from `{file.path.name}` (SHA-256 `{digest}`)."
    return written(text, model_name=name, base_model=file.base_models, **licence)


def _licence(entries: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(entries[key]) for key in _LICENCE if entries.get(key)} if entries.get("license") else {}
