"""Connected databases: their schemas, read once and kept, what is looked up in them, and how queries on them run."""

from __future__ import annotations

import datetime
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlfocus.errors import UserError, first_line
from sqlfocus.execution.runner import Execution, Limits, open_runner
from sqlfocus.schema.changes import fingerprint
from sqlfocus.schema.database import read_database
from sqlfocus.schema.linking import MOST_CHARACTERS, Linker
from sqlfocus.schema.lookup import Found, ValueIndex, read_values
from sqlfocus.schema.mschema import Database
from sqlfocus.web.config import DatabaseSettings

LOOK_SECONDS = 30.0
"""How long a schema is trusted before the database is asked whether it changed."""
WORKERS = 4
"""Queries on one database that run at a time."""


class Unavailable(UserError):
    """The database does not answer."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a database: its schema as of ``read_at``, and the values in it once those are read.

    ``held_to`` is what answers are held to: the database, with its values once those are read.
    """

    database: Database
    text: str
    linker: Linker
    read_at: datetime.datetime
    fingerprint: str
    values: ValueIndex | None = None
    held_to: Database | None = None

    def with_values(self, values: ValueIndex | None) -> Known:
        """The same with other values."""
        held_to = None if values is None else replace(self.database, values=values)
        return replace(self, values=values, held_to=held_to)


@dataclass(frozen=True, slots=True)
class Pick:
    """What the model is shown of a database for one question."""

    database: Database
    text: str
    left_out: tuple[str, ...]
    values: tuple[Found, ...]


class LiveDatabase:
    """One connected database; any number of threads may use it."""

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        max_values: int | None = None,
        most_characters: int = MOST_CHARACTERS,
        limits: Limits | None = None,
        look_values_up: bool = True,
    ) -> None:
        """Connect and read the schema.

        Raises:
            UserError: the database refuses, or has no table that can be read.
        """
        self.settings = settings
        self.name = settings.name
        self._max_values = max_values
        self._most_characters = most_characters
        self._look_values_up = look_values_up
        self.known = self._read()
        self.execution: Execution = open_runner(settings.url, limits, workers=WORKERS)
        self._looked = time.monotonic()
        self._reading = threading.Lock()
        self._reading_values = threading.Lock()
        self._refreshes = 0
        self._outcome: bool | Unavailable = False
        self._looking = threading.Lock()

    @property
    def dialect(self) -> str:
        """``sqlite``, ``mysql`` or ``postgres``."""
        return self.known.database.dialect

    @property
    def linked(self) -> bool:
        """Whether the schema is too large for a prompt, so that tables are chosen for each question."""
        return self.known.linker.characters > self._most_characters

    def pick(self, question: str) -> Pick:
        """What the model is to be shown for a question."""
        self._look()
        known = self.known
        found = known.values.find(question) if known.values is not None else []
        linked = known.linker.link(question, most_characters=self._most_characters, found=found)
        text = known.text if linked.database is known.database else linked.database.mschema()
        database = linked.database
        if known.held_to is not None:
            whole = database is known.database
            database = known.held_to if whole else replace(database, values=known.values)
        return Pick(database, text, linked.left_out, tuple(linked.shown(found)))

    def refresh(self) -> bool:
        """Read the schema again; returns whether it differs.

        Raises:
            Unavailable: the database does not answer; what was known stays.
        """
        asked = self._refreshes
        with self._reading:
            if self._refreshes > asked:  # another began after this was asked for, and has ended: it serves both
                if isinstance(self._outcome, Unavailable):
                    raise self._outcome
                return self._outcome
            self._refreshes += 1
            try:
                read = self._read()
            except UserError as error:
                self._outcome = Unavailable(str(error))
                raise self._outcome from error
            changed = self._outcome = read.database != self.known.database
            # Where nothing differs, the same objects serve on, and with them what engines keep for them.
            self.known = (
                read.with_values(self.known.values)
                if changed
                else replace(self.known, read_at=read.read_at, fingerprint=read.fingerprint)
            )
        threading.Thread(target=self.read_values, daemon=True).start()
        return changed

    def read_values(self) -> None:
        """Read the values that questions may name, for :meth:`pick` to find them."""
        if not self._look_values_up:
            return
        with self._reading_values:
            known = self.known
            try:
                values = read_values(self.settings.url, known.database)
            except UserError as error:
                sys.stderr.write(f"warning: {self.name}: values are not looked up: {first_line(error)}\n")
                return
        with self._reading:
            if self.known.database is known.database:
                self.known = self.known.with_values(values)

    def close(self) -> None:
        """Let go of the database."""
        self.execution.close()

    def _read(self) -> Known:
        settings = self.settings
        mark = fingerprint(settings.url, schema=settings.schema)
        database = read_database(
            settings.url,
            schema=settings.schema,
            tables=settings.tables,
            exclude=settings.exclude,
            max_values=self._max_values,
        )
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        return Known(database, database.mschema(), Linker(database), now, mark)

    def _look(self) -> None:
        """Ask the database, beside this question, whether its schema changed, if that was not asked lately."""
        if time.monotonic() - self._looked > LOOK_SECONDS and self._looking.acquire(blocking=False):
            threading.Thread(target=self._refresh_if_changed, daemon=True).start()

    def _refresh_if_changed(self) -> None:
        try:
            settings = self.settings
            if fingerprint(settings.url, schema=settings.schema) != self.known.fingerprint and self.refresh():
                sys.stderr.write(f"{self.name}: the schema changed and was read again\n")
        except UserError:
            pass  # it does not answer now; a query on it will say so
        finally:
            self._looked = time.monotonic()
            self._looking.release()


class Catalog:
    """The connected databases by their names, the default first."""

    def __init__(self, databases: Sequence[LiveDatabase] = ()) -> None:
        self._databases = {database.name: database for database in databases}

    def __len__(self) -> int:
        return len(self._databases)

    def all(self) -> list[LiveDatabase]:
        """All of them."""
        return list(self._databases.values())

    def get(self, name: str | None = None) -> LiveDatabase:
        """The database of that name, or the first.

        Raises:
            KeyError: there is none; its argument says which there are.
        """
        if name is None and self._databases:
            return next(iter(self._databases.values()))
        if name is None or name not in self._databases:
            there = ", ".join(self._databases) or "none: start the service with --enable-mschema to connect one"
            raise KeyError(f"no database {name or ''}".rstrip() + f"; there are {there}")
        return self._databases[name]

    def close(self) -> None:
        """Let go of all."""
        for database in self._databases.values():
            database.close()
