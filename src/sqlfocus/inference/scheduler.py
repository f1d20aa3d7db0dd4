"""Continuous batching: questions join and leave the batch one by one, whatever their database and whoever asks.

Each step is one pass of the model over all answers under way: of a new one the question, of the others the last token
and a draft of the next ones. What the model would have chosen at each place is compared with the draft, so that a step
gives an answer as many tokens as the draft was right, and one more.
"""

from __future__ import annotations

import contextlib
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
from sqlfocus.inference.search import CLOSING, Scores, Search, Written, log_probability

BEGIN = -1
"""Stands before an answer's first token in what drafts are made from."""
LEAST_LIKELY = 0.1
"""A draft ends before it is less likely right than that, however cheap."""
PIECE = 512
"""Of a longer question so many tokens are taken in a pass, so that a pass needs no more memory than it has."""
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
            in :attr:`written`.
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
    search: Search | None = None
    """Where the answer goes, of a greedy one that is held to a schema."""

    @property
    def is_stopped(self) -> bool:
        """Whether nobody wants more of it."""
        return self.done or (self.stop is not None and self.stop.is_set())

    def begin(self) -> None:
        """Make ready for the first token."""
        if self.guide is not None and not self.temperature:
            self.search = Search(self.guide, self.answer, self.most, self.alternatives)

    def next(self, scores: Scores, place: int) -> list[int]:
        """The next token by the scores at a place, and those that follow whatever the scores.

        Where an answer is taken back, ``answer`` is emptied and what is returned is all of it; see also
        :meth:`sqlfocus.inference.search.Search.next`.
        """
        if self.search is not None:
            return self.search.next(scores, place)
        if not self.temperature:
            return [scores.best[place]]
        assert self.random is not None
        # The highest of scores with Gumbel noise is a draw from their softmax, of those alone that the guide takes.
        drawn = scores.at(place) / self.temperature
        likely = np.flatnonzero(drawn > drawn.max() - NEVER_DRAWN)
        drawn[likely] += self.random.gumbel(size=len(likely))
        if self.guide is None:
            return [int(drawn.argmax())]
        tokens = [self.guide.choose(drawn), *self.guide.forced()]
        left = self.most - len(self.answer) - len(tokens)
        if self.guide.stuck or (left <= 0 and not self.guide.ended):
            self.answer.clear()
            return self.guide.rewind(self.most)
        ending = self.guide.close(left) if left <= CLOSING and not self.guide.ended else []
        return tokens + ending

    @property
    def written(self) -> list[Written]:
        """The answers that are whole, where several are wanted; the greedy one first."""
        return [] if self.search is None else self.search.written

    @property
    def cut_short(self) -> bool:
        """Whether the answer was ended for the model, which would have gone on."""
        guide = self.guide if self.search is None else self.search.guide
        return guide is not None and guide.cut_short

    @property
    def is_reviewed(self) -> bool:
        """Whether the next pass is over the whole answer."""
        return self.search is not None and self.search.reviewing


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
                if jobs[0].read:  # one pass, for which an answer waits
                    self._waiting.move_to_end(database, last=False)
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
                    if job.read:
                        self._waiting.move_to_end(database, last=False)
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
            job.begin()
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
            if job.is_reviewed:  # the pass is over the answer from its first token on, as over a draft
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
                elif job.search is not None and job.search.reviewing:
                    self._go_on(job, job.search.review(scores, place))
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
        return job.answer if job.is_reviewed else self._draft(job, least)

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
            if job.search is not None and (job.search.reviewing or job.search.left):
                break
        self.drafted += len(guess)
        self.accepted += right
        if job.on_step is not None:
            job.on_step(job)
        computed = job.held + len(job.pending) + right
        if over or (job.search is not None and job.search.left):
            kept = job.search.another() if job.search is not None else None
            if kept is None:
                self._finish(job)
            else:
                self._go_on(job, min(kept, computed - len(job.tokens) + job.prefix))
            return
        job.held, job.pending = computed, unseen

    def _read(self, job: Job, scores: Scores, place: int) -> None:
        rows = (scores.at(place + number) for number in range(len(job.read)))
        job.log_probability = sum(map(log_probability, rows, job.read))
        self._finish(job)

    @staticmethod
    def _go_on(job: Job, kept: int) -> None:
        """Let a job go on with its answer, of which the network holds ``kept`` tokens."""
        own = len(job.tokens) - job.prefix
        if not job.answer[kept:]:  # the last token once more, for the scores behind it
            kept = max(0, kept - 1)
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
