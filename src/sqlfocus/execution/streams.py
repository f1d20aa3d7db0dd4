"""A query's columns and rows as they come over a connection of psycopg's or PyMySQL's, one row at a time.

Each is a generator that gives the names of the columns first. Both make sure, by the server's own grammar, that the
text is one query and nothing else; closing a generator early leaves the connection of no more use.
"""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Generator
from typing import Any


def postgres(connection: Any, sql: str, most: int) -> Generator[tuple[Any, ...]]:
    """The names of a query's columns, then its rows, one at a time.

    A cursor takes queries alone, and psycopg declares it by the protocol that takes one statement alone. The rows are
    not fetched through it, since it would hold hundreds in memory before the first is weighed.
    """
    for name in ("date", "timestamp", "timestamptz", "interval"):
        connection.adapters.register_loader(name, _or_text(name))
    with connection.cursor("query", scrollable=False) as declared, connection.cursor() as fetching:
        declared.execute(sql)
        yield tuple(column.name for column in declared.description or ())
        with contextlib.closing(fetching.stream(f'FETCH FORWARD {most} FROM "query"')) as rows:
            yield from rows


def mysql(connection: Any, sql: str, most: int) -> Generator[tuple[Any, ...]]:
    """The names of a query's columns, then its rows, one at a time; the session has been told ``most``.

    That the text can stand in a subquery is found out by preparing that, which runs nothing. It keeps out whatever is
    not a query as a whole, blocks of statements, SET STATEMENT and INTO among it.
    """
    from pymysql.cursors import SSCursor

    with connection.cursor() as cursor:
        cursor.execute("START TRANSACTION READ ONLY")
        probe = connection.escape(f"SELECT EXISTS ({sql}\n)")
        cursor.execute(f"PREPARE probe FROM {probe}")
    cursor = connection.cursor(SSCursor)
    try:
        cursor.execute(sql)
        yield tuple(column[0] for column in cursor.description or ())
        while (row := cursor.fetchone()) is not None:
            yield row
    finally:
        # Closing it would read the rest of the rows; the connection is closed instead.
        if cursor._result is not None:
            cursor._result.unbuffered_active = False


def wire(connection: Any, dialect: str) -> socket.socket:
    """A second handle on an open connection's socket, for :func:`hang_up`; the caller closes it.

    The connection's own number may be another connection's by the time that it is hung up.
    """
    number = connection.fileno() if dialect == "postgres" else connection._sock.fileno()
    return socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM)


def hang_up(wire: socket.socket) -> None:
    """End a connection whose server does not answer, under the hands of the thread that waits for it."""
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


def is_lost(connection: Any, dialect: str) -> bool:
    """Whether a connection has ended by itself."""
    return bool(connection.broken if dialect == "postgres" else not connection.open)


@functools.cache
def _or_text(name: str) -> Any:
    """psycopg's reader of a type, but for values that Python has not, such as the date infinity: they stay text."""
    from psycopg import DataError, adapters
    from psycopg.abc import AdaptContext, Buffer
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    exact: Any = adapters.get_loader(adapters.types[name].oid, Format.TEXT)

    class OrText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._exact = exact(oid, context)

        def load(self, data: Buffer) -> Any:
            try:
                return self._exact.load(data)
            except DataError:
                return bytes(data).decode()

    return OrText
