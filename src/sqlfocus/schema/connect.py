"""From a database URL or an SQLite file to an engine that only reads, with errors of one line and no password."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from sqlfocus.errors import UserError, first_line

# SQLAlchemy's names of the dialects and their spellings in URLs: ours, and the driver that our extras install.
_DIALECTS = {
    "sqlite": ("sqlite", "sqlite"),
    "mysql": ("mysql", "mysql+pymysql"),
    "mariadb": ("mysql", "mysql+pymysql"),
    "postgresql": ("postgres", "postgresql+psycopg"),
    "postgres": ("postgres", "postgresql+psycopg"),
}
_URL_FORM = (
    "the form is mysql://USER:PASSWORD@HOST:PORT/NAME or postgresql://…, with special characters of the password "
    "percent-encoded (@ is %40)"
)
SILENCE_SECONDS = 60.0
"""How long a silent MySQL server is waited for; longer than any statement of ours may take."""


def open_engine(url: str, *, silence_seconds: float = SILENCE_SECONDS) -> tuple[Engine, str]:
    """An engine for ``url`` and its dialect (``sqlite``, ``mysql`` or ``postgres``).

    ``url`` is a SQLAlchemy URL or the path of an SQLite file. SQLite is opened read-only and never created; its text
    that is not UTF-8 comes with surrogate escapes. A PostgreSQL or MySQL session is set to read-only. No pool: each
    connection is closed when it is done with.

    A server must take a connection within 10 seconds. One of MySQL's that then says nothing for ``silence_seconds``,
    while it is connected to or asked, is left with an error of the driver's.

    Raises:
        UserError: the URL cannot be read, the file is missing, or the driver is not installed. That a server refuses
            shows only on connecting: see :func:`reason`.
    """
    parsed = _parse(url)
    base, _, driver = parsed.drivername.partition("+")
    if base not in _DIALECTS:
        raise UserError(f"{base}: no such kind of database; there are sqlite, mysql and postgresql")
    dialect, drivername = _DIALECTS[base]
    if dialect == "sqlite":
        return _sqlite(_sqlite_path(parsed)), dialect
    if not parsed.database:
        raise UserError(f"{place(parsed)}: the URL names no database; {_URL_FORM}")
    if not driver:
        parsed = parsed.set(drivername=drivername)
    arguments: dict[str, float] = {"connect_timeout": 10}
    if parsed.get_driver_name() == "pymysql":
        # Its connect_timeout covers the TCP connection alone; psycopg's covers the whole of connecting.
        arguments |= {"read_timeout": silence_seconds, "write_timeout": silence_seconds}
    try:
        engine = create_engine(parsed, poolclass=NullPool, connect_args=arguments)
    except ImportError as error:
        extra = "mysql" if dialect == "mysql" else "postgres"
        raise UserError(
            f"the driver for {base} is not installed: pip install 'sql-focus-finetune[{extra}]'"
            + (f" (and leave out +{driver} in the URL)" if driver else "")
        ) from error
    except (ArgumentError, ValueError) as error:
        raise UserError(f"{place(parsed)}: {reason(error, parsed)}") from error
    event.listen(engine, "connect", _read_only_postgres if dialect == "postgres" else _read_only_mysql)
    return engine, dialect


def _parse(url: str) -> URL:
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UserError(f"the database URL cannot be read; {_URL_FORM}") from error
    # An unescaped @ in a password makes a host of its end, which must not be printed.
    if url.count("@") > 1 and not parsed.drivername.startswith("sqlite"):
        raise UserError(f"the database URL cannot be read: it has more than one @; {_URL_FORM}")
    return parsed


def place(url: URL) -> str:
    """What to call the database in a message: the URL without password and query, or the SQLite file."""
    if url.drivername.startswith("sqlite"):
        return str(url.database)
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.drivername.partition('+')[0]}://{user}{url.host or ''}{port}/{url.database or ''}"


def reason(error: BaseException, url: URL) -> str:
    """The first line of what a driver says, without the password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    # pymysql's arguments are a number and a text.
    text = str(cause.args[1]) if len(cause.args) > 1 and isinstance(cause.args[0], int) else first_line(cause)
    secrets = [str(url.password or ""), *(str(v) for k, v in url.query.items() if re.search("pass|secret|token", k))]
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return " ".join(text.split())


def connect(engine: Engine) -> Connection:
    """Connect.

    Raises:
        UserError: the server or the file refuses, with its reason.
    """
    try:
        connection = engine.connect()
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    # RuntimeError: pymysql's, where a server's way of checking passwords needs the package cryptography.
    except (DBAPIError, RuntimeError, OSError, ValueError) as error:
        where, why = place(engine.url), reason(error, engine.url)
        if engine.dialect.name == "sqlite":
            if "not a database" in why:
                raise UserError(f"{where}: not an SQLite database") from error
            raise UserError(f"{where}: cannot be read ({why})") from error
        raise UserError(
            f"{where}: cannot connect ({why}); check that the server runs, and host, port, user, password and name"
        ) from error
    return connection


def _sqlite_path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise UserError("sqlite: the URL names no file; write sqlite:///shop.db, or just the path")
    path = Path(url.database).expanduser()
    if path.is_dir():
        raise UserError(f"{path}: a folder; name the SQLite file in it")
    if not path.exists():
        raise UserError(f"{path}: no such database file")
    return path


def _sqlite(path: Path) -> Engine:
    def creator() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, check_same_thread=False)
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return connection

    return create_engine(URL.create("sqlite", database=str(path)), creator=creator, poolclass=NullPool)


def _read_only_postgres(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        # A scan that starts where another one is would give other first rows, and another schema text, each time.
        cursor.execute("SET default_transaction_read_only = on; SET synchronize_seqscans = off")
    connection.commit()


def _read_only_mysql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
