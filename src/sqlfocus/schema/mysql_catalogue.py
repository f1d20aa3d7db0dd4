"""Tables and views of a schema of MySQL or MariaDB, of all tables in three statements.

SQLAlchemy's inspector sends a SHOW CREATE TABLE for each table and takes its text apart: over a network that is seconds
for some hundred tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError

from sqlfocus.errors import UserError
from sqlfocus.schema.connect import reason
from sqlfocus.schema.mschema import Column, ForeignKey, Table
from sqlfocus.schema.reflected import Described, Reflection

# A table that keeps its history (MariaDB) is a table like others.
_TABLES = """
SELECT table_name, table_type LIKE '%VIEW', table_comment FROM information_schema.tables
WHERE table_schema = :schema AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW', 'SYSTEM VIEW')
"""
_COLUMNS = """
SELECT table_name, column_name, data_type, column_type, column_comment
FROM information_schema.columns WHERE table_schema = :schema ORDER BY table_name, ordinal_position
"""
# The columns' own column_key says PRI of a unique index too, where a table has no primary key.
_KEYS = """
SELECT table_name, constraint_name, ordinal_position, column_name,
       NULLIF(referenced_table_schema, table_schema), referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE table_schema = :schema AND (referenced_table_name IS NOT NULL OR constraint_name = 'PRIMARY')
"""


class MysqlCatalogue(Reflection):
    """Describes what the server's ``information_schema`` has; what it has no columns of is left to the inspector."""

    comments: dict[str, str]

    def names(self) -> tuple[set[str], set[str]]:
        rows = self._rows(_TABLES)
        views = {name for name, is_view, _ in rows if is_view}
        # A view has a word or the reason why it cannot be read in the place of a comment.
        self.comments = {name: comment.strip() for name, is_view, comment in rows if not is_view}
        return {name for name, *_ in rows} - views, views

    def describe(self, chosen: Sequence[str], views: set[str]) -> list[Described]:
        columns: dict[str, list[Column]] = defaultdict(list)
        known: dict[str, tuple[types.TypeEngine[Any], str]] = {}  # SQLAlchemy takes its time to name a type
        types_: dict[str, list[types.TypeEngine[Any]]] = defaultdict(list)
        primary, references = self._keys()
        for table, name, data_type, column_type, comment in self._rows(_COLUMNS):
            if column_type not in known:
                type_ = self._type(data_type, column_type)
                known[column_type] = type_, data_type if isinstance(type_, types.NullType) else str(type_)
            type_, shown = known[column_type]
            types_[table].append(type_)
            columns[table].append(Column(name, shown, comment.strip(), (table, name) in primary))
        found = {
            name: Described(
                Table(
                    name, tuple(columns[name]), self.comments.get(name, ""), self.schema or "", tuple(references[name])
                ),
                tuple(types_[name]),
                name in views,
            )
            for name in chosen
            if name in columns
        }
        # Of a broken view there are none; the inspector is told why.
        if missing := [name for name in chosen if name not in found]:
            found |= {one.table.name: one for one in super().describe(missing, views)}
        return [found[name] for name in chosen if name in found]

    def _rows(self, query: str) -> Sequence[Any]:
        database = self.schema or self.connection.engine.url.database
        try:
            return self.connection.execute(sa.text(query), {"schema": database}).fetchall()
        except DBAPIError as error:
            why = reason(error, self.connection.engine.url)
            raise UserError(f"{self.where}: the list of tables cannot be read ({why})") from error

    def _type(self, data_type: str, column_type: str) -> types.TypeEngine[Any]:
        """SQLAlchemy's type of that name, with its length or digits."""
        dialect: Any = self.connection.dialect
        kind: type[types.TypeEngine[Any]] = dialect.ischema_names.get(data_type, types.NullType)
        sizes = re.match(r"\w+\(([\d, ]+)\)", column_type)
        # A type that SQLAlchemy does not know takes no size: VECTOR(3).
        if sizes is None or issubclass(kind, (types.NullType, types.DateTime, types.Time, mysql.SET)):
            return kind()
        return kind(*map(int, sizes[1].split(",")))

    def _keys(self) -> tuple[set[tuple[str, str]], dict[str, list[ForeignKey]]]:
        """The columns of primary keys, as table and column, and the foreign keys of each table."""
        primary: set[tuple[str, str]] = set()
        pairs: dict[tuple[str, str], list[Sequence[Any]]] = defaultdict(list)
        for table, constraint, _, column, *referred in sorted(self._rows(_KEYS), key=lambda row: tuple(row[:3])):
            if constraint == "PRIMARY":
                primary.add((table, column))
            else:
                pairs[table, constraint].append((column, *referred))
        found: dict[str, list[ForeignKey]] = defaultdict(list)
        for (table, _), listed in pairs.items():
            own, schemas, referenced, theirs = zip(*listed, strict=True)
            found[table].append(ForeignKey(own, referenced[0], theirs, schemas[0] or ""))
        return primary, found
