"""Whether a live database's schema is still the one that was read, asked cheaply."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import connect, open_engine, place, reason
from sqlfocus.schema.database import schema_to_read
from sqlfocus.schema.sampling import limit_time

# Comments are a part of the text of CREATE TABLE. The tables that SQLite makes for itself come and go without notice.
_SQLITE = r"""
SELECT type, name, sql FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY type, name
"""
# The server hashes: rows of thousands of columns cost more to send than to hash. QUOTE keeps neighbours apart and NULL
# from making all of a row NULL. XOR does not mind the order of rows, and no two are equal.
_MYSQL = """
SELECT COUNT(*), HEX(BIT_XOR(CAST(CONV(LEFT(h, 16), 16, 10) AS UNSIGNED))),
       HEX(BIT_XOR(CAST(CONV(RIGHT(h, 16), 16, 10) AS UNSIGNED)))
FROM (
  SELECT SHA2(CONCAT('t', QUOTE(table_name), QUOTE(table_type), QUOTE(table_comment)), 256) AS h
  FROM information_schema.tables WHERE table_schema = :schema
  UNION ALL
  SELECT SHA2(CONCAT('c', QUOTE(table_name), ordinal_position, QUOTE(column_name), QUOTE(column_type),
                     QUOTE(column_comment)), 256)
  FROM information_schema.columns WHERE table_schema = :schema
  UNION ALL
  SELECT SHA2(CONCAT('k', QUOTE(table_name), QUOTE(constraint_name), ordinal_position, QUOTE(column_name),
                     QUOTE(referenced_table_schema), QUOTE(referenced_table_name), QUOTE(referenced_column_name)), 256)
  FROM information_schema.key_column_usage
  WHERE table_schema = :schema AND (referenced_table_name IS NOT NULL OR constraint_name = 'PRIMARY')
) AS parts
"""
# Rights are in it because a table that may not be read is left out of the schema; MySQL shows none such. Whose they are
# is not looked at: roles come by membership too.
_POSTGRES = """
WITH shown AS (
  SELECT c.oid, c.relname, c.relkind, c.relacl FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = coalesce(:schema, current_schema()) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), parts AS (
  SELECT json_build_array('t', relname, relkind, obj_description(oid, 'pg_class'), relacl)::text AS part FROM shown
  UNION ALL
  SELECT json_build_array('c', s.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
                          col_description(s.oid, a.attnum), a.attacl)::text
  FROM shown AS s JOIN pg_attribute AS a ON a.attrelid = s.oid WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT json_build_array('k', s.relname, k.conname, pg_get_constraintdef(k.oid))::text
  FROM shown AS s JOIN pg_constraint AS k ON k.conrelid = s.oid WHERE k.contype IN ('p', 'f')
)
SELECT encode(sha256(convert_to(coalesce(string_agg(part, ',' ORDER BY part COLLATE "C"), ''), 'UTF8')), 'hex')
FROM parts
"""


def fingerprint(url: str, *, schema: str | None = None) -> str:
    """A text that changes when tables, columns, types, keys or comments of a schema do, and seldom else.

    One statement of some milliseconds, whatever the rows; the role needs no more rights than to SELECT. It reads no
    table, and so does not see that rows, and with them sample values, have changed; nor, on a server, that a view of
    the same columns is defined otherwise. Nor is an index a part of it.

    Rights count too: MySQL shows only what the user may see. On PostgreSQL all grants on tables and columns are a part
    of it, other roles' too, so that it also changes where nothing does for this user. SQLite's text of CREATE TABLE is
    in it as written, layout and all.

    Args:
        url, schema: as for :func:`sqlfocus.schema.database.read_database`.

    Raises:
        UserError: no connection, no such schema or a system schema, or the catalogue cannot be read.
    """
    engine, dialect = open_engine(url)
    try:
        with connect(engine) as connection:
            asked = schema_to_read(engine, connection, dialect, schema)
            limit_time(connection)
            try:
                rows = _rows(connection, dialect, asked or engine.url.database if dialect == "mysql" else asked)
            except SQLAlchemyError as error:
                raise UserError(
                    f"{place(engine.url)}: whether the schema has changed cannot be read ({reason(error, engine.url)})"
                ) from error
    finally:
        engine.dispose()
    return hashlib.sha256(repr(rows).encode("utf-8", "surrogateescape")).hexdigest()


def _rows(connection: Connection, dialect: str, schema: str | None) -> list[tuple[object, ...]]:
    if dialect == "sqlite":
        return [tuple(row) for row in connection.exec_driver_sql(_SQLITE)]
    # Without a type PostgreSQL cannot tell what a NULL is.
    text = sa.text(_MYSQL if dialect == "mysql" else _POSTGRES).bindparams(sa.bindparam("schema", schema, sa.String()))
    return [tuple(row) for row in connection.execute(text)]
