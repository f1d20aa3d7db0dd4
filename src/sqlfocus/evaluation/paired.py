"""Two models on the same questions: how far apart they are, and how sure that is.

Most questions are answered alike by a model and its quantized copy, and say nothing of the difference: what is known of
it rests on the questions that one answers right and the other wrong. The interval is Tango's score interval for paired
proportions (Tango, 1998, Statistics in Medicine 17:891–908), which keeps its 95 % where those are few, and is not empty
where there are none (Fagerland, Lydersen and Laake, 2014, Statistics in Medicine 33:2850–2875, compare it with others).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

POWER = 0.8
"""With what chance a difference that is there is to be found, where questions are counted for it."""


@dataclass(frozen=True, slots=True)
class Paired:
    """How often two models differ on the same questions.

    >>> pair = Paired(gained=6, lost=16, questions=161)
    >>> round(pair.difference, 4), [round(end, 4) for end in pair.interval()]
    (-0.0621, [-0.124, -0.0054])
    >>> round(pair.p, 4)
    0.0525
    """

    gained: int
    """Questions that this model answers right and the reference wrong."""
    lost: int
    """Questions that the reference answers right and this model wrong."""
    questions: int

    @property
    def difference(self) -> float:
        """EX less the reference's, −1 to 1; 0 where there are no questions."""
        return (self.gained - self.lost) / self.questions if self.questions else 0.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The ends of Tango's interval for the difference, at a level between 0 and 1."""
        if not self.questions:
            return -1.0, 1.0
        z = NormalDist().inv_cdf((1 + level) / 2)
        lower = -1.0 if self.lost == self.questions else self._where(z, -1.0, self.difference)
        upper = 1.0 if self.gained == self.questions else self._where(-z, self.difference, 1.0)
        return lower, upper

    @property
    def p(self) -> float:
        """McNemar's exact test: how likely so uneven a split, or more, is where both are equally good."""
        differing = self.gained + self.lost
        tail = sum(math.comb(differing, count) for count in range(min(self.gained, self.lost) + 1))
        return float(min(1.0, 2 * tail / 2**differing))

    def questions_for(self, loss: float) -> int:
        """About how many questions tell a loss of ``loss`` (0 to 1) from none, four times in five.

        By Connor (1987, Biometrics 43:207–211), for models that differ as often as these.
        """
        differing = max((self.gained + self.lost) / self.questions if self.questions else 0.0, loss)
        normal = NormalDist()
        found = normal.inv_cdf(0.975) * math.sqrt(differing)
        found += normal.inv_cdf(POWER) * math.sqrt(differing - loss * loss)
        return math.ceil(found * found / (loss * loss))

    def _where(self, z: float, low: float, high: float) -> float:
        """Where between ``low`` and ``high`` the score is ``z``; it falls as the difference rises."""
        while (middle := (low + high) / 2) not in (low, high):
            low, high = (middle, high) if self._score(middle) > z else (low, middle)
        return middle

    def _score(self, difference: float) -> float:
        """How far the counts are from those that a difference lets expect, in standard deviations."""
        n, gained, lost = self.questions, self.gained, self.lost
        linear = (2 * n - gained + lost) * difference - gained - lost
        constant = -lost * difference * (1 - difference)
        # The likeliest share of lost questions where the difference is this one.
        share = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        distance = gained - lost - n * difference
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)


def pair(answers: Sequence[bool], reference: Sequence[bool]) -> Paired:
    """Count where two models' verdicts differ; both are right or wrong, in the same questions' order.

    >>> pair([True, False, True], [True, True, False])
    Paired(gained=1, lost=1, questions=3)

    Raises:
        ValueError: there are not as many of one as of the other.
    """
    both = list(zip(answers, reference, strict=True))
    return Paired(both.count((True, False)), both.count((False, True)), len(both))
