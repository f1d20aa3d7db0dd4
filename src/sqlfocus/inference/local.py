"""The engine that runs a model on this machine, whatever library runs its network."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sqlfocus.corpus.prompt import Prompt
from sqlfocus.inference.chat import end_token, read_prompt
from sqlfocus.inference.constraint.guide import Constraint, Vocabulary
from sqlfocus.inference.drafts import Followers
from sqlfocus.inference.engine import Completion, TooLong
from sqlfocus.inference.scheduler import Job, Network, Scheduler
from sqlfocus.inference.search import DOUBT
from sqlfocus.inference.tokenizer import Tokenizer
from sqlfocus.schema.mschema import Database

READING = 1.5
"""What the question's probability behind an answer weighs over the answer's own."""

UNLIKELY = 6.0
"""Of several answers those are left out whose logarithm of the probability is so much less than the highest."""

DATABASES_KEPT = 64
"""For how many databases the automaton of their SQL and the tokens of their names are kept."""


class LocalEngine:
    """Completes prompts with a model's network; any number of threads may ask at once.

    What the questions on one database share of their prompts goes through the model once and is kept. All that are
    asked at a time are decoded together.
    """

    def __init__(
        self, network: Network, tokenizer: Tokenizer, *, name: str, vocabulary: int, drafts: bool = True
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self.end = end_token(tokenizer)
        self.scheduler = Scheduler(network, self.end, drafts=drafts)
        self._vocabulary_size = vocabulary
        self._constraint = functools.lru_cache(DATABASES_KEPT)(self._make_constraint)
        self._names = functools.lru_cache(DATABASES_KEPT)(self._make_names)

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
        """See :class:`sqlfocus.inference.engine.Engine`."""
        completions: dict[int, Completion] = {}

        def done(index: int, job: Job) -> None:
            completions[index] = self._completion(job)
            if on_done is not None:
                on_done(index, completions[index])

        def written(index: int, job: Job) -> None:
            if on_text is not None:
                on_text(index, self._text(job))

        jobs = []
        for index, prompt in enumerate(prompts):
            job = self._job(prompt, databases[index] if databases else None, max_new_tokens, stop)
            job.temperature = temperatures[index] if temperatures else 0.0
            job.random = np.random.default_rng((seed, index))
            job.on_done = functools.partial(done, index)
            job.on_step = functools.partial(written, index) if on_text is not None else None
            jobs.append(job)
        self.scheduler.run(jobs)
        return [completions[index] for index in range(len(jobs))]

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
        """See :class:`sqlfocus.inference.engine.Weighing`.

        An answer's score is the logarithm of the probability that the model writes it, plus :data:`READING` times that
        of the question behind the SQL: an answer that leaves a part of the question out does not let expect that part.
        Doubts count against it as they do on the way. (A noisy channel, as in machine translation: Yee, Dauphin and
        Auli, 2019, arXiv 1908.05731.)
        """

        def done(index: int, job: Job) -> None:
            first = self._completion(job)
            if not job.written or (stop is not None and stop.is_set()):
                on_done(index, [first])
                return
            likeliest = max(one.log_probability for one in job.written)
            written = [one for one in job.written if one.log_probability > likeliest - UNLIKELY]
            texts = [self._text_of(one.tokens) for one in written]
            read = [self._reading(text, prompts[index].question) for text in texts]
            if len(read) > 1:
                self.scheduler.run(read)
            on_done(
                index,
                [
                    replace(
                        first,
                        text=text,
                        tokens=len(one.tokens),
                        finished=True,
                        cut_short=False,
                        score=one.log_probability + READING * reading.log_probability - DOUBT * one.doubts,
                    )
                    for one, text, reading in zip(written, texts, read, strict=True)
                ],
            )

        jobs = []
        for index, (prompt, database) in enumerate(zip(prompts, databases, strict=True)):
            job = self._job(prompt, database, max_new_tokens, stop)
            job.alternatives = wanted
            job.on_done = functools.partial(done, index)
            jobs.append(job)
        self.scheduler.run(jobs)

    def _reading(self, sql: str, question: str) -> Job:
        """Reads a question behind the SQL that is to answer it; the model was never trained on that."""
        before = self.tokenizer.ids(f"SQL: {sql.strip()}\nQuestion that this SQL query answers:")
        return Job(before, 0, 0, read=self.tokenizer.ids(f" {question.strip()}"))

    def prefill(self, prompt: Prompt, database: Database | None = None) -> int:
        """See :class:`sqlfocus.inference.engine.Engine`; with ``database``, what holds answers to it is made too."""
        tokens, shared = self._read(prompt)
        self.scheduler.run([Job(tokens, shared, 0)])
        if database is not None:
            self._constraint(database)
            self._names(database)
            self._vocabulary.prepare()
        return shared

    def start(self) -> None:
        """See :class:`sqlfocus.inference.engine.Engine`."""
        self.scheduler.start()

    def counters(self) -> dict[str, int]:
        """See :class:`sqlfocus.inference.engine.Engine`."""
        scheduler = self.scheduler
        return {
            "steps": scheduler.steps,
            "tokens": scheduler.tokens,
            "tokens_drafted": scheduler.drafted,
            "tokens_accepted": scheduler.accepted,
            **self.network.prefixes.counters(),
        }

    def _job(self, prompt: Prompt, database: Database | None, most: int, stop: threading.Event | None) -> Job:
        tokens, shared = self._read(prompt)
        return Job(
            tokens,
            shared,
            min(most, self.network.context - len(tokens)),
            guide=None if database is None else self._constraint(database).guide(prompt.question),
            names=None if database is None else self._names(database),
            stop=stop,
        )

    def _completion(self, job: Job) -> Completion:
        return Completion(
            self._text(job),
            len(job.answer),
            bool(job.answer) and job.answer[-1] == self.end,
            job.cut_short,
            prompt_tokens=len(job.tokens),
            cached_tokens=job.prefix - job.computed,
            waited=job.waited,
        )

    def _read(self, prompt: Prompt) -> tuple[list[int], int]:
        """A prompt's tokens, and how many of them are shared."""
        tokens, shared = read_prompt(self.tokenizer, prompt)
        if len(tokens) >= self.network.context:
            raise TooLong(
                f"the prompt has {len(tokens)} tokens, and the model reads {self.network.context} with the answer"
            )
        return tokens, shared

    def _text(self, job: Job) -> str:
        return self._text_of(job.answer)

    def _text_of(self, answer: Sequence[int]) -> str:
        return self.tokenizer.text(answer[:-1] if answer and answer[-1] == self.end else answer)

    @functools.cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.tokenizer, self.end, self._vocabulary_size)

    def _make_constraint(self, database: Database) -> Constraint:
        return Constraint(self._vocabulary, database)

    def _make_names(self, database: Database) -> Followers:
        """The tokens of the schema's names as SQL has them: behind a space, a dot or a parenthesis, in either case."""
        columns = [column.name for table in database.tables for column in table.columns]
        names = dict.fromkeys([*(table.name for table in database.tables), *columns])
        followers = Followers()
        for name in names:
            for written in dict.fromkeys((name, name.lower())):
                for before in (" ", ".", "("):
                    followers.add(self.tokenizer.ids(before + written))
        return followers
