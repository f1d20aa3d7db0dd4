"""A schema's text, of whichever form: M-Schema or DDL, recognised by itself."""

from __future__ import annotations

from sqlfocus.schema.ddl import parse_ddl
from sqlfocus.schema.mschema import SCHEMA, Database
from sqlfocus.schema.parse import parse_mschema


def read_schema_text(text: str, *, dialect: str | None = None) -> Database:
    """The database that M-Schema or DDL text describes; ``dialect`` is guessed from DDL, else SQLite, if not given.

    Raises:
        UserError: the text is neither, or describes no table.

    >>> read_schema_text("CREATE TABLE t (id int);").tables[0].name
    't'
    """
    if SCHEMA in text or text.lstrip().startswith("# Table: ") or "\n# Table: " in text:
        return parse_mschema(text, dialect=dialect or "sqlite")
    return parse_ddl(text, dialect=dialect)
