"""Tables in the making, while a DDL script is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlfocus.schema.mschema import Column, Database, ForeignKey, Table

# Schemas that a script may or may not name for one and the same table.
_DEFAULT_SCHEMAS = ("main", "public", "dbo")


@dataclass
class DraftColumn:
    """A column in the making."""

    name: str
    type: str
    comment: str = ""
    primary_key: bool = False


@dataclass
class DraftTable:
    """A table in the making; a key's ``referenced_columns`` may be missing until all tables are there."""

    name: str
    schema: str = ""
    columns: list[DraftColumn] = field(default_factory=list)
    comment: str = ""
    keys: list[ForeignKey] = field(default_factory=list)

    def column(self, name: str) -> DraftColumn | None:
        """The column of that name, whatever its case."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


@dataclass
class Drafts:
    """The tables read so far, by schema and name in lower case, and what was left out of them."""

    tables: dict[tuple[str, str], DraftTable] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def keep(self, table: DraftTable) -> None:
        """Add a table, in place of one of its name."""
        key = (table.schema.lower(), table.name.lower())
        if key in self.tables:
            self.warnings.append(f"{table.name}: defined twice, the second definition counts")
            del self.tables[key]
        self.tables[key] = table

    def drop(self, path: list[str]) -> None:
        """Remove the table of that path, if it is there."""
        if (table := self.find(path)) is not None:
            del self.tables[table.schema.lower(), table.name.lower()]

    def find(self, path: list[str]) -> DraftTable | None:
        """The table of that path; without a schema it may be in any, if in one only."""
        if not path:
            return None
        schema, name = path[-2].lower() if len(path) > 1 else "", path[-1].lower()
        found = self.tables.get((schema, name))
        if found is not None or (schema and schema not in _DEFAULT_SCHEMAS):
            return found
        there = [table for (_, other), table in self.tables.items() if other == name]
        return there[0] if len(there) == 1 else None

    def database(self, name: str, dialect: str) -> Database:
        """The database of these tables."""
        tables = tuple(self._table(draft) for draft in self.tables.values())
        return Database(name, tables, dialect, tuple(self.warnings))

    def _table(self, draft: DraftTable) -> Table:
        columns = tuple(Column(c.name, c.type, c.comment, c.primary_key) for c in draft.columns)
        keys = [self._foreign_key(draft, key) for key in draft.keys]
        # A script may declare a key with its column and again by ALTER TABLE.
        once = dict.fromkeys(key for key in keys if key is not None)
        return Table(draft.name, columns, draft.comment, draft.schema, tuple(once))

    def _foreign_key(self, draft: DraftTable, key: ForeignKey) -> ForeignKey | None:
        """The key with its schema and columns; where they are not written, they are the referenced table's key."""
        schema = key.referenced_schema or draft.schema
        target = self.find([schema, key.referenced_table])
        if target is None and not key.referenced_schema:
            target = self.find([key.referenced_table])
        columns = key.referenced_columns or tuple(c.name for c in (target.columns if target else ()) if c.primary_key)
        if not columns or len(columns) != len(key.columns):
            what = f"foreign key ({', '.join(key.columns)})"
            self.warnings.append(f"{draft.name}: {what} left out, {key.referenced_table} has no key to match")
            return None
        found = target.schema if target is not None else schema
        same = found.lower() == draft.schema.lower()
        return ForeignKey(key.columns, key.referenced_table, columns, "" if same else found)
