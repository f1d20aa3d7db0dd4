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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.files import disk_errors, readable, sha256
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
from sqlfocus.models.gguf_job import make_file, remove_left_overs
from sqlfocus.models.gguf_size import HALVES, Stored, expected_size, stored, weight_files
from sqlfocus.models.llama_cpp import LlamaCpp, find_llama_cpp
from sqlfocus.models.record import ModelRecord, read_record

ARCHITECTURES = ("Qwen2ForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM")
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
    dtype: str = "auto",
    llama_cpp: Path | None = None,
    licence: str = "",
    force: bool = False,
) -> Quantized:
    """Make ``NAME-TYPE.gguf`` for each of ``types`` in ``output`` (default: ``NAME-GGUF`` beside the model).

    A file that is there, of the same weights and type, is kept, so that a run that was stopped goes on. Progress and
    remarks go to standard error.

    Args:
        model: a merged model's folder, ``NAME``.
        types: of :data:`~sqlfocus.models.gguf_size.QUANTIZED`; ``F16`` or ``BF16`` is the conversion alone.
        output: the folder of the files.
        dtype: the 16-bit type to convert to: ``f16``, ``bf16``, or ``auto`` for the one that keeps most.
        llama_cpp: a checkout of llama.cpp to do the work, instead of the installed library.
        licence: its identifier, where the model's card has none, or another.
        force: write files anew, whatever is there.

    Raises:
        UserError: there is no merged model of a known architecture, a piece of llama.cpp is missing, a file is in the
            way, the disk has too little room, or llama.cpp fails.
    """
    record = _checked(model)
    weights = stored(model)
    half = _half(types, dtype, weights)
    name = model.resolve().name
    output = output or model.resolve().parent / f"{name}-GGUF"
    keys = _keys(model, record)
    remove_left_overs(output)
    paths = {kind: output / f"{name}-{kind}.gguf" for kind in [half, *types]}
    kept = {kind: file for kind, path in paths.items() if (file := _kept(path, kind, keys, licence, force)) is not None}
    to_quantize = [kind for kind in dict.fromkeys(types) if kind not in kept and kind != half]
    convert = half not in kept and (bool(to_quantize) or half in types)
    for file in kept.values():
        older = file.text(RECORD_KEY) != keys.get(RECORD_KEY, "")
        _say(f"kept: {file.path}{' (the record has changed since: --force writes it anew)' if older else ''}")
    made = dict(kept)
    if convert or to_quantize:
        tools = find_llama_cpp(llama_cpp, quantizer=bool(to_quantize))
        sizes = {kind: expected_size(weights, kind) for kind in [*([half] if convert else []), *to_quantize]}
        _room_for(output, sum(sizes.values()))
        if convert:
            _remarks(model, record, licence)
            job = _conversion(model, tools, half, keys, licence)
            made[half] = make_file(paths[half], job, expected=sizes[half])
        for kind in to_quantize:
            made[kind] = make_file(paths[kind], _quantization(paths[half], tools, kind), expected=sizes[kind])
    return Quantized([made[kind] for kind in dict.fromkeys(types)], made.get(half), weights.fall_back)


def source_digest(folder: Path) -> str:
    """The SHA-256 of the names and contents of a model folder's safetensors files, in hexadecimal.

    Raises:
        UserError: there are none.
    """
    digest = hashlib.sha256()
    for file in weight_files(folder):
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
        found = list(json.loads(config.read_text(encoding="utf-8")).get("architectures") or ["none"])
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{config}: no model's configuration ({error}); merge again") from error
    if found[0] not in ARCHITECTURES:
        raise UserError(
            f"{model}: its architecture is {found[0]}; those that can be quantized: {', '.join(ARCHITECTURES)}"
        )
    return read_record(model)


def _half(types: Sequence[str], dtype: str, weights: Stored) -> str:
    """The 16-bit type to convert to.

    Raises:
        UserError: two are asked for.
    """
    asked = {kind for kind in types if kind in HALVES} | ({dtype.upper()} if dtype != "auto" else set())
    if len(asked) > 1:
        raise UserError(f"two 16-bit types at once ({' and '.join(sorted(asked))}); ask for one of them")
    return asked.pop() if asked else weights.half


def _keys(model: Path, record: ModelRecord | None) -> dict[str, Any]:
    keys: dict[str, Any] = {SOURCE_KEY: source_digest(model)}
    if record is not None:
        keys |= {TEMPLATE_KEY: record.prompt_template, DIALECTS_KEY: record.dialects}
        keys[RECORD_KEY] = json.dumps(asdict(record), ensure_ascii=False)
    return keys


def _kept(path: Path, kind: str, keys: Mapping[str, Any], licence: str, force: bool) -> GgufFile | None:
    """The file that is there already, if it is what would be written.

    Raises:
        UserError: another file is in its place.
    """
    if force or not path.exists():
        return None
    remedy = "name another folder with --output, or pass --force to replace it"
    try:
        file = read_gguf(path)
    except UserError as error:
        raise UserError(f"{error}; {remedy}") from error
    if file.text(SOURCE_KEY) != keys[SOURCE_KEY] or file.file_type != kind:
        raise UserError(f"{path}: the file exists and was not made as {kind} from these weights; {remedy}")
    if licence and file.text("general.license") != licence:
        raise UserError(f"{path}: the file exists and does not name the licence {licence}; {remedy}")
    return file


def _room_for(output: Path, needed: int) -> None:
    place = next(path for path in (output, *output.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"{output}: the files need up to {readable(needed)}, and {readable(free)} is free there; "
            "free some space, name another folder with --output, or fewer types"
        )
    with disk_errors(output):
        output.mkdir(parents=True, exist_ok=True)


def _remarks(model: Path, record: ModelRecord | None, licence: str) -> None:
    """Say what the files will lack."""
    if record is None:
        _say(f"{model}: not fine-tuned here (no sqlfocus.json), so the files name no prompt template")
    if not licence and not front_matter(model).get("license"):
        _say(f"{model}: its licence is not known ({CARD} names none), so the files name none; --license ID names it")


def _conversion(model: Path, tools: LlamaCpp, half: str, keys: Mapping[str, Any], licence: str) -> dict[str, Any]:
    name = model.resolve().name
    job = {"do": "convert", "model": str(model), "converter": str(tools.converter.resolve()), "type": half}
    return {**job, "name": name, "keys": keys, "license": licence}


def _quantization(source: Path, tools: LlamaCpp, kind: str) -> dict[str, Any]:
    program = str(tools.quantizer.resolve()) if tools.quantizer else ""
    return {"do": "quantize", "source": str(source), "type": kind, "number": _NUMBERS[kind], "quantizer": program}


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
