"""What an engine needs of a model's tokenizer, whichever library runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """From messages to the tokens that a model reads, and from those that it writes to text."""

    def chat(self, messages: Sequence[Mapping[str, str]], *, answering: bool = True) -> str:
        """The text of a conversation in the model's own chat template.

        With ``answering`` it goes on up to where the assistant's next answer begins.
        """
        ...

    def ids(self, text: str) -> list[int]:
        """The tokens of a text. Names of special tokens in it become those tokens, and none is added."""
        ...

    def ids_and_ends(self, text: str) -> tuple[list[int], list[int]]:
        """As :meth:`ids`, with how many of the text's characters are read where each token ends.

        A token that holds a part of a character ends where the character does.
        """
        ...

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones left out; what is no whole character becomes U+FFFD."""
        ...

    def is_special(self, token: int) -> bool:
        """Whether a token stands for no text, as the one that ends an answer."""
        ...

    def for_constraint(self, size: int, end: int) -> Any:
        """The tokens as llguidance needs them: an ``LLTokenizer`` of ``size`` tokens that ends answers with ``end``."""
        ...
