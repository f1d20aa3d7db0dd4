"""What a GGUF file says of itself: its metadata and the types of its tensors, without its weights.

The format is llama.cpp's (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3. The package
`gguf` reads the same, but takes 7 s for a vocabulary of 152 thousand tokens, which a service would take at each start.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.files import parse_json
from sqlfocus.models.record import ModelRecord, record_from

RECORD_KEY = "sqlfocus.record"
"""The whole of ``sqlfocus.json``, as text."""
TEMPLATE_KEY = "sqlfocus.prompt_template"
DIALECTS_KEY = "sqlfocus.dialects"
SOURCE_KEY = "sqlfocus.source_sha256"
"""Which model it was converted from: a digest of its files (:func:`sqlfocus.models.gguf.source_digest`)."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4

# fmt: off
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 25: "IQ4_NL", 30: "IQ4_XS",
    32: "BF16",
}
"""``general.file_type``: the mix that the file was quantized to."""

TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 20: ("IQ4_NL", 32, 18), 23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
}
# fmt: on
"""A tensor's type: its name, and how many weights a block has in how many bytes."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's name, type and shape, the row length first."""

    name: str
    type: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def weights(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file's metadata and tensors."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]

    def text(self, key: str) -> str:
        """A metadata value as text; empty where there is none."""
        return str(self.metadata.get(key, ""))

    def number(self, key: str) -> int:
        """A metadata value that is a whole number, 0 or more; 0 where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and value > 0 else 0

    def token(self, kind: str) -> str:
        """The text of the token that the file calls ``bos``, ``eos`` …; empty where it names none."""
        number, tokens = (self.metadata.get(f"tokenizer.ggml.{key}") for key in (f"{kind}_token_id", "tokens"))
        if isinstance(number, int) and isinstance(tokens, list) and 0 <= number < len(tokens):
            return str(tokens[number])
        return ""

    @property
    def architecture(self) -> str:
        """llama.cpp's name of it: ``qwen2``, ``llama`` …"""
        return self.text("general.architecture")

    @property
    def file_type(self) -> str:
        """The mix it was quantized to, ``Q4_K_M`` for instance."""
        number = self.metadata.get("general.file_type")
        return FILE_TYPES.get(number, f"type {number}") if isinstance(number, int) else ""

    @property
    def parameters(self) -> int:
        """How many weights it holds; an output matrix that is the embedding again counts where the file has both."""
        return sum(tensor.weights for tensor in self.tensors)

    @property
    def context(self) -> int:
        """How many tokens the model reads; 0 where it does not say."""
        return self.number(f"{self.architecture}.context_length")

    @property
    def base_models(self) -> list[str]:
        """Names of the models that it was made from."""
        found: list[str] = []
        for place in range(self.number("general.base_model.count")):
            base = f"general.base_model.{place}"
            name = self.text(f"{base}.repo_url") or self.text(f"{base}.name")
            if not name:
                break
            found.append(name)
        return found

    @property
    def end_token(self) -> str:
        """The token that ends an answer; empty where the file names none."""
        return self.token("eos")

    @property
    def mix(self) -> dict[str, int]:
        """Of each type, how many weights have it, the most first."""
        found: dict[str, int] = {}
        for tensor in self.tensors:
            found[tensor.type] = found.get(tensor.type, 0) + tensor.weights
        return dict(sorted(found.items(), key=lambda one: -one[1]))

    @property
    def record(self) -> ModelRecord | None:
        """How the model was fine-tuned; None for one that was not, here.

        Raises:
            UserError: the file's record is not one that this version knows.
        """
        text = self.metadata.get(RECORD_KEY)
        if text is None:
            return None
        try:
            row = parse_json(text)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.path}: its {RECORD_KEY} is no JSON ({error}); quantize it again") from error
        return record_from(row, str(self.path))


def read_gguf(path: Path) -> GgufFile:
    """Read metadata and tensor types (0.3 s for a vocabulary of 152 thousand tokens).

    Raises:
        UserError: there is no such file, or it is no GGUF file, is cut short, or is of another version.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such GGUF file")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).file()
    except (struct.error, LookupError, ValueError, OverflowError, RecursionError) as error:
        raise UserError(f"{path}: no whole GGUF file (its header cannot be read); make or fetch it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data, self._at = path, data, 0

    def file(self) -> GgufFile:
        if self._data[:4] != b"GGUF":
            raise UserError(f"{self._path}: no GGUF file")
        self._at = 4
        version = self._one("I")
        if version not in (2, 3):
            raise UserError(f"{self._path}: GGUF of version {version}; versions 2 and 3, little-endian, can be read")
        tensors, pairs = self._one("Q"), self._one("Q")
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._text()
            metadata[key] = self._value(self._one("I"))
        found = [self._tensor() for _ in range(tensors)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(alignment)
        begin = -(-self._at // alignment) * alignment
        end = begin + max((offset + tensor.bytes for tensor, offset in found), default=0)
        if end > len(self._data):
            raise UserError(
                f"{self._path}: the file is cut short: {len(self._data)} of {end} bytes; make or fetch it again"
            )
        return GgufFile(self._path, metadata, tuple(tensor for tensor, _ in found))

    def _tensor(self) -> tuple[Tensor, int]:
        """A tensor, and where its weights begin."""
        name = self._text()
        rank = self._one("I")
        if rank > _MOST_DIMENSIONS:
            raise ValueError(rank)
        shape = tuple(self._one("Q") for _ in range(rank))
        number, offset = self._one("I"), self._one("Q")
        called, weights, size = TENSOR_TYPES.get(number, (f"type {number}", 1, 0))
        return Tensor(name, called, shape, math.prod(shape) // weights * size), offset

    def _one(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self._data, self._at)
        self._at += struct.calcsize(kind)
        return value

    def _text(self) -> str:
        length = self._one("Q")
        begin, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise IndexError(length)
        return self._data[begin : self._at].decode()

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._one(_SCALARS[kind])
        kind, count = self._one("I"), self._one("Q")
        if count > len(self._data):
            raise IndexError(count)
        if kind in _SCALARS:
            values = struct.unpack_from(f"<{count}{_SCALARS[kind]}", self._data, self._at)
            self._at += struct.calcsize(f"<{count}{_SCALARS[kind]}")
            return list(values)
        return [self._value(kind) for _ in range(count)]
