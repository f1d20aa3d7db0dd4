"""From what a model replied to the SQL in it."""

from __future__ import annotations

import re

from sqlfocus.sql import NOT_SQL, parse

_END_OF_TURN = re.compile(r"<\|[^|>]*\|>|</s>|<end_of_turn>")
_THINKING = re.compile(r".*</think>", re.DOTALL)
_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\n?")
_NAME = r"(?:\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|\w+)"
_HEAD = re.compile(
    rf"\b(?:(?P<query>SELECT\b|WITH\s+(?:RECURSIVE\s+)?{_NAME}\s*(?:\([^()]*\)\s*)?AS\s*(?:(?:NOT\s+)?MATERIALIZED\s*)?\("
    r")|(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|TRUNCATE|PRAGMA|ATTACH|EXPLAIN|SHOW|SET|GRANT|COPY)\b)",
    re.IGNORECASE,
)
# What may stand before SQL on its line: a list's mark, a label ("SQL:", "sqlite>"), an opening bracket.
_BEFORE = re.compile(r"(?!--)[>*#\d.\s-]*(?:[\w ]{1,40}[:：>])?[`*(\s]*")
LONGEST_LABEL = 60
_CONTINUES = re.compile(
    r"\s*(?:[(),=<>|+-]|(?:FROM|WHERE|AND|OR|NOT|ON|USING|GROUP|ORDER|HAVING|LIMIT|OFFSET|UNION|INTERSECT|EXCEPT|JOIN|"
    r"INNER|LEFT|RIGHT|FULL|CROSS|NATURAL|SELECT|AS|IN|BY|CASE|WHEN|THEN|ELSE|END|BETWEEN|LIKE|IS)\b)"
)
# What hides a semicolon: a string, a quoted name, a comment. MySQL alone has backslashes in strings.
_HIDING = r"`[^`]*`|--[^\n]*|/\*.*?\*/"
_STATEMENT_END = re.compile(rf"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|{_HIDING}|(;)", re.DOTALL)
_MYSQL_STATEMENT_END = re.compile(rf"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\"\"|\\.)*\"|{_HIDING}|(;)", re.DOTALL)


def extract_sql(text: str, *, dialect: str = "sqlite") -> str:
    """The SQL in what a model wrote, without fences, prose, labels and further statements; "" where there is none.

    What is cut off is never run. SQL that does not parse is returned all the same, so that it can be shown; prose that
    merely begins like SQL is not.

    >>> extract_sql("Here is the query:\\n```sql\\nSELECT name\\nFROM singer;\\n```\\nIt lists all names.")
    'SELECT name\\nFROM singer'
    >>> extract_sql("I would select all singers from the table.")
    ''
    """
    text = _THINKING.sub("", text.replace("\r\n", "\n"))
    text = _END_OF_TURN.split(text, maxsplit=1)[0]
    parts = _FENCE.split(text)
    fenced = len(parts) > 1
    # Inside fences first. The first part is inside one that the prompt opened, where nothing opens another.
    for part in parts[1::2] + parts[0::2]:
        if (found := _head(part)) and (sql := _sql_at(part, found, dialect, fenced)):
            return sql
    return ""


def _head(part: str) -> re.Match[str] | None:
    """The word with which the SQL in ``part`` begins.

    It stands at the start of a line or after a label. A query is found within a line too, where its word is in
    capitals: "the query is SELECT 1", but not "you can select one".
    """
    within = None
    for found in _HEAD.finditer(part):
        before = part[part.rfind("\n", 0, found.start()) + 1 : found.start()].strip()
        capitals = found[0].split()[0].isupper()
        if len(before) <= LONGEST_LABEL and _BEFORE.fullmatch(before) and (found["query"] or capitals):
            return found
        if within is None and found["query"] and capitals and part[found.start() - 1] not in "\"'":
            within = found
    return within


def _sql_at(part: str, found: re.Match[str], dialect: str, fenced: bool) -> str:
    """The first statement from the word that was found on, or "" where it is the beginning of a sentence."""
    start = found.start()
    start -= len(part[:start]) - len(part[:start].rstrip("( \t\n"))
    sql = part[start:].strip()
    end = _MYSQL_STATEMENT_END if dialect == "mysql" else _STATEMENT_END
    stop = next((token.start() for token in end.finditer(sql) if token[1]), None)
    sql = (sql if stop is None else sql[:stop]).strip()
    whole = _without_tail(sql, dialect) if stop is None and not fenced else sql
    if _parses(whole, dialect):
        return whole
    # "Select" and "With" in mixed case that begin nothing that parses are the first words of a sentence.
    return whole if found[0].split()[0].isupper() or found[0].split()[0].islower() else ""


def _without_tail(sql: str, dialect: str) -> str:
    """Text that begins with SQL, without what a model says after it.

    Lines are taken off the end until the rest parses, but none that goes on in SQL: an unfinished query is not to be
    run as a shorter one.
    """
    lines = sql.split("\n")
    for count in range(len(lines), 0, -1):
        if count < len(lines) and _CONTINUES.match(lines[count].upper() if lines[count].islower() else lines[count]):
            break
        candidate = "\n".join(lines[:count]).strip()
        for ending in (candidate.rstrip(".。 "), candidate, candidate.rstrip("`*.。 ")):
            if _parses(ending, dialect):
                return ending
    return sql.split("\n\n", 1)[0].strip()


def _parses(sql: str, dialect: str) -> bool:
    try:
        return bool(parse(sql, dialect)[0])
    except NOT_SQL:
        return False
