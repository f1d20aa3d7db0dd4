"""The schema that DDL text describes: PostgreSQL's, MySQL's and SQLite's CREATE TABLE, ALTER TABLE and COMMENT ON."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sqlglot.errors import TokenError

from sqlfocus.errors import UserError
from sqlfocus.schema.create_table import TableReader, cleaned, table_options
from sqlfocus.schema.drafts import Drafts, DraftTable
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.statements import Statement, guess_dialect, shortened, split_statements
from sqlfocus.schema.tokens import Tokens, is_text, word, words
from sqlfocus.schema.views import view_columns

# Statements that say nothing about a schema's tables.
_QUIET = words(
    "INSERT REPLACE UPDATE DELETE MERGE TRUNCATE SELECT WITH VALUES COPY LOAD SET RESET USE BEGIN START COMMIT "
    "ROLLBACK END SAVEPOINT RELEASE LOCK UNLOCK GRANT REVOKE ANALYZE VACUUM REINDEX CLUSTER PRAGMA ATTACH DETACH DO "
    "CALL EXPLAIN SHOW FLUSH OPTIMIZE CHECK SECURITY REASSIGN REFRESH NOTIFY LISTEN DISCARD DELIMITER IF DECLARE "
    "RETURN LOOP WHILE LEAVE FETCH OPEN CLOSE ELSE ELSEIF CASE SIGNAL EXIT"
)
_QUIET_OBJECTS = words(
    "INDEX UNIQUE CLUSTERED FULLTEXT SPATIAL SEQUENCE DATABASE SCHEMA TYPE DOMAIN FUNCTION PROCEDURE TRIGGER EVENT "
    "EXTENSION ROLE USER RULE POLICY AGGREGATE OPERATOR COLLATION CAST LANGUAGE SERVER PUBLICATION SUBSCRIPTION "
    "STATISTICS CONSTRAINT DEFAULT TABLESPACE TEXT CONVERSION ACCESS LARGE ROUTINE SYSTEM INSTANCE LOGFILE VIEW"
)
_BEFORE_TABLE = words("OR REPLACE TEMP TEMPORARY GLOBAL LOCAL UNLOGGED FOREIGN VIRTUAL EXTERNAL")
_COMMENTED = ("TABLE", "MATERIALIZED VIEW", "VIEW", "FOREIGN TABLE", "COLUMN")
# What ALTER TABLE may do to columns, which scripts of a finished schema do not.
_NOT_FOLLOWED = ("RENAME", "DROP", "CHANGE")
_NO_COLUMN = words("CONSTRAINT FOREIGN PRIMARY KEY INDEX FULLTEXT SPATIAL PARTITION")


def parse_ddl(text: str, *, dialect: str | None = None, name: str = "database") -> Database:
    """Read the tables of a DDL script, in the order of their statements, without sample values.

    ``dialect`` is ``sqlite``, ``mysql`` or ``postgres``; it is guessed where it is not given. A statement or a part of
    one that is not understood is left out, and ``warnings`` quotes it; everything else is kept.

    Raises:
        UserError: the text defines no table, or the dialect is unknown.

    >>> print(parse_ddl("CREATE TABLE t (id int PRIMARY KEY, town text -- where they live\\n);", name="shop").mschema())
    【DB_ID】 shop
    【Schema】
    # Table: t
    [
    (id:INTEGER, Primary Key),
    (town:TEXT, where they live)
    ]
    """
    if dialect not in (None, "sqlite", "mysql", "postgres"):
        raise UserError(f"{dialect}: no such dialect; there are sqlite, mysql and postgres")
    reader = _ScriptReader(dialect or guess_dialect(text))
    for statement in split_statements(text, reader.dialect):
        reader.read(statement)
    drafts = reader.drafts
    if not drafts.tables:
        why = f"; the first statement that is not understood: {drafts.warnings[0]}" if drafts.warnings else ""
        raise UserError(f"{name}: there is no CREATE TABLE that can be read{why}")
    return drafts.database(name, reader.dialect)


def read_ddl(path: Path, *, dialect: str | None = None, schema: str | None = None) -> Database:
    """Read a DDL script; the database is called as the file. With ``schema``, only that schema's tables are kept.

    Raises:
        UserError: the file cannot be read, is not UTF-8, or defines no table (of that schema).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    database = parse_ddl(text, dialect=dialect, name=path.stem)
    if schema is None:
        return database
    tables = tuple(table for table in database.tables if table.schema.lower() == schema.lower())
    if not tables:
        there = ", ".join(sorted({table.schema for table in database.tables if table.schema}))
        raise UserError(f"{path}: no tables in schema {schema!r}; there are {there or 'no schemas'}")
    return replace(database, tables=tables)


def table_comments(create_table: str) -> tuple[str, dict[str, str]]:
    """The comments in the text of one SQLite CREATE TABLE: the table's, and the columns' by lower-case name."""
    reader = _ScriptReader("sqlite")
    reader.read(Statement.of(create_table, "sqlite"))
    for table in reader.drafts.tables.values():
        return table.comment, {column.name.lower(): column.comment for column in table.columns if column.comment}
    return "", {}


class _NotUnderstood(Exception):
    """The statement is not one that we can read."""


class _ScriptReader:
    """Reads one statement after the other into drafts."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.drafts = Drafts()

    def read(self, statement: Statement) -> None:
        """Read a statement into the drafts, or leave it out with a warning."""
        if statement.word in _QUIET:
            return
        try:
            tokens = Tokens.of(statement.text, self.dialect)
            if tokens:
                self._dispatch(tokens)
        except (TokenError, _NotUnderstood):
            self.drafts.warnings.append(f"not understood: {statement.shortened()}")

    def _dispatch(self, tokens: Tokens) -> None:
        if tokens.accept("CREATE"):
            self._create(tokens)
        elif tokens.accept("COMMENT", "ON"):
            self._comment_on(tokens)
        elif tokens.accept("ALTER", "TABLE"):
            self._alter(tokens)
        elif tokens.accept("DROP"):
            self._drop(tokens)
        elif not (tokens.accept("ALTER") and {*tokens.word().split(), *tokens.word(1).split()} & _QUIET_OBJECTS):
            raise _NotUnderstood

    def _create(self, tokens: Tokens) -> None:
        start = tokens.at
        while tokens.word() in _BEFORE_TABLE:
            tokens.next()
        if tokens.accept("TABLE"):
            self._create_table(tokens)
            return
        # Before VIEW there may be options with values, a user's name among them.
        tokens.at = start
        while tokens and not tokens.at_sign("(") and tokens.word() != "AS":
            if tokens.accept("VIEW"):
                self._create_view(tokens)
                return
            if tokens.word().split(" ")[0] in _QUIET_OBJECTS:
                return
            tokens.next()
        raise _NotUnderstood

    def _create_table(self, tokens: Tokens) -> None:
        tokens.accept("IF", "NOT", "EXISTS")
        table = self._draft(tokens)
        head = [comment for token in tokens.items[1 : tokens.at] for comment in token.comments]
        table.comment = cleaned([_comment_above(tokens), *head])
        if tokens.accept("PARTITION", "OF"):
            return
        if tokens.accept("LIKE"):
            self._copy(table, tokens)
        elif tokens.accept("AS") or tokens.word() in ("SELECT", "WITH"):
            self._define_by_query(table, tokens)
        elif tokens.at_sign("("):
            self._define(table, tokens)
        else:
            raise _NotUnderstood
        self.drafts.keep(table)

    def _draft(self, tokens: Tokens) -> DraftTable:
        path = tokens.path()
        if not path:
            raise _NotUnderstood
        schema = path[-2] if len(path) > 1 else ""
        return DraftTable(path[-1], "" if self.dialect == "sqlite" and schema.lower() == "main" else schema)

    def _define(self, table: DraftTable, tokens: Tokens) -> None:
        """Fill the table from the brackets that come next and the options after them."""
        table.comment = " ".join(filter(None, (table.comment, cleaned(tokens.items[tokens.at].comments))))
        body, closed = tokens.group()
        if body.accept("LIKE"):
            self._copy(table, body)
            return
        TableReader(table, self.dialect, self.drafts.warnings).definition(body)
        if not closed:
            self.drafts.warnings.append(f"{table.name}: no closing bracket: {shortened(body.text())}")
            tokens.at = len(tokens.items)
        after = cleaned(comment for token in tokens.items[tokens.at - 1 :] if closed for comment in token.comments)
        if tokens.accept("INHERITS"):
            for parent in (self.drafts.find(part.path()) for part in tokens.group()[0].split()):
                inherited = parent.columns if parent else ()
                table.columns[:0] = [replace(column) for column in inherited if not table.column(column.name)]
        table.comment = table_options(tokens) or table.comment or after
        if not table.columns:
            raise _NotUnderstood

    def _copy(self, table: DraftTable, tokens: Tokens) -> None:
        original = self.drafts.find(tokens.path())
        if original is None:
            raise _NotUnderstood
        table.columns = [replace(column) for column in original.columns]

    def _create_view(self, tokens: Tokens) -> None:
        tokens.accept("IF", "NOT", "EXISTS")
        table = self._draft(tokens)
        table.comment = cleaned([_comment_above(tokens)])
        names = tokens.names_in_brackets()
        while tokens and not tokens.accept("AS"):
            tokens.next()
        self._define_by_query(table, tokens)
        if len(names) == len(table.columns):
            table.columns = [replace(column, name=name) for name, column in zip(names, table.columns, strict=True)]
        self.drafts.keep(table)

    def _define_by_query(self, table: DraftTable, tokens: Tokens) -> None:
        table.columns = view_columns(tokens.text(), self.dialect, list(self.drafts.tables.values()))
        if not table.columns:
            raise _NotUnderstood

    def _comment_on(self, tokens: Tokens) -> None:
        kind = next((kind for kind in _COMMENTED if tokens.accept(*kind.split())), None)
        if kind is None and tokens.word().split(" ")[0] in _QUIET_OBJECTS:
            return
        path = tokens.path()
        text = tokens.peek(1)
        if kind is None or not tokens.accept("IS") or text is None or not (is_text(text) or word(text) == "NULL"):
            raise _NotUnderstood
        tokens.next()
        read = Tokens(tokens.source, tokens.items[: tokens.at]).text()
        table = self.drafts.find(path[:-1] if kind == "COLUMN" else path)
        target = table.column(path[-1]) if table and kind == "COLUMN" else table
        if target is None:
            self.drafts.warnings.append(f"no such {kind.lower()}: {shortened(read)}")
        else:
            target.comment = text.text if is_text(text) else ""
        if not tokens:
            return
        # The text is whole, so it is kept; what follows is taken for a statement of its own.
        stray = tokens.next().text
        self.drafts.warnings.append(f"read, but not closed by a semicolon: {shortened(read, 80)}{stray}")
        self.read(Statement.of(tokens.text(), self.dialect))

    def _alter(self, tokens: Tokens) -> None:
        tokens.accept("IF", "EXISTS")
        tokens.accept("ONLY")
        table = self.drafts.find(tokens.path())
        actions = tokens.split()
        if table is None:
            if any(action.word() in ("ADD", *_NOT_FOLLOWED) for action in actions):
                raise _NotUnderstood
            return
        reader = TableReader(table, self.dialect, self.drafts.warnings)
        for action in actions:
            if action.accept("ADD"):
                self._add(reader, action)
            elif action.word() == "COMMENT":
                table.comment = table_options(action) or table.comment
            elif action.word() in _NOT_FOLLOWED and action.word(1).split(" ")[0] not in _NO_COLUMN:
                self.drafts.warnings.append(f"not followed: ALTER TABLE {table.name} {shortened(action.text())}")

    def _add(self, reader: TableReader, action: Tokens) -> None:
        action.accept("COLUMN")
        action.accept("IF", "NOT", "EXISTS")
        if action.at_sign("("):
            reader.definition(action.group()[0])
        elif action.word() not in _NO_COLUMN or action.word() == "CONSTRAINT":
            reader.part(Tokens(action.source, action.items[action.at :]))

    def _drop(self, tokens: Tokens) -> None:
        tokens.accept("MATERIALIZED")
        if tokens.accept("TABLE") or tokens.accept("VIEW"):
            tokens.accept("IF", "EXISTS")
            for part in tokens.split():
                self.drafts.drop(part.path())


def _comment_above(tokens: Tokens) -> str:
    """The comment right above a statement, no blank line between."""
    before = tokens.source[: tokens.items[0].start]
    line = r"[ \t]*(?:--|#)[^\n]*\n"
    block = r"[ \t]*/\*(?:(?!\*/).)*\*/[ \t]*\n?"
    found = re.search(rf"(?:\A|\n)((?:{line}|{block})+)[ \t]*\Z", before, re.DOTALL)
    return "\n".join(line.strip(" \t-#*/") for line in found[1].splitlines()) if found else ""
