"""What the service does, whoever asks: the API, the page, and clients of the Model Context Protocol."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlfocus.answer import Request, Trace, answer_with_repair
from sqlfocus.corpus.prompt import PromptTemplate
from sqlfocus.errors import UserError
from sqlfocus.execution.runner import Result
from sqlfocus.inference.engine import Engine, TooLong
from sqlfocus.schema.linking import Linker
from sqlfocus.schema.lookup import hint
from sqlfocus.schema.text import read_schema_text
from sqlfocus.web.gate import Gate
from sqlfocus.web.live import Catalog, LiveDatabase, Pick
from sqlfocus.web.problems import ProblemError
from sqlfocus.web.queries import Executed, Queries, failure

MAX_NEW_TOKENS = 256
MOST_AT_A_TIME = 64
"""Questions under way where nothing else is said."""


@dataclass(slots=True)
class Given:
    """An answer with what was shown to the model and where the time went (seconds)."""

    trace: Trace
    pick: Pick
    dialect: str
    database: LiveDatabase | None
    notes: list[str] = field(default_factory=list)
    schema_seconds: float = 0.0
    run_seconds: float = 0.0
    total_seconds: float = 0.0

    @property
    def queue_seconds(self) -> float:
        """How long it waited for a place in the engine; an attempt's candidates wait at the same time."""
        completions, attempts = self.trace.completions, len(self.trace.attempts)
        size = len(completions) // attempts
        return sum(max(one.waited for one in completions[n * size : (n + 1) * size]) for n in range(attempts))


class Service:
    """A model, the databases that are connected, and a bound on how many ask at a time."""

    def __init__(
        self,
        engine: Engine,
        template: PromptTemplate,
        catalog: Catalog | None = None,
        *,
        most_at_a_time: int = MOST_AT_A_TIME,
        candidates: int = 1,
        constrained: bool = True,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> None:
        engine.start()
        self.engine = engine
        self.template = template
        self.catalog = catalog or Catalog()
        self.queries = Queries(self.catalog)
        self.gate = Gate(most_at_a_time)
        # A folder's path is no one else's business.
        self.model = Path(engine.name).name if Path(engine.name).exists() else engine.name
        self.ready = threading.Event()
        self._candidates = candidates
        self._constrained = constrained
        self._max_new_tokens = max_new_tokens

    def warm(self) -> None:
        """Make ready: compute what each database's questions share, and read the values they may name."""
        for database in self.catalog.all():
            if not database.linked:
                known = database.known
                prompt = self.template.prompt(schema=known.text, question="", dialect=database.dialect)
                try:
                    self.engine.prefill(prompt, known.database if self._constrained else None)
                except UserError as error:
                    sys.stderr.write(f"warning: {database.name}: its schema is not computed ahead: {error}\n")
        self.ready.set()
        for database in self.catalog.all():
            database.read_values()

    def database(self, name: str | None = None) -> LiveDatabase:
        """A connected database by its name; the first, where none is given.

        Raises:
            ProblemError: there is none.
        """
        return self.queries.database(name)

    def text2sql(
        self,
        question: str,
        *,
        schema_text: str | None = None,
        evidence: str = "",
        dialect: str | None = None,
        database: str | None = None,
        name: str | None = None,
    ) -> Given:
        """A question to SQL, which is not run; ``name`` is what :meth:`stop` knows it by.

        Where databases are connected, the schema is theirs; else ``schema_text`` is, M-Schema or DDL.

        Raises:
            ProblemError: there is no schema, it cannot be read, the model fails, or it was stopped.
            Full: too many ask.
        """
        with self.gate.place(), self.queries.stoppable(name) as stop:
            begun = time.perf_counter()
            pick, dialect, live, notes = self._schema(question, schema_text, dialect, database)
            seconds = time.perf_counter() - begun
            return self._answer(question, evidence, pick, dialect, live, notes, seconds, stop, run=False)

    def _schema(
        self, question: str, schema_text: str | None, dialect: str | None, database: str | None
    ) -> tuple[Pick, str, LiveDatabase | None, list[str]]:
        """What the model is shown, in which dialect, of which database, and what is to be said of that."""
        notes = []
        if len(self.catalog) or database is not None:
            live = self.database(database)
            if schema_text is not None:
                notes.append(f"db_schema was not used: the question was asked on the connected database {live.name}.")
            return live.pick(question), live.dialect, live, notes
        if not schema_text:
            raise ProblemError(
                "no-schema", "db_schema is missing: give M-Schema or DDL, or start the service with --enable-mschema"
            )
        read = _read_schema(schema_text, dialect)
        notes += [f"db_schema: {warning}" for warning in read.database.warnings[:10]]
        linked = read.link(question)
        pick = Pick(linked.database, linked.database.mschema(), linked.left_out, ())
        return pick, linked.database.dialect, None, notes

    def ask(self, question: str, *, evidence: str = "", database: str | None = None, name: str | None = None) -> Given:
        """A question to a connected database, answered and run; ``name`` is what :meth:`stop` knows the run by.

        Raises:
            ProblemError: there is no such database, it does not answer, the model fails, or it was stopped.
            Full: too many ask.
        """
        with self.gate.place(), self.queries.stoppable(name) as stop:
            begun = time.perf_counter()
            live = self.database(database)
            pick = live.pick(question)
            seconds = time.perf_counter() - begun
            given = self._answer(question, evidence, pick, live.dialect, live, [], seconds, stop, run=True)
        result = given.trace.answer.result
        if result is not None and (result.unavailable or result.busy):
            raise ProblemError(failure(result.error), result.error)
        return given

    def execute(self, sql: str, *, database: str | None = None, name: str | None = None) -> Executed:
        """Run a query that the guard lets through; ``name`` is what :meth:`stop` knows the run by.

        Raises:
            ProblemError: there is no such database, the guard refuses, or the query fails.
        """
        return self.queries.execute(sql, database=database, name=name)

    def stop(self, name: str) -> bool:
        """Stop a run; returns whether there was one of that name."""
        return self.queries.stop(name)

    def close(self) -> None:
        """Let go of databases."""
        self.catalog.close()

    def _answer(
        self,
        question: str,
        evidence: str,
        pick: Pick,
        dialect: str,
        live: LiveDatabase | None,
        notes: list[str],
        schema_seconds: float,
        stop: threading.Event,
        *,
        run: bool,
    ) -> Given:
        ran = [0.0]

        def timed(sql: str) -> Result:
            assert live is not None
            begun = time.perf_counter()
            try:
                return live.execution.run(sql, stop=stop)
            finally:
                ran[0] += time.perf_counter() - begun

        request = Request(
            question,
            pick.text,
            evidence,
            dialect,
            hint(pick.values),
            timed if run else None,
            pick.database,
            free=not self._constrained,
        )
        begun = time.perf_counter()
        with model_errors():
            trace = answer_with_repair(
                self.engine,
                self.template,
                request,
                max_new_tokens=self._max_new_tokens,
                candidates=self._candidates,
                stop=stop,
            )
        if stop.is_set():
            raise ProblemError("sql-stopped", "stopped: the question was called back")
        total = schema_seconds + time.perf_counter() - begun
        return Given(trace, pick, dialect, live, notes, schema_seconds, ran[0], total)


@contextmanager
def model_errors() -> Iterator[None]:
    """Make problems of what goes wrong with the model; where it is of no use to the caller, the log has it.

    Raises:
        ProblemError: in place of a UserError.
    """
    try:
        yield
    except TooLong as error:
        raise ProblemError("prompt-too-long", str(error)) from error
    except UserError as error:
        sys.stderr.write(f"the model does not answer: {error}\n")
        raise ProblemError("model-unavailable", "the model does not answer; the service's log says why") from error


@functools.lru_cache(maxsize=64)
def _read_schema(text: str, dialect: str | None) -> Linker:
    try:
        return Linker(read_schema_text(text, dialect=dialect))
    except UserError as error:
        raise ProblemError("bad-schema", str(error)) from error
