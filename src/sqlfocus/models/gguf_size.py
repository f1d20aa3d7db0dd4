"""How large a GGUF file will be, told from the shapes in the safetensors files of the model that it is to be made from.

Which tensor gets which type is llama.cpp's choice (``src/llama-quant.cpp``, as of llama-cpp-python 0.3.36). Some get
more bits in some layers only; here they count as if they did in all, so that a file is smaller than told, never larger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sqlfocus.errors import UserError
from sqlfocus.files import parse_json
from sqlfocus.models.gguf_file import TENSOR_TYPES

QUANTIZED = {
    # of most tensors, of attention's values, of the feed-forward network's way down, of attention's output
    "Q2_K": ("Q2_K", "Q4_K", "Q3_K", "Q3_K"),
    "Q3_K_M": ("Q3_K", "Q5_K", "Q5_K", "Q4_K"),
    "Q4_0": ("Q4_0", "Q4_0", "Q4_0", "Q4_0"),
    "Q4_K_S": ("Q4_K", "Q5_K", "Q5_K", "Q4_K"),
    "Q4_K_M": ("Q4_K", "Q6_K", "Q6_K", "Q4_K"),
    "Q5_K_S": ("Q5_K", "Q5_K", "Q5_K", "Q5_K"),
    "Q5_K_M": ("Q5_K", "Q6_K", "Q6_K", "Q5_K"),
    "Q6_K": ("Q6_K", "Q6_K", "Q6_K", "Q6_K"),
    "Q8_0": ("Q8_0", "Q8_0", "Q8_0", "Q8_0"),
}
"""The types that a file is quantized to, and those of its tensors at most."""
HALVES = ("F16", "BF16")

FALLBACKS = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
"""What a tensor gets whose rows do not divide into a K-quant's blocks of 256 weights."""

_BLOCKS = {name: (weights, size) for name, weights, size in TENSOR_TYPES.values()}


@dataclass(frozen=True, slots=True)
class Stored:
    """What a model's safetensors files hold: the type of its matrices, and each tensor's shape."""

    dtype: str
    """safetensors' name of it: ``BF16``, ``F16``, ``F32``."""
    shapes: Mapping[str, tuple[int, ...]]
    words: int
    """Bytes of the tokenizer's files, which go into a GGUF file's metadata."""

    @property
    def half(self) -> str:
        """The 16-bit type that keeps most of it: ``BF16`` for bfloat16, else ``F16``."""
        return "BF16" if self.dtype == "BF16" else "F16"

    @property
    def fall_back(self) -> bool:
        """Whether there are rows that K-quants' blocks of 256 weights do not divide."""
        return any(shape[-1] % 256 for shape in self.shapes.values() if len(shape) > 1)


def stored(folder: Path) -> Stored:
    """Read the headers of the safetensors files in ``folder``, not their weights.

    Raises:
        UserError: there are none, or one is missing or broken.
    """
    files = weight_files(folder)
    shapes: dict[str, tuple[int, ...]] = {}
    weights: dict[str, int] = {}
    for file in files:
        try:
            with safe_open(file, "numpy") as opened:
                for name in opened.keys():  # noqa: SIM118  # it is no dict
                    tensor = opened.get_slice(name)
                    shapes[name] = tuple(tensor.get_shape())
                    if len(shapes[name]) > 1:
                        kind = tensor.get_dtype()
                        weights[kind] = weights.get(kind, 0) + math.prod(shapes[name])
        except (SafetensorError, OSError) as error:
            raise UserError(f"{file}: no whole safetensors file ({error}); merge again") from error
    if not weights:
        raise UserError(f"{folder}: its safetensors files hold no matrix; merge again")
    words = sum(path.stat().st_size for path in folder.glob("tokenizer*"))
    return Stored(max(weights, key=lambda kind: weights[kind]), shapes, words)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a model folder's weights, as llama.cpp's converter takes them.

    Raises:
        UserError: there are none, or one of several is missing.
    """
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        files = sorted(folder.glob("model*.safetensors"))
        if not files:
            raise UserError(f"{folder}: no weights there (no model.safetensors); name a merged model's folder")
        return files
    try:
        names = sorted({str(name) for name in parse_json(index.read_text(encoding="utf-8"))["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index}: no index of weights ({type(error).__name__}: {error}); merge again") from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder}: {missing[0]} is missing, {len(missing)} of {len(names)} files; merge again")
    return [folder / name for name in names]


def expected_size(model: Stored, kind: str) -> int:
    """Bytes, at most, of the GGUF file of type ``kind``: one of :data:`QUANTIZED` or :data:`HALVES`."""
    return model.words + sum(_tensor(model, kind, name, shape) for name, shape in model.shapes.items())


def _tensor(model: Stored, kind: str, name: str, shape: tuple[int, ...]) -> int:
    weights = math.prod(shape)
    if len(shape) < 2:
        return 4 * weights
    if kind in HALVES:
        return 2 * weights
    most, values, down, out = QUANTIZED[kind]
    tied = not any("lm_head" in other for other in model.shapes)
    if "lm_head" in name or (tied and "embed_tokens" in name):
        type_ = "Q8_0" if most == "Q8_0" or shape[-1] % _BLOCKS[most][0] else "Q6_K"
    else:
        type_ = values if ".v_proj." in name else down if ".down_proj." in name else out if ".o_proj." in name else most
    if shape[-1] % _BLOCKS[type_][0]:
        type_ = FALLBACKS.get(type_, "F16")
    if shape[-1] % _BLOCKS[type_][0]:
        type_ = "F16"
    block, size = _BLOCKS[type_]
    return weights // block * size
