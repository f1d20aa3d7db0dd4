"""What an engine is: something that turns prompts into SQL text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlfocus.corpus.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote for one prompt, end token left out."""

    text: str
    tokens: int
    """How many tokens were generated, the end token included."""
    finished: bool
    """False where the limit on new tokens cut the text."""


class Engine(Protocol):
    """Completes prompts. An engine is used by one thread at a time."""

    name: str
    """What to call the model in a table: its folder or hub name."""

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 256,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Completion]:
        """Complete each prompt greedily; the answers come in the prompts' order.

        ``on_done`` is called with the number of prompts completed since the last call.
        """
        ...
