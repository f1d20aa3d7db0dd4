"""Drafts: which tokens an answer will probably go on with, so that a model's pass can check several at once.

A draft comes from what was seen to follow the last tokens before: in the schema's names, and in the engine's own
earlier answers, since SQL's phrases come again and again. This is prompt lookup (Saxena, 2023,
https://github.com/apoorvumang/prompt-lookup-decoding) with a memory, and with n-grams in place of one match. A wrong
draft costs time, never the answer: the model's own choice stands at each place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

LONGEST_CONTEXT = 5
LONGEST_DRAFT = 16
ANSWERS_KEPT = 4096
"""How many answers an engine learns drafts from; when there are twice as many, the older half is forgotten."""


class Followers:
    """Which token followed each context of 1 to :data:`LONGEST_CONTEXT` tokens, and how often."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, ...], dict[int, int]] = {}

    def add(self, tokens: Sequence[int]) -> None:
        """Learn a sequence.

        >>> followers = Followers()
        >>> followers.add([1, 2, 3])
        >>> followers.best([9, 1, 2])
        (3, 0.5)
        """
        for place in range(1, len(tokens)):
            for length in range(1, min(LONGEST_CONTEXT, place) + 1):
                counts = self._counts.setdefault(tuple(tokens[place - length : place]), {})
                counts[tokens[place]] = counts.get(tokens[place], 0) + 1

    def best(self, tokens: Sequence[int]) -> tuple[int, float]:
        """The likeliest next token after ``tokens`` and its probability, by the longest context that is known.

        The probability is that of the counts with one more for what was never seen; (-1, 0.0) where nothing is known.
        """
        for length in range(min(LONGEST_CONTEXT, len(tokens)), 0, -1):
            counts = self._counts.get(tuple(tokens[-length:]))
            if counts:
                token = max(counts, key=lambda one: counts[one])
                return token, counts[token] / (sum(counts.values()) + 1)
        return -1, 0.0


class History:
    """Followers in the latest answers."""

    def __init__(self) -> None:
        self.followers = Followers()
        self._answers: deque[tuple[int, ...]] = deque()

    def add(self, answer: Sequence[int]) -> None:
        """Learn an answer."""
        self._answers.append(tuple(answer))
        self.followers.add(answer)
        if len(self._answers) == 2 * ANSWERS_KEPT:
            self._answers = deque(list(self._answers)[ANSWERS_KEPT:])
            self.followers = Followers()
            for old in self._answers:
                self.followers.add(old)


def draft(answer: Sequence[int], sources: Iterable[Followers], *, least: float, most: int) -> list[int]:
    """Up to ``most`` tokens that probably follow ``answer``.

    It ends where the probability that all of it is right falls below ``least``.
    """
    sources = list(sources)
    context = list(answer[-LONGEST_CONTEXT:])
    begun, likely = len(context), 1.0
    while len(context) - begun < most:
        token, probability = max((source.best(context) for source in sources), key=lambda one: one[1])
        likely *= probability
        if likely < least:
            break
        context.append(token)
    return context[begun:]
