"""llama.cpp's tokenizer of a GGUF file, giving the tokens that transformers' gives, which the model was trained on.

Two things are done here that llama.cpp leaves out or does otherwise. Text is brought to Unicode's form NFC where the
model's tokenizer does so. And special tokens are looked for in the text here, those that the file calls so: llama.cpp
counts tokens as special by their names too, so that a question with ``</s>`` in it would become other tokens.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.models.chat_template import render
from sqlfocus.models.gguf_file import GgufFile

NORMALIZED = ("qwen2", "qwen35")
"""What ``tokenizer.ggml.pre`` is for models whose tokenizer brings text to NFC: transformers' ``Qwen2Tokenizer`` (of
Qwen2, 2.5 and 3) and ``Qwen3_5Tokenizer``. llama.cpp does it for none."""
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
"""Values of ``tokenizer.ggml.token_type``."""


class LlamaCppTokenizer:
    """A :class:`sqlfocus.inference.tokenizer.Tokenizer` of a GGUF file that llama.cpp has loaded."""

    def __init__(self, vocabulary: Any, file: GgufFile) -> None:
        """``vocabulary`` is llama.cpp's, of the model in ``file``; it is used until the model is freed.

        Raises:
            UserError: the file holds no chat template.
        """
        import llama_cpp

        self._library: Any = llama_cpp
        self._vocabulary = vocabulary
        self._template = file.text("tokenizer.chat_template")
        if not self._template:
            raise UserError(f"{file.path}: the file holds no chat template; take an instruct model")
        texts: list[str] = file.metadata.get("tokenizer.ggml.tokens", [])
        kinds: list[int] = file.metadata.get("tokenizer.ggml.token_type", [])
        self._special = {token for token, kind in enumerate(kinds) if kind in (_UNKNOWN, _CONTROL)}
        self._named = {token for token, kind in enumerate(kinds) if kind == _USER_DEFINED} | self._special
        self._marks = {texts[token]: token for token in self._named if texts[token]}
        longest_first = sorted(self._marks, key=len, reverse=True)
        self._mark = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._normalized = file.text("tokenizer.ggml.pre") in NORMALIZED
        self._bos, self._eos = file.token("bos"), file.token("eos")
        self._pieces: dict[int, bytes] = {}

    def chat(self, messages: Sequence[Mapping[str, str]], *, answering: bool = True) -> str:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        return render(self._template, messages, generation=answering, bos=self._bos, eos=self._eos)

    def ids(self, text: str) -> list[int]:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        return [token for part in self._parts(text) for token in self._read(part)]

    def ids_and_ends(self, text: str) -> tuple[list[int], list[int]]:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        ids, ends, begin = list[int](), list[int](), 0
        for part in self._parts(text):
            found = self._read(part)
            ids += found
            if part in self._marks:
                ends.append(begin + len(part))
            else:
                ends += [begin + end for end in self._ends(part, found)]
            begin += len(part)
        return ids, ends

    def text(self, tokens: Sequence[int]) -> str:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        found = b"".join(self._piece(token) for token in tokens if token not in self._special)
        return found.decode(errors="replace")

    def is_special(self, token: int) -> bool:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        return token in self._special

    def for_constraint(self, size: int, end: int) -> Any:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        import llguidance

        pieces = [self._piece(token) for token in range(self._library.llama_vocab_n_tokens(self._vocabulary))]
        for token in self._named:
            if token in self._special or (pieces[token][:1], pieces[token][-1:]) == (b"<", b">"):
                pieces[token] = b"\xff" + pieces[token]  # so that a grammar does not take it for its text
        pieces += [b""] * (size - len(pieces))
        tokenize = ctypes.cast(self._library.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value
        return llguidance.LLTokenizer.from_llamacpp(
            tokens=pieces, vocab_ptr=self._vocabulary, tokenize_fptr=tokenize, eos_token=end
        )

    def _parts(self, text: str) -> Iterator[str]:
        """The text in parts: names of special tokens, and what stands between."""
        begin = 0
        for mark in self._mark.finditer(text):
            if begin < mark.start():
                yield text[begin : mark.start()]
            yield mark[0]
            begin = mark.end()
        if begin < len(text):
            yield text[begin:]

    def _read(self, part: str) -> list[int]:
        if part in self._marks:
            return [self._marks[part]]
        data = (unicodedata.normalize("NFC", part) if self._normalized else part).encode()
        room = len(data) + 1  # a token has a byte at least, but for a space that some vocabularies add before a text
        found = (self._library.llama_token * room)()
        count = self._library.llama_tokenize(self._vocabulary, data, len(data), found, room, False, False)
        assert count >= 0
        return list(found[:count])

    def _ends(self, part: str, tokens: Sequence[int]) -> list[int]:
        """Where each of the ``tokens`` of ``part`` ends in it."""
        pieces = [self._piece(token) for token in tokens]
        ends = _ends_of_bytes(part, normalized=self._normalized)
        if len(ends) < sum(map(len, pieces)):  # the space before the text
            pieces[0] = pieces[0].removeprefix(b" ")
        return [ends[read - 1] if read else 0 for read in accumulate(map(len, pieces))]

    def _piece(self, token: int) -> bytes:
        """A token's bytes; a special one's are its name's."""
        if token not in self._pieces:
            room = 64
            buffer = ctypes.create_string_buffer(room)
            size = self._library.llama_token_to_piece(self._vocabulary, token, buffer, room, 0, True)
            if size < 0:
                buffer = ctypes.create_string_buffer(-size)
                size = self._library.llama_token_to_piece(self._vocabulary, token, buffer, -size, 0, True)
            self._pieces[token] = buffer.raw[:size]
        return self._pieces[token]


def _ends_of_bytes(text: str, *, normalized: bool) -> list[int]:
    """For each byte of a text (of its NFC, where ``normalized``), how many of its characters are read there.

    >>> _ends_of_bytes("aé", normalized=False)
    [1, 2, 2]
    >>> _ends_of_bytes("ae\u0301b", normalized=True)
    [1, 3, 3, 4]
    """
    normalized = normalized and not unicodedata.is_normalized("NFC", text)
    found, read = list[int](), 0
    for characters in _clusters(text) if normalized else text:
        read += len(characters)
        data = unicodedata.normalize("NFC", characters) if normalized else characters
        found += [read] * len(data.encode())
    return found


def _clusters(text: str) -> Iterator[str]:
    """The text in the smallest parts that NFC changes each by itself.

    >>> [len(one) for one in _clusters("ae\u0301b")]
    [1, 2, 1]
    """
    begun = ""
    for character in text:
        apart = unicodedata.normalize("NFC", begun) + unicodedata.normalize("NFC", character)
        joins = unicodedata.combining(character) or unicodedata.normalize("NFC", begun + character) != apart
        if begun and not joins:
            yield begun
            begun = ""
        begun += character
    if begun:
        yield begun
