"""What an engine is: something that turns prompts into SQL text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from sqlfocus.corpus.prompt import Prompt
from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import Database


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote for one prompt, end token left out."""

    text: str
    tokens: int
    """How many tokens were generated, the end token included."""
    finished: bool
    """False where the limit on new tokens cut the text."""
    cut_short: bool = False
    """True where the text was ended for the model, which would have gone on, so that it is a whole query."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """How many of the prompt's tokens were not computed for it, since they had been for an earlier one."""
    waited: float = field(default=0.0, compare=False)
    """Seconds until the engine had a place for it."""
    score: float | None = field(default=None, compare=False)
    """Of alternatives the higher the better, in logarithms of a probability; None where they are not compared."""


class TooLong(UserError):
    """A prompt is longer than the model reads."""


class Engine(Protocol):
    """Completes prompts."""

    name: str
    """What to call the model in a table: its folder or hub name."""

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 256,
        databases: Sequence[Database | None] | None = None,
        temperatures: Sequence[float] | None = None,
        seed: int = 0,
        on_done: Callable[[int, Completion], None] | None = None,
        on_text: Callable[[int, str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> list[Completion]:
        """Complete each prompt; the answers come in the prompts' order.

        A prompt with a temperature above 0 is completed by drawing, all others greedily; what is drawn depends on
        ``seed`` and the prompt's place.

        A prompt with a database is answered with SQL that is valid on it, token by token; one without, or with
        ``databases`` left out, in whatever the model writes.

        ``on_done`` is called with the place of each prompt, and what was written, as soon as it is completed.
        ``on_text`` is called, in whatever thread, with a place and all that is written there so far; where a database
        holds the answer, it may be taken back. Setting ``stop`` ends all answers as they are then, unfinished.

        Raises:
            TooLong: a prompt is longer than the model reads.
            UserError: the engine cannot answer.
        """
        ...

    def prefill(self, prompt: Prompt, database: Database | None = None) -> int:
        """Make ready for a database, so that the first question on it is quick too.

        What its prompts share is computed and kept; returns how many tokens that is, 0 where it is not known.
        """
        ...

    def start(self) -> None:
        """Make ready to be asked by many threads that come and go, for as long as the process lives."""
        ...

    def counters(self) -> dict[str, int]:
        """For metrics: names and what has been counted so far."""
        ...


@runtime_checkable
class Weighing(Protocol):
    """An engine that can also write several different answers to a question, and weigh them."""

    def alternatives(
        self,
        prompts: Sequence[Prompt],
        *,
        databases: Sequence[Database],
        wanted: int,
        max_new_tokens: int = 256,
        on_done: Callable[[int, Sequence[Completion]], None],
        stop: threading.Event | None = None,
    ) -> None:
        """Write up to ``wanted`` different answers to each prompt, held to its database, with their ``score``.

        ``on_done`` is called with the place of each prompt and its answers, at least one, the greedy one first; one
        that was cut short is left out where there is another.

        Raises:
            TooLong, UserError: as :meth:`Engine.complete`.
        """
        ...
