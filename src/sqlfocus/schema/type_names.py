"""How DDL's types are called once they are in a database: the same names as :mod:`sqlfocus.schema.database` reads.

A schema text made from a script then differs from one made from its database in the sample values only.
"""

from __future__ import annotations

import re

from sqlalchemy.dialects import sqlite
from sqlalchemy.types import NullType

_ALIASES = {
    "INT": "INTEGER",
    "BOOL": "BOOLEAN",
    "CHARACTER": "CHAR",
    "CHARACTER VARYING": "VARCHAR",
    "CHAR VARYING": "VARCHAR",
    "NATIONAL CHARACTER": "CHAR",
    "NATIONAL CHARACTER VARYING": "VARCHAR",
    "NATIONAL VARCHAR": "VARCHAR",
    "DEC": "DECIMAL",
}
_DIALECT_ALIASES = {
    "postgres": {
        "INT2": "SMALLINT",
        "INT4": "INTEGER",
        "INT8": "BIGINT",
        "SMALLSERIAL": "SMALLINT",
        "SERIAL2": "SMALLINT",
        "SERIAL": "INTEGER",
        "SERIAL4": "INTEGER",
        "BIGSERIAL": "BIGINT",
        "SERIAL8": "BIGINT",
        "FLOAT": "DOUBLE PRECISION",
        "FLOAT8": "DOUBLE PRECISION",
        "FLOAT4": "REAL",
        "DECIMAL": "NUMERIC",
        "DEC": "NUMERIC",
        "BPCHAR": "CHAR",
        "VARBIT": "BIT",
        "BIT VARYING": "BIT",
        "TIMESTAMPTZ": "TIMESTAMP",
        "TIMETZ": "TIME",
    },
    "mysql": {
        "BOOL": "TINYINT",
        "BOOLEAN": "TINYINT",
        "NUMERIC": "DECIMAL",
        "DEC": "DECIMAL",
        "FIXED": "DECIMAL",
        "REAL": "DOUBLE",
        "DOUBLE PRECISION": "DOUBLE",
        "FLOAT8": "DOUBLE",
        "FLOAT4": "FLOAT",
        "INT1": "TINYINT",
        "INT2": "SMALLINT",
        "INT3": "MEDIUMINT",
        "INT4": "INTEGER",
        "INT8": "BIGINT",
        "SERIAL": "BIGINT",
    },
}
# Words that the type's name in the database does not have.
_DROPPED = r"\b(?:UN)?SIGNED\b|\bZEROFILL\b|(?<=INTERVAL) .*"


def type_name(written: str, dialect: str) -> str:
    """The name of a type that DDL writes as ``written``; ``NULL`` if it writes none, as SQLite allows.

    >>> type_name("int8", "postgres"), type_name("character varying (40)", "postgres"), type_name("INT(11)", "sqlite")
    ('BIGINT', 'VARCHAR(40)', 'INTEGER')
    """
    name, bracket, rest = " ".join(written.upper().split()).partition("(")
    size = re.match(r"[\d, ]+\)", rest)
    if dialect == "postgres" and re.search(r"\[|\bARRAY\b", name + rest):
        return "ARRAY"
    name = name.strip()
    if dialect == "sqlite":
        return _sqlite_name(name)
    name = " ".join(re.sub(_DROPPED, "", name).split())
    name = _DIALECT_ALIASES[dialect].get(name) or _ALIASES.get(name) or name
    return (name + bracket + size[0] if size else name) or "NULL"


def _sqlite_name(name: str) -> str:
    """SQLAlchemy's type for a name, by SQLite's rules of affinity (https://www.sqlite.org/datatype3.html)."""
    known = sqlite.dialect.ischema_names.get(name)
    if known is not None:
        return "NULL" if known is NullType else known.__name__
    for affinity, pattern in (
        ("INTEGER", "INT"),
        ("TEXT", "CHAR|CLOB|TEXT"),
        ("NULL", "BLOB|^$"),
        ("REAL", "REAL|FLOA|DOUB"),
    ):
        if re.search(pattern, name):
            return affinity
    return "NUMERIC"
