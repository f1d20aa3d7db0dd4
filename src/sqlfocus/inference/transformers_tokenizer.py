"""A tokenizer of transformers, as engines need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerBase


class TransformersTokenizer:
    """A :class:`sqlfocus.inference.tokenizer.Tokenizer` around transformers' own."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        self._special = {*tokenizer.all_special_ids, *(token for token, mark in added if mark.special)}

    def chat(self, messages: Sequence[Mapping[str, str]], *, answering: bool = True) -> str:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        asked = [dict(message) for message in messages]
        text = self.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=answering)
        assert isinstance(text, str)
        return text

    def ids(self, text: str) -> list[int]:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def ids_and_ends(self, text: str) -> tuple[list[int], list[int]]:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        read = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(read["input_ids"]), [end for _, end in read["offset_mapping"]]

    def text(self, tokens: Sequence[int]) -> str:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        assert isinstance(text, str)
        return text

    def is_special(self, token: int) -> bool:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        return token in self._special

    def for_constraint(self, size: int, end: int) -> Any:
        """See :class:`sqlfocus.inference.tokenizer.Tokenizer`."""
        return from_tokenizer(self.tokenizer, n_vocab=size, eos_token=end)
