"""Chance that remembers: what was drawn often is drawn less, so that every column and every code gets its turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from random import Random
from typing import TypeVar

Drawn = TypeVar("Drawn", bound=Hashable)


class Dice(Random):
    """A seeded generator whose ``fresh`` draws evenly over time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._uses: Counter[Hashable] = Counter()

    def fresh(self, options: Sequence[Drawn], weights: Sequence[float] | None = None, *, of: Hashable = None) -> Drawn:
        """One of the options, by their weights, each much reduced by how often it was drawn so before.

        ``of`` tells draws apart that have equal options, as the values of two columns.
        """
        shares = [
            (weights[place] if weights else 1.0) / (1 + self._uses[of, option]) ** 2
            for place, option in enumerate(options)
        ]
        drawn = self.choices(options, shares)[0]
        self._uses[of, drawn] += 1
        return drawn
