"""``config/config.ini``: which databases the service is to connect to.

A section ``[database]`` or ``[database.NAME]`` names each. Environment variables win over the file: ``dbname`` of
``[database]`` is ``SQLFOCUS_DATABASE_DBNAME``, ``password`` of ``[database.sales]`` is
``SQLFOCUS_DATABASE_SALES_PASSWORD``.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sqlfocus.errors import UserError

SECTION = "database"
VARIABLE = "SQLFOCUS_DATABASE_"
_DRIVERS = {"mysql": "mysql", "mariadb": "mysql", "postgres": "postgresql", "postgresql": "postgresql"}
KEYS = {
    "dialect": "mysql (the default), postgres or sqlite",
    "host": "the server's name or address (localhost)",
    "port": "its port (the dialect's own)",
    "user": "who connects; best one who may only SELECT",
    "password": "the password; rather in the environment than in the file",
    "dbname": "the database's name; for SQLite the file",
    "url": "all of these in one: postgresql://user:password@host:port/name",
    "schema": "which schema of the database (PostgreSQL; the connection's own)",
    "tables": "only these tables, with commas between; wildcards are allowed: order*",
    "exclude": "leave out these tables",
}
"""The keys of a section, and what each is."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """One database to connect to; ``name`` is what requests and the page call it."""

    name: str
    url: str = field(repr=False)
    """With the password: never to be shown."""
    schema: str | None = None
    tables: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()


def read_config(path: Path, environment: Mapping[str, str] | None = None) -> list[DatabaseSettings]:
    """The databases that a file names, in its order.

    The file may be missing where environment variables name the database.

    Raises:
        UserError: the file is missing or no INI file, a section or key is not known, or a value is missing or wrong.
    """
    environment = os.environ if environment is None else environment
    sections = _read(path) if path.is_file() else {}
    variables = {name for name, value in environment.items() if name.startswith(VARIABLE) and value}
    if not path.is_file() and not variables:
        raise UserError(f"{path}: no such file; copy config/config.example.ini there, or name another with --config")
    sections = sections or {SECTION: {}}
    known = {_variable(section, key) for section in sections for key in KEYS}
    if stray := sorted(variables - known):
        raise UserError(f"the environment's {stray[0]} fits no section and key; there are {', '.join(sections)}")
    found = []
    for section, values in sections.items():
        for key in KEYS:
            if value := environment.get(_variable(section, key)):
                values[key] = value
        where = f"{path}, [{section}]" if path.is_file() else f"the environment's {VARIABLE}…"
        found.append(_settings(section, values, where))
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{path}: two databases are called {twice}; name their sections [{SECTION}.NAME]")
    return found


def _variable(section: str, key: str) -> str:
    _, _, name = section.partition(".")
    middle = re.sub(r"\W", "_", name).upper() + "_" if name else ""
    return f"{VARIABLE}{middle}{key.upper()}"


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)  # a password may hold a %
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        # The message of a parsing error quotes the line, which may be the password's.
        raise UserError(
            f"{path}{f':{line}' if line else ''}: not an INI file ({type(error).__name__}); a line is a [section] or "
            "key = value"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8 text'})") from error
    sections = {}
    for section in parser.sections():
        if section != SECTION and not re.fullmatch(rf"{SECTION}\.[^\s/]+", section):
            raise UserError(f"{path}: the section [{section}] is not known; there are [{SECTION}] and [{SECTION}.NAME]")
        values = dict(parser[section])
        if unknown := next((key for key in values if key not in KEYS), None):
            raise UserError(f"{path}, [{section}]: the key {unknown} is not known; there are {', '.join(KEYS)}")
        sections[section] = {key: value.strip() for key, value in values.items()}
        for key, value in values.items():
            if key not in ("password", "url") and re.search(r"\s[;#]", value):
                raise UserError(f"{path}, [{section}]: {key} has a comment behind it; comments have lines of their own")
    if not sections:
        raise UserError(f"{path}: there is no section [{SECTION}]; config/config.example.ini shows one")
    return sections


def _settings(section: str, values: Mapping[str, str], where: str) -> DatabaseSettings:
    given = {key: value for key, value in values.items() if value}
    url = given.get("url") or _url(given, where)
    _, _, name = section.partition(".")
    return DatabaseSettings(
        name or database_name(url, where),
        url,
        given.get("schema"),
        _names(given["tables"]) if "tables" in given else None,
        _names(given.get("exclude", "")),
    )


def database_name(url: str, where: str) -> str:
    """What to call the database that a URL or an SQLite file is.

    Raises:
        UserError: the URL names none or cannot be read; ``where`` stands at its head.
    """
    if "://" not in url:
        return Path(url).stem
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UserError(f"{where}: the url cannot be read; write mysql://USER:PASSWORD@HOST:PORT/NAME") from error
    if not parsed.database:
        raise UserError(f"{where}: the url names no database; write mysql://USER:PASSWORD@HOST:PORT/NAME")
    return Path(parsed.database).stem if parsed.drivername.startswith("sqlite") else parsed.database


def _url(given: Mapping[str, str], where: str) -> str:
    dialect = given.get("dialect", "mysql").lower()
    if "dbname" not in given:
        raise UserError(f"{where}: dbname is missing: the name of the database, or for SQLite its file")
    if dialect == "sqlite":
        return given["dbname"]
    if dialect not in _DRIVERS:
        raise UserError(f"{where}: dialect {dialect} is not known; there are mysql, postgres and sqlite")
    port = given.get("port")
    if port is not None and not (port.isdigit() and 0 < int(port) < 65536):
        raise UserError(f"{where}: port {port} is no port; it is a number from 1 to 65535")
    url = URL.create(
        _DRIVERS[dialect],
        given.get("user"),
        given.get("password"),
        given.get("host", "localhost"),
        int(port) if port else None,
        given["dbname"],
    )
    return url.render_as_string(hide_password=False)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
