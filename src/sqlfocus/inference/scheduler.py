"""Continuous batching: questions join and leave the batch one by one, whatever their database and whoever asks.

Each step is one pass of the model over all answers under way: of a new one the question, of the others the last token
and a draft of the next ones. What the model would have chosen at each place is compared with the draft, so that a step
gives an answer as many tokens as the draft was right, and one more.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sqlfocus.inference.constraint.guide import Guide
from sqlfocus.inference.drafts import LONGEST_DRAFT, Followers, History, draft
from sqlfocus.inference.engine import TooLong
from sqlfocus.inference.prefixes import PrefixCache

BEGIN = -1
"""Stands before an answer's first token in what drafts are made from."""
CLOSING = 32
"""With so many tokens left, a constrained answer is ended as soon as it can be, so that it is whole."""
LEAST_LIKELY = 0.1
"""A draft ends before it is less likely right than that, however cheap."""
PIECE = 512
"""Of a longer question so many tokens are taken in a pass, so that a pass needs no more memory than it has."""
PATIENCE = 2.0
"""An answer is looked through once it has lost so much score to refusals, or so much more than when that was done."""
MARGIN = 0.5
"""Another way is taken where it has lost so much less."""
DOUBT = 3.0
"""As much is lost with a join that follows no key."""
HOPELESS = 8.0
"""Ways that have lost more are not taken in place of an answer that leads nowhere."""
MOST_RETURNS = 8
"""So often an answer is looked through."""
REACH = 4.0
"""Alternatives are looked for among the ways that have lost less."""
TRIES = 1.5
"""For each alternative that is wanted so many ways are followed at most."""
NEVER_DRAWN = 25.0
"""Scores that are so much lower than the highest take no part in a draw: one in e²⁵ would be theirs."""


@dataclass(frozen=True, slots=True)
class Feed:
    """New tokens of the branch in ``slot``; scores are wanted behind the last ``wanted`` of them."""

    slot: int
    tokens: Sequence[int]
    wanted: int


class NoRoom(TooLong):
    """A branch more has no room beside those under way."""


class Network(Protocol):
    """A model, as the scheduler needs it: branches in slots, each behind a prefix."""

    context: int
    """How many tokens of prompt and answer the model reads."""

    slots: int
    """How many branches there can be."""
    prefixes: PrefixCache[Any]
    """What is kept of prefixes."""
    draft_cost: float
    """What one token more in a pass costs, over a pass of one token."""

    def open(self, slot: int, prefix: Sequence[int], room: int) -> int:
        """Begin a branch of up to ``room`` tokens behind a prefix, which is computed if it is not kept.

        Returns how many tokens were computed for that.

        Raises:
            NoRoom: this has to wait until other branches are done; where there are none, it cannot be done.
        """
        ...

    def forward(self, feeds: Sequence[Feed]) -> Scores:
        """Run the model; the scores of the feeds come one after the other, in their order."""
        ...

    def leave(self, slot: int) -> None:
        """A branch is done; its slot is free."""
        ...

    def cut(self, slot: int, length: int) -> None:
        """Forget all of a branch's own tokens but the first ``length``."""
        ...


class Scores(Protocol):
    """Scores of the next token at some places."""

    @property
    def best(self) -> Sequence[int]:
        """The highest-scored token at each place."""
        ...

    def at(self, place: int) -> np.ndarray:
        """All scores at a place, (V,) float32."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A whole answer: its tokens, the logarithm of its probability by the model, and how many doubts there are."""

    tokens: tuple[int, ...]
    log_probability: float
    doubts: int


@dataclass(eq=False, slots=True)
class Job:
    """One answer in the making, or a text to be read.

    Attributes:
        tokens: the prompt's; the first ``prefix`` are shared by the questions on its database.
        most: when to stop, in new tokens.
        names: followers among the schema's names, for drafts.
        temperature: 0 takes the best token, more draws one, by the generator ``random``.
        answer: the tokens so far, the end token included.
        alternatives: how many answers are wanted; with a guide and no temperature alone there may be several. They come
            in ``written``, in the order in which they lose to refusals.
        read: a text behind the prompt, of which ``log_probability`` is wanted, and no answer.
    """

    tokens: Sequence[int]
    prefix: int
    most: int
    guide: Guide | None = None
    names: Followers | None = None
    temperature: float = 0.0
    random: np.random.Generator | None = None
    answer: list[int] = field(default_factory=list)
    alternatives: int = 1
    written: list[Written] = field(default_factory=list)
    read: Sequence[int] = ()
    log_probability: float = 0.0
    done: bool = False
    error: Exception | None = None
    on_done: Callable[[Job], None] | None = None
    on_step: Callable[[Job], None] | None = None
    """Called after each step, in the thread that drives."""
    stop: threading.Event | None = None
    """Ends the answer as it is, once it is set."""
    slot: int = -1
    computed: int = 0
    """How many tokens of the prefix were computed for this answer."""
    asked: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    """Seconds until there was a slot."""
    held: int = 0
    """How many of the branch's own tokens the network holds."""
    pending: Sequence[int] = ()
    """Tokens that the network has not seen yet."""
    lost: float = 0.0
    """How much score the tokens that were taken in place of refused ones have lost."""
    doubts: int = 0
    """How many of its joins follow no key."""
    looked: float = 0.0
    """… when the answer was last looked through."""
    reviewing: bool = False
    """Whether the next pass is over the whole answer, to look for a better way."""
    ending: bool = False
    """Whether it would have ended there."""
    whole: bool = False
    """Whether it has, and another is wanted."""
    returns: int = 0
    """How often that was done."""
    forced: set[int] = field(default_factory=set)
    """The places of tokens that the grammar had come next."""
    ways: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)
    """Beginnings of other answers, with what they have lost; a heap."""
    seen: set[tuple[int, ...]] = field(default_factory=set)
    """Those that are or were in ``ways``."""
    texts: set[str] = field(default_factory=set)
    """What the answers in ``written`` say, without case."""
    tries: int = 0
    """How many ways were followed for alternatives."""

    @property
    def is_stopped(self) -> bool:
        """Whether nobody wants more of it."""
        return self.done or (self.stop is not None and self.stop.is_set())

    def next(self, scores: Scores, place: int) -> list[int]:
        """The next token by the scores at a place, and those that the guide has follow whatever the scores.

        Where the guide takes the answer back, ``answer`` is emptied and what is returned is all of it. Where there may
        be a better way, none is returned and the answer is to be reviewed.
        """
        if self.temperature:
            assert self.random is not None
            # The highest of scores with Gumbel noise is a draw from their softmax, of those alone that the guide takes.
            drawn = scores.at(place) / self.temperature
            likely = np.flatnonzero(drawn > drawn.max() - NEVER_DRAWN)
            drawn[likely] += self.random.gumbel(size=len(likely))
            token = int(drawn.argmax()) if self.guide is None else self.guide.choose(drawn)
        elif self.guide is None or self.guide.take(scores.best[place]):
            token = scores.best[place]
        else:
            row = scores.at(place)
            token = self.guide.search(row)
            self.lost += float(row[scores.best[place]] - row[token])
        if self.guide is None:
            return [token]
        forced = self.guide.forced()
        tokens = [token, *forced]
        left = self.most - len(self.answer) - len(tokens)
        if self.guide.stuck or (left <= 0 and not self.guide.ended):
            if self._may_return():
                self.lost = math.inf
                self.reviewing = True
                return []
            self.answer.clear()
            return self.guide.rewind(self.most)
        ending = self.guide.close(left) if left <= CLOSING and not self.guide.ended else []
        if ending and self._may_return():
            self.lost = math.inf
            self.reviewing = True
            return []
        self.forced.update(range(len(self.answer) + 1, len(self.answer) + len(tokens)))
        if self._may_return():
            doubts = self.guide.doubts(whole=self.guide.ended)
            self.lost += DOUBT * (doubts - self.doubts)
            self.doubts = doubts
        if self.lost >= self.looked + PATIENCE and self._may_return() and not self.tries:
            self.reviewing = True
            if self.guide.ended:
                self.ending = True
                return []
        return tokens + ending

    def _may_return(self) -> bool:
        if self.guide is None or self.temperature:
            return False
        return self.returns < MOST_RETURNS if not self.tries else self._may_try()

    def _may_try(self) -> bool:
        return len(self.written) < self.alternatives and self.tries < TRIES * (self.alternatives - 1)

    def look_for_another(self) -> bool:
        """Whether this whole answer is to be followed by another; the next pass is then over it."""
        if self.alternatives < 2 or self.guide is None or self.temperature or not self.guide.ended:
            return False
        self.reviewing = self.whole = True
        return True

    def another(self, scores: Scores, place: int) -> int | None:
        """Take note of a whole answer, and begin the best way besides it.

        The scores behind each of its tokens begin at ``place``. Returns how many tokens stay; None where enough was
        written, or no way is left that is not hopeless.
        """
        assert self.guide is not None
        rows = [scores.at(place + number) for number in range(len(self.answer))]
        chosen = [number for number in range(len(self.answer)) if number not in self.forced]
        probability = sum(_log_probability(rows[number], self.answer[number]) for number in chosen)
        text = " ".join(self.guide.text.lower().split())
        if text not in self.texts:
            self.texts.add(text)
            doubts = self.guide.doubts(whole=True)
            self.written.append(Written(tuple(self.answer), probability, doubts))
        self.reviewing = self.whole = False
        if not self._may_try():
            return None
        del self.answer[-1:]  # what ends it
        self._branch(scores, place, REACH, whole=True)
        if not self.ways or self.ways[0][0] >= REACH:
            return None
        self.tries += 1
        return self._follow(tuple(self.answer))

    def review(self, scores: Scores, place: int) -> int:
        """Go on from where least was lost; the scores behind each token of the answer begin at ``place``.

        Each token's likeliest rivals begin other answers. Where one of these has lost less than this one, by the scores
        of all that was refused on its way, it takes its place: the first tokens of a query decide what may follow, and
        a model that is refused again and again mostly began badly. Returns how many tokens of the answer stay.
        """
        assert self.guide is not None
        self.returns += 1
        self.tries += bool(self.tries)
        self.reviewing = False
        lost = self._branch(scores, place, min(self.lost - MARGIN, HOPELESS), whole=self.ending)
        self.ending = False
        if not math.isinf(self.lost):
            self.lost = lost
        here = (self.lost, tuple(self.answer))
        if self.ways and self.ways[0][0] < min(self.lost - MARGIN, HOPELESS):
            kept = self._follow(here[1])
            if not math.isinf(here[0]):
                heapq.heappush(self.ways, here)
            return kept
        if math.isinf(self.lost):
            self.returns = MOST_RETURNS  # it has to end where it is
            self.tries = TRIES * self.alternatives
        self._begin_with(here[1])
        return len(self.answer)

    def _branch(self, scores: Scores, place: int, most: float, *, whole: bool) -> float:
        """Note the beginnings of other answers that leave this one and have lost less than ``most``.

        Returns how much this one has lost.
        """
        assert self.guide is not None
        guide, text, lost, doubts = self.guide.anew(), self.guide.text, 0.0, 0
        for number, token in enumerate([*self.answer, self.guide.end] if whole else self.answer):
            if number not in self.forced:
                row = scores.at(place + number)
                best = float(row.max())
                for rival in guide.rivals(row, token, least=best + lost - most, text=text):
                    way = (*self.answer[:number], rival)
                    if way not in self.seen:
                        self.seen.add(way)
                        heapq.heappush(self.ways, (lost + best - float(row[rival]), way))
                lost += best - float(row[token])
            guide.add(token)
            doubts, before = guide.doubts(whole=guide.ended), doubts
            lost += DOUBT * (doubts - before)
        return lost

    def _follow(self, before: tuple[int, ...]) -> int:
        """Go on with the beginning that has lost least; returns how many tokens it has in common with ``before``."""
        self.lost, way = heapq.heappop(self.ways)
        kept = next(
            (n for n, (old, new) in enumerate(zip(before, way, strict=False)) if old != new),
            min(len(before), len(way)),
        )
        self.forced = {number for number in self.forced if number < kept}
        self._begin_with(way)
        return kept

    def _begin_with(self, way: tuple[int, ...]) -> None:
        assert self.guide is not None
        self.guide = self.guide.anew()
        for token in way:
            self.guide.add(token)
        self.answer[:] = way
        self.looked, self.doubts = self.lost, self.guide.doubts()


def _log_probability(row: np.ndarray, token: int) -> float:
    """Of a token, by the scores (V,) of all."""
    highest = float(row.max())
    return float(row[token]) - highest - math.log(float(np.exp(row - highest).sum()))


class Scheduler:
    """Gives jobs to a network. Any number of threads may :meth:`run` jobs; one of them at a time drives the network.

    Where many threads come and go, one of the scheduler's own is to drive (:meth:`start`): each thread that computes
    gets threads of its own from OpenMP and memory of its own from the C library, and keeps both.

    Attributes:
        steps, tokens, drafted, accepted: passes, tokens of answers, and of drafts those proposed and those that were
            right.
    """

    def __init__(self, network: Network, end: int, *, drafts: bool = True) -> None:
        self.network = network
        self.end = end
        self.drafts = drafts
        self.history = History()
        self.steps = self.tokens = self.drafted = self.accepted = 0
        self._waiting: OrderedDict[tuple[int, ...], deque[Job]] = OrderedDict()
        self._active: list[Job] = []
        self._free = list(range(network.slots))[::-1]
        self._changed = threading.Condition()
        self._driving = self._started = False

    def run(self, jobs: Sequence[Job]) -> None:
        """Return when the jobs are done; whoever else's are under way go on beside them.

        Each job's ``on_done`` is called in this thread, while another, if there is one, drives.

        Raises:
            UserError: one of them cannot be done.
        """
        with self._changed:
            if jobs:  # in their own order, in turn with those that others ask of other databases
                database = tuple(jobs[0].tokens[: jobs[0].prefix])
                self._waiting.setdefault(database, deque()).extend(jobs)
                self._changed.notify_all()
        left = list(jobs)
        try:
            while left:
                with self._changed:
                    self._changed.wait_for(lambda: not self._driving or any(job.done for job in left))
                    ready = [job for job in left if job.done]
                    self._driving |= not ready
                if not ready:
                    self._drive(left)
                for job in ready:  # meanwhile another thread drives
                    left.remove(job)
                    if job.error is not None:
                        raise job.error
                    if job.on_done is not None:
                        job.on_done(job)
        finally:
            self._withdraw(left)

    def start(self) -> None:
        """Let a thread of the scheduler's own drive from now on, for as long as the process lives."""
        with self._changed:
            if self._started:
                return
            self._started = True
            self._changed.wait_for(lambda: not self._driving)
            self._driving = True
        threading.Thread(target=self._drive_on, name="model", daemon=True).start()

    def _drive_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting or self._active))
            try:
                self._step()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Give up what is under way; those who wait for it get the error."""
        for job in list(self._active):
            with contextlib.suppress(Exception):  # what failed once may fail again, and nobody is to wait for ever
                self._release(job)
            self._done(job, error)

    def _drive(self, jobs: Sequence[Job]) -> None:
        """Run the network until one of the jobs is done."""
        try:
            while not any(job.done for job in jobs):
                self._step()
        finally:
            with self._changed:
                self._driving = False
                self._changed.notify_all()

    def _withdraw(self, jobs: Sequence[Job]) -> None:
        """Nobody waits for these any more; who drives next lets them go."""
        with self._changed:
            for job in jobs:
                job.done = True

    def _admit(self) -> None:
        """Fill the free slots, one question of each database's queue in turn."""
        for job in [job for job in self._active if job.is_stopped]:
            self._release(job)
            self._done(job)
        while self._free:
            with self._changed:
                if not self._waiting:
                    return
                database, queue = next(iter(self._waiting.items()))
                job = queue.popleft()
                del self._waiting[database]
                if queue:
                    self._waiting[database] = queue  # behind the others
            if job.is_stopped:
                self._done(job)
                continue
            job.pending = job.tokens[job.prefix :]
            try:
                room = len(job.pending) + max(job.most, len(job.read)) + LONGEST_DRAFT
                begun = time.perf_counter()
                job.computed = self.network.open(self._free[-1], job.tokens[: job.prefix], room)
            except Exception as error:
                if self._active and isinstance(error, NoRoom):
                    with self._changed:
                        self._waiting.setdefault(database, deque()).appendleft(job)
                    return
                self._done(job, error)
                continue
            job.slot = self._free.pop()
            job.waited = begun - job.asked
            self._active.append(job)
            if job.most < 1 and not job.read:
                self._finish(job)

    def _release(self, job: Job) -> None:
        self._active.remove(job)
        try:
            self.network.leave(job.slot)
        finally:
            self._free.append(job.slot)

    def _step(self) -> None:
        """One pass over all answers under way."""
        self._admit()
        jobs = list(self._active)
        if not jobs:
            return
        # A token more is worth its cost where it is likelier to be right than its share of the pass is large.
        cost = self.network.draft_cost * len(jobs)
        least = max(cost / (1 + cost), LEAST_LIKELY)
        for job in jobs:
            if job.reviewing:  # the pass is over the answer from its first token on, as over a draft
                job.held = len(job.tokens) - job.prefix - 1
                job.pending = job.tokens[-1:]
        drafts = [self._guess(job, least) for job in jobs]
        for job in jobs:
            self.network.cut(job.slot, job.held)
        feeds = []
        for job, guess in zip(jobs, drafts, strict=True):
            whole = len(job.pending) <= PIECE
            tokens = [*job.pending, *guess] if whole else job.pending[:PIECE]
            feeds.append(Feed(job.slot, tokens, 1 + len(guess) if whole else 0))
        scores = self.network.forward(feeds)
        self.steps += 1
        place = 0
        for job, guess, feed in zip(jobs, drafts, feeds, strict=True):
            if not feed.wanted:
                job.held += PIECE
                job.pending = job.pending[PIECE:]
                continue
            try:
                if job.read:
                    self._read(job, scores, place)
                elif job.reviewing:
                    self._go_back(job, scores, place)
                else:
                    self._advance(job, guess, scores, place)
            except Exception as error:  # of this answer alone; the others go on
                if job in self._active:
                    self._release(job)
                self._done(job, error)
            place += feed.wanted

    def _guess(self, job: Job, least: float) -> Sequence[int]:
        """Tokens behind a job's pending ones, the scores of which are wanted too."""
        if job.read:
            return job.read[:-1]
        return job.answer if job.reviewing else self._draft(job, least)

    def _draft(self, job: Job, least: float) -> list[int]:
        most = min(LONGEST_DRAFT, job.most - len(job.answer) - 1)
        if not self.drafts or most < 1 or len(job.pending) > PIECE:
            return []
        sources = [self.history.followers] if job.names is None else [self.history.followers, job.names]
        return draft([BEGIN, *job.answer], sources, least=least, most=most)

    def _advance(self, job: Job, guess: Sequence[int], scores: Scores, place: int) -> None:
        """Take a job's next tokens from its scores, which begin at ``place``."""
        right, unseen, over = 0, list[int](), False
        while not unseen and not over:
            for token in job.next(scores, place + right):
                job.answer.append(token)
                over = token == self.end or len(job.answer) == job.most
                if over:
                    break
                if not unseen and right < len(guess) and token == guess[right]:
                    right += 1
                else:
                    unseen.append(token)
            if job.reviewing:
                break
        self.drafted += len(guess)
        self.accepted += right
        if job.on_step is not None:
            job.on_step(job)
        if over:
            if not job.look_for_another():
                self._finish(job)
            return
        job.held += len(job.pending) + right
        job.pending = unseen

    def _read(self, job: Job, scores: Scores, place: int) -> None:
        rows = (scores.at(place + number) for number in range(len(job.read)))
        job.log_probability = sum(map(_log_probability, rows, job.read))
        self._finish(job)

    def _go_back(self, job: Job, scores: Scores, place: int) -> None:
        """Let a job go on from where it is best, by the scores behind its answer's tokens, which begin at ``place``."""
        kept = job.another(scores, place) if job.whole else job.review(scores, place)
        if kept is None:
            self._finish(job)
            return
        if not job.answer[kept:]:  # the last token once more, for the scores behind it
            kept = max(0, kept - 1)
        own = len(job.tokens) - job.prefix
        job.held, job.pending = own + kept, job.answer[kept:]
        if not job.answer:
            job.held, job.pending = own - 1, job.tokens[-1:]

    def _finish(self, job: Job) -> None:
        self.tokens += len(job.answer)
        if job.answer and not job.temperature:
            self.history.add([BEGIN, *job.answer])
        try:
            self._release(job)
        finally:
            self._done(job)

    def _done(self, job: Job, error: Exception | None = None) -> None:
        with self._changed:
            if not job.done:
                job.error = error
            job.done = True
            self._changed.notify_all()
