"""The grammar of one query on one schema, in the form that llguidance reads.

A SELECT of the dialect, with the schema's names where names stand. What may be anything is an alias, a string or a
number; whether an alias has that column is beyond a context-free grammar and :mod:`names <.names>`' part. The form is
Lark's with llguidance's additions (https://github.com/guidance-ai/llguidance, docs/syntax.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlfocus.inference.constraint.dialects import DIALECTS, RESERVED, Dialect
from sqlfocus.schema.mschema import Database

# W is a space that may be left out, S one that may not: words need it between them. Without a bound a model that knows
# nothing to say may go on with spaces for ever. A rule's keywords take any case.
_RULES = r"""
start: W? query (W? ";" W? | W | NEWLINE "```" W?)?
query: (with S)? compound
with: "WITH"i S ("RECURSIVE"i S)? cte (comma cte)*
cte: ALIAS (W? "(" W? ALIAS (comma ALIAS)* W? ")")? S "AS"i W? "(" W? query W? ")"
compound: core (S setop S core)* (S order)? (S limit)?
setop: "UNION"i (S "ALL"i)? | "INTERSECT"i | "EXCEPT"i
core: "SELECT"i S (("DISTINCT"i | "ALL"i) S)? items tail
    | "SELECT"i S "DISTINCT"i W? "(" W? expr W? ")" (comma items)? tail
tail: (S from)? (S where)? (S group (S having)?)?
comma: W? "," W?
items: item (comma item)*
item: "*" | name "." "*" | expr (S "AS"i S (ALIAS | QUOTED | STRING))? | expr S ALIAS
from: "FROM"i (S source | W? derived) join*
source: (table | ALIAS) (S ("AS"i S)? ALIAS)?
derived: "(" W? query W? ")" ((W? "AS"i)? S ALIAS)?
join: comma (source | derived)
    | S kind (S source | W? derived) (S "ON"i S expr | S "USING"i W? "(" W? column (comma column)* W? ")")?
kind: ("NATURAL"i S)? ("INNER"i S | "CROSS"i S | ("LEFT"i | "RIGHT"i | "FULL"i) (S "OUTER"i)? S)? "JOIN"i
where: "WHERE"i S expr
group: "GROUP"i S "BY"i S expr (comma expr)*
having: "HAVING"i S expr
order: "ORDER"i S "BY"i S term (comma term)*
term: expr (S "COLLATE"i S COLLATION)? (S ("ASC"i | "DESC"i))? (S "NULLS"i S ("FIRST"i | "LAST"i))?
limit: "LIMIT"i S NUMBER (S "OFFSET"i S NUMBER | comma NUMBER)?
expr: conjunction (S "OR"i S conjunction)*
conjunction: negation (S "AND"i S negation)*
negation: ("NOT"i S)* comparison
comparison: sum predicate*
predicate: W? COMPARE W? sum
    | S ("NOT"i S)? "IN"i W? "(" W? (query | expr (comma expr)*) W? ")"
    | S ("NOT"i S)? match S sum (S "ESCAPE"i S STRING)?
    | S ("NOT"i S)? "BETWEEN"i S sum S "AND"i S sum
    | S "IS"i S ("NOT"i S)? sum
sum: unary (W? OPERATOR W? unary)*
unary: SIGN? operandCASTS
operand: NUMBER | STRING | "NULL"i | "TRUE"i | "FALSE"i | "CURRENT_DATE"i | "CURRENT_TIME"i | "CURRENT_TIMESTAMP"i
    | reference | call | operand_extra
    | "CAST"i W? "(" W? expr S "AS"i S TYPE W? ")"
    | "CASE"i (S expr)? (S "WHEN"i S expr S "THEN"i S expr)+ (S "ELSE"i S expr)? S "END"i
    | "(" W? (query | expr (comma expr)*) W? ")"
    | "EXISTS"i W? "(" W? query W? ")"
call: FUNCTION W? "(" W? (arguments W?)? ")" (S "FILTER"i W? "(" W? where W? ")")? (S "OVER"i W? window)?
arguments: "*" | ("DISTINCT"i S)? expr (comma expr)* (S order)? | "DISTINCT"i W? "(" W? expr W? ")"
window: "(" W? (("PARTITION"i S "BY"i S expr (comma expr)* (S order)? | order) (S frame)? W?)? ")"
frame: ("ROWS"i | "RANGE"i) S ("BETWEEN"i S bound S "AND"i S bound | bound)
bound: ("UNBOUNDED"i | NUMBER) S ("PRECEDING"i | "FOLLOWING"i) | "CURRENT"i S "ROW"i
reference: (name ".")? column | ALIAS | QUOTED
name: ALIAS | table
NEWLINE: /[ \t\r]{0,2}\n/
W: /[ \t\r\n]{1,3}/
S: /[ \t\r\n]{1,3}/
SIGN: /[-+~]/
NUMBER: /[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?/ | /\.[0-9]+/
COLLATION: "NOCASE"i | "BINARY"i | "RTRIM"i
"""


def sql_grammar(database: Database) -> str:
    """The grammar of a query on a database, for :class:`llguidance.LLMatcher`.

    Keywords and functions may be in any case, and so may names where the dialect does not care. Accepted is what has
    the form of a query; which columns an alias has is not looked at.
    """
    dialect = DIALECTS[database.dialect]
    tables = {path for table in database.tables for path in _paths(table.name, table.schema, dialect)}
    columns = {column.name for table in database.tables for column in table.columns}
    open_quote, close_quote = dialect.quotes[0]
    strings = ["/'([^']|'')*'/"] + ['/"([^"]|"")+"/'] * dialect.double_quoted_strings
    compare = ("=", "!=", "<>", "<", "<=", ">", ">=", *dialect.comparisons)
    lines = [
        _RULES.strip().replace("CASTS", ' ("::" TYPE)*' if dialect.double_colon_casts else ""),
        f"match: {' | '.join(_keywords(word) for word in dialect.matches)}",
        f"COMPARE: {' | '.join(map(_literal, compare))}",
        f"OPERATOR: {' | '.join(map(_literal, ('+', '-', '*', '/', '%', *dialect.operators)))}",
        f"STRING: {' | '.join(strings)}",
        f"QUOTED: /{re.escape(open_quote)}[^{re.escape(close_quote)}]+{re.escape(close_quote)}/",
        rf"TYPE: /({_any_of(dialect.types)})(\([0-9]+(, ?[0-9]+)?\))?/",
        # No letter right behind a digit, and an end: where a model may not write ON, it makes T2 a T2ON.
        f"ALIAS: /[A-Za-z_]{{1,24}}[0-9]{{0,4}}(_[A-Za-z0-9_]{{0,16}})?/ & ~/{_any_of(RESERVED | dialect.reserved)}/",
        f"FUNCTION: /{_any_of(dialect.functions)}/",
        f"table: /{'|'.join(sorted(tables))}/",
        f"column: /{_alternatives(columns, dialect)}/",
        dialect.extras.strip() or "operand_extra: NUMBER",
    ]
    return re.sub(r'"([A-Z_]+)"i', lambda found: f"/{_any_case(found[1])}/", "\n".join(lines)) + "\n"


def _any_case(text: str) -> str:
    """A regular expression for a text whose ASCII letters are in either case, and no other: (?i:s) would take ſ too."""
    return "".join(
        f"[{char.lower()}{char.upper()}]" if char.isascii() and char.isalpha() else re.escape(char) for char in text
    )


def _any_of(words: Iterable[str]) -> str:
    return "|".join(_any_case(word) for word in sorted(words))


def _paths(name: str, schema: str, dialect: Dialect) -> list[str]:
    """The regular expressions of a table's name, with its schema where it has one."""
    own = _forms(name, dialect)
    if not schema:
        return own
    return [rf"(?:{'|'.join(_forms(schema, dialect))})\.(?:{'|'.join(own)})"]


def _alternatives(names: Iterable[str], dialect: Dialect) -> str:
    return "|".join(sorted({form for name in names for form in _forms(name, dialect)})) or "rowid"


def _forms(name: str, dialect: Dialect) -> list[str]:
    """The ways to write a name, as regular expressions: bare if it can be, and in each of the dialect's quotes."""
    either = re.escape if dialect.folds else _any_case
    forms = [
        re.escape(opening) + either(name.replace(closing, closing * 2)) + re.escape(closing)
        for opening, closing in dialect.quotes
    ]
    bare = re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in RESERVED | dialect.reserved
    if bare and not (dialect.folds and name != name.lower()):
        forms.append(_any_case(name))
    return [form.replace("/", r"\/") for form in forms]


def _keywords(words: str) -> str:
    return " S ".join(f'"{word}"i' for word in words.split())


def _literal(text: str) -> str:
    return '"' + text + '"'
