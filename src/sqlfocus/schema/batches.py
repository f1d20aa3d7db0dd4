"""Many statements in few round trips, where the driver can: a server may be milliseconds away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import place, reason

# Far below the longest that a server takes at once (max_allowed_packet; MySQL 5.7's is 4 MiB).
_CHARACTERS = 60_000


def allow_several(engine: Engine) -> None:
    """Let connections of ``engine`` take several statements at once, which PyMySQL has to tell the server."""
    if engine.dialect.driver == "pymysql":
        event.listen(engine, "do_connect", _several_in_pymysql)


def _several_in_pymysql(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    from pymysql.constants import CLIENT

    options["client_flag"] = options.get("client_flag", 0) | CLIENT.MULTI_STATEMENTS


def fetch_all(connection: Connection, statements: Sequence[str]) -> list[list[Any] | None]:
    """The rows of each statement. None for the statements of a round trip of which one fails: ask for each by itself.

    ``connection`` should be of an engine that has been given to :func:`allow_several`. A driver that cannot take
    several statements gets one after the other. No statement has parameters.

    Raises:
        UserError: the connection is lost.
    """
    found: list[list[Any] | None] = []
    errors = connection.dialect.loaded_dbapi.Error
    several = {"pymysql": _pymysql, "psycopg": _psycopg}.get(connection.dialect.driver, _one_by_one)
    for batch in _batches(statements):
        try:
            found += several(connection, batch)
        # The others: a value has no Python form.
        except (errors, ValueError, TypeError, ArithmeticError):
            found += [None] * len(batch)
            _roll_back(connection)
    return found


def _roll_back(connection: Connection) -> None:
    """Roll back at the driver, since SQLAlchemy does not know of what was asked without it."""
    try:
        connection.connection.rollback()
    except connection.dialect.loaded_dbapi.Error as error:
        connection.invalidate(error)
        url = connection.engine.url
        raise UserError(f"{place(url)}: the connection was lost ({reason(error, url)}); try again") from error


def _batches(statements: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for statement in statements:
        if batch and sum(map(len, batch)) + len(statement) > _CHARACTERS:
            yield batch
            batch = []
        batch.append(statement)
    if batch:
        yield batch


def _one_by_one(connection: Connection, statements: Sequence[str]) -> list[list[Any]]:
    cursor = connection.connection.cursor()
    found: list[list[Any]] = []
    for statement in statements:
        cursor.execute(statement)
        found.append(list(cursor.fetchall()))
    cursor.close()
    return found


def _pymysql(connection: Connection, statements: Sequence[str]) -> list[list[Any]]:
    cursor: Any = connection.connection.cursor()
    cursor.execute("; ".join(statements))
    found = [list(cursor.fetchall())]
    while cursor.nextset():
        found.append(list(cursor.fetchall()))
    cursor.close()
    return found


def _psycopg(connection: Connection, statements: Sequence[str]) -> list[list[Any]]:
    driver: Any = connection.connection.driver_connection
    cursors = []
    with driver.pipeline():
        for statement in statements:
            cursors.append(driver.cursor())
            cursors[-1].execute(statement)
    return [cursor.fetchall() for cursor in cursors]
