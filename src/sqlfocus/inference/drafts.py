"""Drafts: which tokens an answer will probably go on with, so that a model's pass can check several at once.

A draft comes from what was seen to follow the last tokens before: in the schema's names, and in the engine's own
earlier answers, since SQL's phrases come again and again. This is prompt lookup (Saxena, 2023,
https://github.com/apoorvumang/prompt-lookup-decoding) with a memory, and with a compressor's guess (prediction by
partial matching) in place of one match. A wrong draft costs time, never the answer: the model's own choice stands at
each place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

LONGEST_CONTEXT = 8
LONGEST_DRAFT = 16
ANSWERS_KEPT = 2048
"""How many answers an engine learns drafts from; when there are twice as many, the older half is forgotten.

Two thousand take some 40 MB."""
TRUST = 0.9
"""What is said to follow with probability x did so in 0.9 x of the cases, in answers to Spider's dev questions."""
NEGLIGIBLE = 0.02
"""Shorter contexts are not asked where they have so little to say."""


class Followers:
    """Which token followed each context of 1 to :data:`LONGEST_CONTEXT` tokens, and how often."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, ...], dict[int, int]] = {}

    def add(self, tokens: Sequence[int]) -> None:
        """Learn a sequence.

        >>> followers = Followers()
        >>> followers.add([1, 2, 3])
        >>> followers.likely([2])
        {3: 0.5}
        """
        for place in range(1, len(tokens)):
            for length in range(1, min(LONGEST_CONTEXT, place) + 1):
                counts = self._counts.setdefault(tuple(tokens[place - length : place]), {})
                counts[tokens[place]] = counts.get(tokens[place], 0) + 1

    def likely(self, tokens: Sequence[int]) -> dict[int, float]:
        """Tokens that may come after ``tokens``, with their probabilities; they sum to less than 1.

        The longest context that is known has its say, and leaves to the next shorter one what it gives to tokens that
        it has not seen: as many chances as it has seen different ones (Moffat, 1990, method C of
        https://doi.org/10.1109/26.61469).

        >>> followers = Followers()
        >>> followers.add([1, 2, 3])
        >>> followers.likely([9, 1, 2])
        {3: 0.75}
        """
        found: dict[int, float] = {}
        left = 1.0
        for length in range(min(LONGEST_CONTEXT, len(tokens)), 0, -1):
            counts = self._counts.get(tuple(tokens[-length:]))
            if counts:
                each = left / (sum(counts.values()) + len(counts))
                for token, count in counts.items():
                    found[token] = found.get(token, 0.0) + each * count
                left = each * len(counts)
                if left < NEGLIGIBLE:
                    break
        return found


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
    begun, whole = len(context), 1.0
    while len(context) - begun < most:
        token, probability = -1, 0.0
        for source in sources:
            for one, likely in source.likely(context).items():
                if likely > probability:
                    token, probability = one, likely
        whole *= TRUST * probability
        if whole < least:
            break
        context.append(token)
    return context[begun:]
