"""Where an answer that is held to a schema goes: on, back to where it began badly, or to another answer.

A *way* is the beginning of an answer. What it has lost is the score of the model's best token less that of the token it
takes, at each place; a greedy answer loses where its best token is refused, another way where it leaves the best one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sqlfocus.inference.constraint.guide import Guide

CLOSING = 32
"""With so many tokens left, a constrained answer is ended as soon as it can be, so that it is whole."""
PATIENCE = 2.0
"""An answer is looked through once it has lost so much, or so much more than when that was done."""
MARGIN = 0.5
"""Another way is taken where it has lost so much less."""
DOUBT = 3.0
"""As much is lost with each doubt (:mod:`sqlfocus.inference.constraint.doubts`)."""
HOPELESS = 8.0
"""Ways that have lost more are not taken in place of an answer that leads nowhere."""
MOST_RETURNS = 8
"""So often an answer is looked through."""
REACH = 6.0
"""Alternatives are looked for among the ways that have lost less."""
TRIES = 2
"""For each alternative that is wanted so many ways are followed at most."""


class Scores(Protocol):
    """Scores of the next token at some places."""

    @property
    def best(self) -> Sequence[int]:
        """The highest-scored token at each place."""
        ...

    def at(self, place: int) -> np.ndarray:
        """All scores at a place, (V,) float32."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """The beginning of an answer: what it has lost, its tokens, the logarithm of its probability."""

    lost: float
    tokens: tuple[int, ...]
    log_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """A whole answer: its tokens, the logarithm of its probability by the model, and how many doubts there are."""

    tokens: tuple[int, ...]
    log_probability: float
    doubts: int


class Search:
    """The search for one answer, or for several different ones.

    Attributes:
        answer: the tokens so far, the end token included; others append to it what :meth:`next` returns.
        guide: holds it to the schema.
        written: the answers that are whole, where ``alternatives`` are wanted.
        reviewing: the next pass is to be over the whole answer, for :meth:`review`.
        left: nothing is to follow; :meth:`another` says where to go.
    """

    def __init__(self, guide: Guide, answer: list[int], most: int, alternatives: int = 1) -> None:
        self.guide = guide
        self.answer = answer
        self.most = most
        self.alternatives = alternatives
        self.written: list[Written] = []
        self.reviewing = self.left = False
        self._ending = False  # it would have ended where it is to be reviewed
        self._lost = 0.0
        self._looked = 0.0  # what it had lost when it was last reviewed
        self._doubts = 0
        self._log_probability = 0.0
        self._returns = self._tries = 0
        self._forced: set[int] = set()  # the places of tokens that the grammar had come next
        self._whole: Way | None = None  # of the answers that were whole and left, the one that had lost least
        self._replaced = False  # the answer is not what the network was given
        self._ways: list[Way] = []  # a heap
        self._aside: list[Way] = []  # ways to other answers, until there is one
        self._seen: set[tuple[int, ...]] = set()  # ways that are or were in it
        self._texts: set[str] = set()  # of the answers in ``written``, without case

    def next(self, scores: Scores, place: int) -> list[int]:
        """The next token by the scores at a place, and those that the guide has follow whatever the scores.

        Where the guide takes the answer back, ``answer`` is emptied and what is returned is all of it. Where there may
        be a better way, none is returned and :attr:`reviewing` or :attr:`left` says what to do.
        """
        best = scores.best[place]
        rivals = list(self._rivals(scores.at(place))) if self.alternatives > 1 else []
        if self.guide.take(best):
            token = best
        else:
            row = scores.at(place)
            token = self.guide.search(row)
            self._lost += float(row[best] - row[token])
        self._aside += [way for way in rivals if way.tokens[-1] != token]
        if self.alternatives > 1:
            self._log_probability += log_probability(scores.at(place), token)
        tokens = [token, *self.guide.forced()]
        left = self.most - len(self.answer) - len(tokens)
        if self.guide.stuck or (left <= 0 and not self.guide.ended):
            if self._leaves():
                return []
            if self._whole is not None:
                return self._take_back(self._whole)
            self.answer.clear()
            self._replaced = True
            return self.guide.rewind(self.most)
        ending = self.guide.close(left) if left <= CLOSING and not self.guide.ended else []
        if ending and self._leaves():
            return []
        self._forced.update(range(len(self.answer) + 1, len(self.answer) + len(tokens)))
        if not self._tries and self._returns < MOST_RETURNS:
            doubts = self.guide.doubts(whole=self.guide.ended)
            self._lost += DOUBT * (doubts - self._doubts)
            self._doubts = doubts
            if self._lost >= self._looked + PATIENCE:
                self.reviewing = True
                if self.guide.ended:
                    self._ending = True
                    return []
        if self.guide.ended and self._whole is not None and self._whole.lost < self._lost and not self._tries:
            return self._take_back(self._whole)
        return tokens + ending

    def _take_back(self, whole: Way) -> list[int]:
        """Give an answer that was whole, in place of the one that was begun since."""
        self._replaced = True
        self._follow(whole)
        self.answer.clear()
        return list(whole.tokens)

    def _leaves(self) -> bool:
        """Whether an answer that leads nowhere is given up for another way."""
        if self._tries:
            self.left = self._may_try()
            return self.left
        self.reviewing = self._returns < MOST_RETURNS
        if self.reviewing:
            self._lost = math.inf
        return self.reviewing

    def review(self, scores: Scores, place: int) -> int:
        """Go on from where least was lost; the scores behind each token of the answer begin at ``place``.

        Each token's likeliest rivals begin other answers. Where one of these has lost less than this one, by the scores
        of all that was refused on its way, it takes its place: the first tokens of a query decide what may follow, and
        a model that is refused again and again mostly began badly. Returns how many tokens of the answer stay.
        """
        self._returns += 1
        self.reviewing = False
        ended = self._ending
        self._lost, probability, doubts = self._look_through(scores, place)
        before = tuple(self.answer)
        here = Way(self._lost, before, probability)
        if ended and (self._whole is None or here.lost < self._whole.lost):
            if self.alternatives > 1:
                probability += log_probability(scores.at(place + len(before)), self.guide.end)
            self._whole = Way(here.lost, (*before, self.guide.end), probability)
        if self._ways and self._ways[0].lost < min(self._lost - MARGIN, HOPELESS):
            kept = self._follow(heapq.heappop(self._ways))
            if not math.isinf(here.lost):
                heapq.heappush(self._ways, here)
            return kept
        if math.isinf(self._lost):
            self._returns = MOST_RETURNS  # it has to end where it is
        kept = self._follow(here)
        self._doubts = doubts
        return kept

    def _look_through(self, scores: Scores, place: int) -> tuple[float, float, int]:
        """Note the ways that leave the answer and have lost less than it.

        Returns what it has lost, the logarithm of its probability, and its doubts.
        """
        most = min(self._lost - MARGIN, HOPELESS)
        guide, whole = self.guide.anew(), self._ending
        lost, probability, doubts = 0.0, 0.0, 0
        for number, token in enumerate([*self.answer, self.guide.end] if whole else self.answer):
            if number not in self._forced:
                row = scores.at(place + number)
                best = float(row.max())
                for rival in guide.rivals(row, token, least=best + lost - most):
                    log = log_probability(row, rival) if self.alternatives > 1 else 0.0
                    way = (*self.answer[:number], rival)
                    self._note(Way(lost + best - float(row[rival]), way, probability + log))
                lost += best - float(row[token])
                if self.alternatives > 1 and number < len(self.answer):
                    probability += log_probability(row, token)
            guide.add(token)
            doubts, before = guide.doubts(whole=guide.ended), doubts
            lost += DOUBT * (doubts - before)
        self._ending = False
        return (self._lost if math.isinf(self._lost) else lost), probability, doubts

    def another(self) -> int | None:
        """Take note of the answer, if it is whole, and begin the best way besides it.

        Returns how many of its tokens stay; None where enough is written, or no way is left.
        """
        self.left = False
        replaced, self._replaced = self._replaced, False
        if self.alternatives < 2 or (replaced and not self.guide.ended):
            return None
        if self.guide.ended and self.answer and self.answer[-1] == self.guide.end:
            text = self.guide.text.lower()
            if text not in self._texts:
                self._texts.add(text)
                doubts = self.guide.doubts(whole=True)
                self.written.append(Written(tuple(self.answer), self._log_probability, doubts))
        for way in self._aside:
            self._note(way)
        self._aside.clear()
        while self._may_try() and self._ways and self._ways[0].lost < REACH:
            kept = self._follow(heapq.heappop(self._ways))
            if not self._is_known():
                self._tries += 1
                return 0 if replaced else kept
        return None

    def _may_try(self) -> bool:
        return len(self.written) < self.alternatives and self._tries < TRIES * (self.alternatives - 1)

    def _is_known(self) -> bool:
        """Whether one of the answers begins so but for case."""
        text = self.guide.text.lower()
        return not self.guide.in_quotes and any(known.startswith(text) for known in self._texts)

    def _rivals(self, row: np.ndarray) -> Iterator[Way]:
        """The ways that begin with the likeliest next tokens and are within reach."""
        best = float(row.max())
        least = best + self._lost - REACH
        if int(np.count_nonzero(row > least)) > 1:
            for token in self.guide.rivals(row, None, least=least):
                log = self._log_probability + log_probability(row, token)
                yield Way(self._lost + best - float(row[token]), (*self.answer, token), log)

    def _note(self, way: Way) -> None:
        if way.tokens not in self._seen:
            self._seen.add(way.tokens)
            heapq.heappush(self._ways, way)

    def _follow(self, way: Way) -> int:
        """Go on with a way; returns how many tokens it has in common with the answer."""
        pairs = zip(self.answer, way.tokens, strict=False)
        kept = next((place for place, (old, new) in enumerate(pairs) if old != new), None)
        kept = min(len(self.answer), len(way.tokens)) if kept is None else kept
        self._forced = {place for place in self._forced if place < kept}
        self.guide = self.guide.anew()
        for token in way.tokens:
            self.guide.add(token)
        self.answer[:] = way.tokens
        self._lost = self._looked = way.lost
        self._log_probability = way.log_probability
        self._doubts = self.guide.doubts()
        return kept


def log_probability(row: np.ndarray, token: int) -> float:
    """The logarithm of a token's probability, by the scores (V,) of all."""
    highest = float(row.max())
    return float(row[token]) - highest - math.log(float(np.exp(row - highest).sum()))
