"""May this SQL run at all?

A query is allowed when everything in its tree is known to be harmless: the rules list what is allowed, and what they do
not name is refused. What then runs is not the text that came in but the tree, written out anew without its comments, so
that a database never sees what the rules did not (MySQL executes some comments).

The guard decides over the SQL alone. The runner is the second wall, and the rights of the database's role the third.

To let more pass, add a function to :data:`FUNCTIONS` or a node to :data:`NODES`; to refuse more, add to :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.generators.mysql import MySQLGenerator
from sqlglot.generators.sqlite import SQLiteGenerator

from sqlfocus.execution.functions import FUNCTIONS
from sqlfocus.execution.names import bind, is_dual, tables_read, take_dual_away, write_in_as_subquery, written
from sqlfocus.schema.mschema import Database
from sqlfocus.sql import NOT_SQL, parse

MAX_CHARACTERS = 20_000
MAX_BRACKETS = 5
"""How deep square brackets may stand in each other: sqlglot's time to parse ``ARRAY[ARRAY[…`` doubles with each."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The guard's decision on one text.

    ``reason`` is the rule that refuses, in one line, empty when allowed. ``sql`` is the text to execute, empty when
    refused. ``tables`` are the tables that it reads, as it writes them, each once. ``parsed`` is false where the text
    is no SQL of the dialect at all.
    """

    allowed: bool
    reason: str = ""
    sql: str = ""
    tables: tuple[str, ...] = ()
    parsed: bool = True


# Queries, values, operators.
_NODES = """
    Select Union Intersect Except Subquery With CTE From Join Lateral Table TableAlias Where Group Rollup Cube
    GroupingSets Having Order Ordered Limit Offset Fetch LimitOptions Distinct Filter WithinGroup Window WindowSpec
    Star Alias Column Identifier Tuple Paren Var

    Literal Null Boolean HexString BitString ByteString RawString National UnicodeString
    Interval IntervalSpan DataType DataTypeParam CharacterSet
    Bracket JSONPath JSONPathRoot JSONPathKey JSONPathSubscript

    Add Sub Mul Div IntDiv Mod Neg DPipe Not Is In Between All Any AtTimeZone
    EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Like ILike SimilarTo Glob Escape
    BitwiseAnd BitwiseOr BitwiseXor BitwiseNot BitwiseLeftShift BitwiseRightShift
"""
NODES: frozenset[type[exp.Expr]] = frozenset(getattr(exp, name) for name in _NODES.split())
"""What a query may be made of, functions aside; the rest (INSERT, INTO, FOR UPDATE, hints, variables …) is refused."""

SYSTEM_SCHEMAS = {
    "sqlite": frozenset({"temp"}),
    "mysql": frozenset({"mysql", "information_schema", "performance_schema", "sys"}),
    "postgres": frozenset({"pg_catalog", "information_schema", "pg_toast"}),
}
SYSTEM_TABLES = {"sqlite": ("sqlite_", "pragma_", "dbstat", "fts3tokenize"), "mysql": (), "postgres": ("pg_",)}
"""How the names of system tables begin, where they can be read without naming their schema."""
SESSION_WORDS = {
    "sqlite": frozenset[str](),
    "mysql": frozenset({"current_role"}),
    "postgres": frozenset({"user", "current_role", "system_user"}),
}
"""What tells of the session without brackets, and looks to sqlglot like a column."""


def check(sql: str, *, dialect: str = "sqlite", database: Database | None = None) -> Permit:
    """Decide whether ``sql`` is one harmless query in ``dialect`` (``sqlite``, ``mysql`` or ``postgres``).

    With a ``database`` the query may read that database's tables and views only; a table that its configuration leaves
    out is not there. Without one it may read any but the system's.

    >>> check("select count( * ) from singer -- all").sql
    'SELECT COUNT(*) FROM singer'
    >>> check("WITH d AS (DELETE FROM singer RETURNING *) SELECT * FROM d").reason
    'DELETE is not allowed in a query'
    """
    if len(sql) > MAX_CHARACTERS:
        return Permit(False, f"the SQL is longer than {MAX_CHARACTERS} characters")
    try:
        if reason := _text_refused(sql, dialect):
            return Permit(False, reason)
        statements = [tree for tree in parse(sql, dialect) if tree and not isinstance(tree, exp.Semicolon)]
        if len(statements) != 1:
            return Permit(False, "one statement is allowed" if statements else "there is no SQL")
        tree = statements[0]
        if dialect == "sqlite":
            write_in_as_subquery(tree)
        if dialect == "mysql":
            take_dual_away(tree)
        for rule in RULES:
            if reason := next(rule(tree, dialect), ""):
                return Permit(False, reason)
        tables = _tables(tree, dialect)
        if database is not None and (reason := bind(tree, dialect, database)):
            return Permit(False, reason)
        if dialect == "sqlite":
            _remember_quotes(tree, sql)
        return Permit(True, "", _render(tree, dialect), tables)
    except RecursionError:
        return Permit(False, "the SQL is nested too deeply")
    except SqlglotError as error:
        return Permit(False, f"not {dialect} SQL: {_first_line(error)}", parsed=False)
    except AttributeError:  # sqlglot 30.30 at MySQL's DATE_ADD with one argument
        return Permit(False, f"not {dialect} SQL: a function lacks an argument", parsed=False)
    except NOT_SQL as error:  # Python's int refuses hexadecimal numbers of more than 4,300 digits
        why = "a number is too long" if "digits" in str(error) else "it cannot be read"
        return Permit(False, f"not {dialect} SQL: {why}", parsed=False)


def _tables(tree: exp.Expr, dialect: str) -> tuple[str, ...]:
    """The tables that a query reads, each once; PostgreSQL alone has two whose names differ in case only."""
    found: dict[str, str] = {}
    for table in tables_read(tree, dialect):
        name = written(table)
        found.setdefault(name if dialect == "postgres" else name.lower(), name)
    return tuple(found.values())


def _text_refused(sql: str, dialect: str) -> str:
    """The reason to refuse a text before it is parsed, or ""; sqlglot takes some commands without looking inside."""
    tokens = sqlglot.tokenize(sql, read=dialect)
    words = [token for token in tokens if token.token_type != TokenType.L_PAREN]
    if not words:
        return "there is no SQL"
    if words[0].token_type not in (TokenType.SELECT, TokenType.WITH):
        return f"a query begins with SELECT or WITH, this with {words[0].text[:20]!r}"
    ends = [place for place, token in enumerate(tokens) if token.token_type == TokenType.SEMICOLON]
    if ends and any(token.token_type != TokenType.SEMICOLON for token in tokens[ends[0] :]):
        return "one statement is allowed, this is more"
    depth = 0
    for token in tokens:
        depth += (token.token_type == TokenType.L_BRACKET) - (token.token_type == TokenType.R_BRACKET)
        if depth > MAX_BRACKETS:
            return f"square brackets stand more than {MAX_BRACKETS} deep"
    return ""


# ---- rules: each yields the reasons for which a tree is refused ----


def _root_is_a_query(tree: exp.Expr, dialect: str) -> Iterator[str]:
    if not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        yield f"{_word(tree)} is not a query"


def _nodes_are_known(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for node in tree.walk():
        if not isinstance(node, exp.Func) and type(node) not in NODES:
            yield f"{_word(node)} is not allowed in a query"


def _functions_are_known(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for function in tree.find_all(exp.Func):
        named = isinstance(function, (exp.Anonymous, exp.AnonymousAggFunc))
        name = (function.name if named else function.sql_name()).lower()
        if name not in FUNCTIONS[dialect]:
            yield f"the function {name[:40]} is not on the list of functions allowed in {dialect}"


def _columns_are_no_session_words(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for column in tree.find_all(exp.Column):
        bare = len(column.parts) == 1 and not column.this.args.get("quoted")
        if bare and (name := column.name.lower()) in SESSION_WORDS[dialect]:
            yield f"{name} tells of the session; a column of that name is written in quotes or after its table's"


def _tables_are_names(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            yield "a table is a name, not a function, a string or a file"


def _tables_are_the_users(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for table in tree.find_all(exp.Table):
        schema, name = table.db.lower(), table.name.lower()
        if schema in SYSTEM_SCHEMAS[dialect] or name.startswith(SYSTEM_TABLES[dialect]):
            yield f"the system table {name[:40]} may not be read"


def _dual_stands_alone(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for table in tree.find_all(exp.Table):
        if dialect == "mysql" and is_dual(table):
            yield "DUAL is no table; it may stand alone in a FROM"


def _in_has_brackets(tree: exp.Expr, dialect: str) -> Iterator[str]:
    for node in tree.find_all(exp.In):
        if node.args.get("field") is not None:
            yield "IN is followed by a list or a query in brackets"


RULES: tuple[Callable[[exp.Expr, str], Iterator[str]], ...] = (
    _root_is_a_query,
    _nodes_are_known,
    _functions_are_known,
    _columns_are_no_session_words,
    _tables_are_names,
    _tables_are_the_users,
    _dual_stands_alone,
    _in_has_brackets,
)


# ---- the tree, written out again ----


class _SQLite(SQLiteGenerator):
    """Keeps an identifier in the quotes that it came in.

    Text in double quotes that names no column is a string in SQLite, and training data rely on it; in backticks or
    brackets it is an error. To turn all into double quotes would turn a misspelt column into a constant.
    """

    def identifier_sql(self, expression: exp.Identifier) -> str:
        text = super().identifier_sql(expression)
        return f"`{expression.name}`" if expression.meta.get("backtick") else text


class _MySQL(MySQLGenerator):
    """Writes ``a REGEXP b``, which MariaDB knows too, where sqlglot writes ``REGEXP_LIKE(a, b)``."""

    def regexplike_sql(self, expression: exp.RegexpLike) -> str:
        return self.binary(expression, "REGEXP")


def _remember_quotes(tree: exp.Expr, sql: str) -> None:
    for identifier in tree.find_all(exp.Identifier):
        start = identifier.meta.get("start")
        if start is not None and sql[start] in "`[" and "`" not in identifier.name:
            identifier.meta["backtick"] = True


def _render(tree: exp.Expr, dialect: str) -> str:
    if dialect == "sqlite":
        return _SQLite(dialect=dialect, comments=False).generate(tree)
    if dialect == "mysql":
        return _MySQL(dialect=dialect, comments=False).generate(tree)
    return tree.sql(dialect=dialect, comments=False)


def _word(node: exp.Expr) -> str:
    """What to call a node that is refused: FOR UPDATE's class is Lock, a variable's is Parameter."""
    named: dict[type[exp.Expr], str] = {
        exp.Lock: "a lock (FOR UPDATE)",
        exp.Parameter: "a variable",
        exp.SessionParameter: "a variable",
    }
    return named.get(type(node), type(node).key.upper())


def _first_line(error: Exception) -> str:
    """The message without the excerpt that follows it, nor the codes that underline in a terminal."""
    line = (str(error).splitlines() or [""])[0]
    return line.replace("\033[4m", "").replace("\033[0m", "").strip().rstrip(".")
