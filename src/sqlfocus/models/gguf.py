"""A merged model as GGUF files: converted to 16 bits by llama.cpp, then quantized by it.

Each file carries, beside llama.cpp's own metadata, how the model is to be asked: see the keys in
:mod:`sqlfocus.models.gguf_file`.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.files import disk_errors, parse_json, readable, remove_left_overs, sha256
from sqlfocus.models.card import CARD, front_matter
from sqlfocus.models.gguf_file import (
    DIALECTS_KEY,
    FILE_TYPES,
    RECORD_KEY,
    SOURCE_KEY,
    TEMPLATE_KEY,
    GgufFile,
    read_gguf,
)
from sqlfocus.models.gguf_job import make_file
from sqlfocus.models.gguf_size import HALVES, Stored, expected_size, stored, weight_files
from sqlfocus.models.llama_cpp import LlamaCpp, find_llama_cpp
from sqlfocus.models.record import FILE_NAME, ModelRecord, read_record

ARCHITECTURES = ("Qwen2ForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM")
_SOURCES = ("*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt")
_REMEDY = "name another folder with --output, or pass --force to replace it"
_NUMBERS = {name: number for number, name in FILE_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Quantized:
    """The files that were asked for, in their order, and the 16-bit file that they were made from.

    ``half`` is None where every file was there already and the 16-bit one was not.
    """

    files: list[GgufFile]
    half: GgufFile | None
    fall_back: bool
    """Whether the model has rows that K-quants' blocks do not divide."""


def quantize(
    model: Path,
    types: Sequence[str],
    *,
    output: Path | None = None,
    llama_cpp: Path | None = None,
    licence: str = "",
    force: bool = False,
) -> Quantized:
    """Make ``NAME-TYPE.gguf`` for each of ``types`` in ``output`` (default: ``NAME-GGUF`` beside the model).

    A file that is there, of the same model and type, is kept, so that a run that was stopped goes on. What is made new
    has the model's record and licence as they are now: a 16-bit file with others is made anew for it. Progress and
    remarks go to standard error.

    Args:
        model: a merged model's folder, ``NAME``.
        types: of :data:`~sqlfocus.models.gguf_size.QUANTIZED`; ``F16`` or ``BF16`` is the conversion alone, or says
            what the others are made from: the one that keeps most, unless it is said.
        output: the folder of the files.
        llama_cpp: a checkout of llama.cpp to do the work, instead of the installed library.
        licence: its identifier, where the model's card has none, or another.
        force: write files anew, whatever is there.

    Raises:
        UserError: there is no merged model of a known architecture, a piece of llama.cpp is missing, a file is in the
            way, the folder cannot be written, the disk has too little room, or llama.cpp fails.
    """
    record = _checked(model)
    weights = stored(model)
    types = list(dict.fromkeys(types))
    half = _half(types, weights)
    named = model.resolve() if model.name in ("", "..") else model
    output = output or named.with_name(f"{named.name}-GGUF")
    keys = _record_keys(record)
    known_licence = licence or _licence(model)
    paths = {kind: output / f"{named.name}-{kind}.gguf" for kind in [half, *types]}
    there = {kind: file for kind, path in paths.items() if (file := _there(path, kind, force)) is not None}
    older = {kind for kind, file in there.items() if _older(file, keys, known_licence)}
    to_quantize = [kind for kind in types if kind not in there and kind != half]
    done = dict(there)
    if to_quantize and half in older:
        del done[half]  # what is made from it would be as old
    to_make = [kind for kind in paths if kind not in done and (kind in types or to_quantize)]
    if to_make:
        tools = find_llama_cpp(llama_cpp, quantizer=bool(to_quantize))
        _room_for(output, sum(expected_size(weights, kind) for kind in to_make))
    _say(f"{model}: reading all of its files, whose digest the GGUF files carry")
    keys[SOURCE_KEY] = source_digest(model)
    for kind, file in there.items():
        _check(file, keys[SOURCE_KEY], licence if kind in types and kind in done else "")
    for kind, file in done.items():
        changed = " (the record or the licence has changed since: --force writes it anew)" if kind in older else ""
        _say(f"kept: {file.path}{changed}")
    for kind in to_make:
        if kind == half:
            _remarks(model, record, known_licence)
            job = _conversion(model, named.name, tools, half, keys, licence)
        else:
            job = _quantization(paths[half], tools, kind)
        done[kind] = make_file(paths[kind], job, expected=expected_size(weights, kind))
    return Quantized([done[kind] for kind in types], done.get(half), weights.fall_back)


def source_digest(folder: Path) -> str:
    """The SHA-256 of the names and contents of all files of a model folder that the converter reads, in hexadecimal.

    They are the weights, the configuration, and the tokenizer's files with the chat template. The record is none of
    them, since measuring changes it.

    Raises:
        UserError: there are no weights.
    """
    files = {path for pattern in _SOURCES for path in folder.glob(pattern) if path.name != FILE_NAME}
    files.update(weight_files(folder))
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{sha256(file)}  {file.name}\n".encode())
    return digest.hexdigest()


def _checked(model: Path) -> ModelRecord | None:
    """The record of a model folder that can be converted; None for a model that was not fine-tuned here.

    Raises:
        UserError: it is no folder, no model, an adapter, or of an architecture that is not known to work.
    """
    if model.suffix == ".gguf":
        raise UserError(f"{model}: a GGUF file already; name the merged model's folder, new-model/NAME")
    if not model.is_dir():
        raise UserError(f"{model}: no such folder; merge a model first: sqlfocus merge --adapter save-model/NAME-lora")
    if (model / "adapter_config.json").is_file():
        words = ["sqlfocus", "merge", "--adapter", str(model)]
        raise UserError(f"{model}: an adapter, not a merged model; merge it first: {shlex.join(words)}")
    config = model / "config.json"
    if not config.is_file():
        raise UserError(f"{model}: the folder holds no model (no config.json); name a merged model's folder")
    try:
        found = list(parse_json(config.read_text(encoding="utf-8")).get("architectures") or ["none"])
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{config}: no model's configuration ({error}); merge again") from error
    if found[0] not in ARCHITECTURES:
        raise UserError(
            f"{model}: its architecture is {found[0]}; those that can be quantized: {', '.join(ARCHITECTURES)}"
        )
    return read_record(model)


def _half(types: Sequence[str], weights: Stored) -> str:
    """The 16-bit type to convert to.

    Raises:
        UserError: two are asked for.
    """
    asked = [kind for kind in types if kind in HALVES]
    if len(asked) > 1:
        raise UserError(f"two 16-bit types at once ({' and '.join(asked)}); ask for one of them")
    return asked[0] if asked else weights.half


def _record_keys(record: ModelRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    text = json.dumps(asdict(record), ensure_ascii=False)
    return {TEMPLATE_KEY: record.prompt_template, DIALECTS_KEY: record.dialects, RECORD_KEY: text}


def _licence(model: Path) -> str:
    """The licence that the model's card names, as the converter writes it; empty for none."""
    found = front_matter(model).get("license") or ""
    return ",".join(map(str, found)) if isinstance(found, list) else str(found)


def _there(path: Path, kind: str, force: bool) -> GgufFile | None:
    """The file of that type that is there already.

    Raises:
        UserError: something else is in its place.
    """
    if path.is_dir():
        raise UserError(f"{path}: a folder of that name is in the way; name another folder with --output")
    if force or not path.exists():
        return None
    try:
        file = read_gguf(path)
    except UserError as error:
        raise UserError(f"{error}; {_REMEDY}") from error
    if file.file_type != kind:
        raise UserError(f"{path}: the file exists and is no {kind}; {_REMEDY}")
    return file


def _check(file: GgufFile, source: str, licence: str) -> None:
    """Refuse a file that is there and is not the one to be.

    Raises:
        UserError: it was made from another model, or does not name the licence that is asked for, if any.
    """
    if file.text(SOURCE_KEY) != source:
        raise UserError(f"{file.path}: the file exists and was not made from this model as it is now; {_REMEDY}")
    if licence and file.text("general.license") != licence:
        raise UserError(f"{file.path}: the file exists and does not name the licence {licence}; {_REMEDY}")


def _older(file: GgufFile, keys: Mapping[str, Any], licence: str) -> bool:
    """Whether the file's record or licence is not the model's of now."""
    return file.text(RECORD_KEY) != keys.get(RECORD_KEY, "") or file.text("general.license") != licence


def _room_for(output: Path, needed: int) -> None:
    """See to it that the folder is there, can be written, and has room.

    Raises:
        UserError: it is not so.
    """
    remove_left_overs(output)
    with disk_errors(output):
        place = next(path for path in (output, *output.resolve().parents) if path.exists())
        free = shutil.disk_usage(place).free
        if free < needed:
            raise UserError(
                f"{output}: the files need up to {readable(needed)}, and {readable(free)} is free there; "
                "free some space, name another folder with --output, or fewer types"
            )
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()


def _remarks(model: Path, record: ModelRecord | None, licence: str) -> None:
    """Say what the files will lack."""
    if record is None:
        _say(f"{model}: not fine-tuned here (no sqlfocus.json), so the files name no prompt template")
    if not licence:
        _say(f"{model}: its licence is not known ({CARD} names none), so the files name none; --license ID names it")


def _conversion(
    model: Path, name: str, tools: LlamaCpp, half: str, keys: Mapping[str, Any], licence: str
) -> dict[str, Any]:
    job = {"do": "convert", "model": str(model), "converter": str(tools.converter.resolve()), "type": half}
    return {**job, "name": name, "keys": keys, "license": licence}


def _quantization(source: Path, tools: LlamaCpp, kind: str) -> dict[str, Any]:
    program = str(tools.quantizer.resolve()) if tools.quantizer else ""
    return {"do": "quantize", "source": str(source), "type": kind, "number": _NUMBERS[kind], "quantizer": program}


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
