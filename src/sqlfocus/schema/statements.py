"""A DDL script cut into statements, so that one broken statement does not spoil the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A line that starts so starts a statement, whether or not the one before it was closed.
_STARTS = r"(?:CREATE|COMMENT\s+ON|ALTER\s+TABLE|INSERT\s+INTO|DROP\s+(?:TABLE|VIEW))\b"
_BOUNDARY = rf"\n(?=[ \t]*{_STARTS})"
# MySQL has comments from #, and wants a blank after the two hyphens.
_LINE_COMMENT = {"mysql": r"--(?=\s|\Z)[^\n]*|#[^\n]*", "postgres": r"--[^\n]*", "sqlite": r"--[^\n]*"}
_BLOCK_COMMENT = r"/\*.*?\*/"
# The comments and blanks before a statement, and its first word.
_HEAD = {
    dialect: re.compile(rf"(?:\s+|{comment}|{_BLOCK_COMMENT})*(\w+)?", re.DOTALL)
    for dialect, comment in _LINE_COMMENT.items()
}
_DOLLAR_QUOTED = r"\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
# After the semicolon a comment on the same line still belongs to the statement.
_END = r"(?P<end>;(?:[ \t]*--[^\n]*)?)"

_DIALECT_MARKS = {
    "mysql": r"`[^`\n]*`\s+\w+|\bENGINE\s*=|\bAUTO_INCREMENT\b|\)\s*COMMENT\s*=|\s+COMMENT\s+'|\bUNSIGNED\b",
    "postgres": r"::\s*[a-z\"]|\bnextval\s*\(|\b(?:BIG|SMALL)?SERIAL\b|\bCOMMENT\s+ON\b|\bpg_catalog\b|\bOWNER\s+TO\b"
    r"|\bWITH(?:OUT)?\s+TIME\s+ZONE\b|\bJSONB\b|\bTIMESTAMPTZ\b|\bCHARACTER\s+VARYING\b|\bINT[248]\b",
    "sqlite": r"\bAUTOINCREMENT\b|\bPRAGMA\b|\bWITHOUT\s+ROWID\b|\bsqlite_sequence\b|\bBEGIN\s+TRANSACTION\b",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement; ``text`` begins with the comments before it, ``text[start:]`` is the statement itself."""

    text: str
    start: int = 0

    @classmethod
    def of(cls, text: str, dialect: str) -> Statement:
        """The statement of a text that has just one."""
        head = _match(_HEAD[dialect], text, 0)
        return cls(text, head.start(1) if head[1] else 0)

    @property
    def word(self) -> str:
        """Its first word, in capitals."""
        head = re.compile(r"\w+").match(self.text, self.start)
        return head[0].upper() if head else ""

    def shortened(self) -> str:
        """The statement on one line, cut, for a warning that quotes it."""
        return shortened(self.text[self.start :])


def guess_dialect(text: str) -> str:
    """The dialect of a DDL script by its habits; ``sqlite`` where none shows.

    >>> guess_dialect("CREATE TABLE t (id int AUTO_INCREMENT)"), guess_dialect("CREATE TABLE t (id bigserial)")
    ('mysql', 'postgres')
    """
    ddl = re.sub(r"^\s*INSERT\b.*$", "", text[:1_000_000], flags=re.MULTILINE | re.IGNORECASE)
    marks = {name: len(re.findall(mark, ddl, re.IGNORECASE)) for name, mark in _DIALECT_MARKS.items()}
    # SQLite accepts the others' types and quotes, so that its own marks decide.
    if marks["sqlite"]:
        return "sqlite"
    best = max(marks, key=lambda name: marks[name])
    return best if marks[best] else "sqlite"


def split_statements(text: str, dialect: str) -> Iterator[Statement]:
    """Yield each statement with the comments before it and, on its last line, after it.

    Statements end at a semicolon, or where a line begins the next one: what lacks its semicolon or its closing quote
    costs that statement only. Only in the values of an INSERT may a text hold such a line. The data of COPY, psql's
    commands and stored programs between MySQL's DELIMITER lines are left out.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if dialect == "mysql":
        text = re.sub(r"/\*M?!\d*(.*?)\*/", r"\1", text, flags=re.DOTALL)  # what MySQL executes is no comment
        text = re.sub(r"^DELIMITER\s+(?!;\s*$)\S+.*?^DELIMITER\s+;", "", text, flags=re.DOTALL | re.MULTILINE | re.I)
    ddl, data = _pattern(dialect, lenient=True), _pattern(dialect, lenient=False)
    data_end = re.compile(r"^\\\.[ \t]*$|\Z", re.MULTILINE)
    line_end = re.compile(r"\n|\Z")
    position = 0
    while position < len(text):
        head = _match(_HEAD[dialect], text, position)
        if not head[1] and text.startswith("\\", head.end()):
            position = _match(line_end, text, head.end()).end()
            continue
        word = (head[1] or "").upper()
        ends = (data if word in ("INSERT", "REPLACE") else ddl).finditer(text, head.end())
        end = next((match.end() for match in ends if match.lastgroup in ("end", "boundary")), len(text))
        statement = Statement(text[position:end], head.start(1) - position if word else 0)
        position = end
        if word == "COPY" and re.search(r"\bFROM\s+stdin\b", statement.text, re.IGNORECASE):
            position = _match(data_end, text, position).end()
        elif statement.text.strip(" \t\n;"):
            yield statement


def _match(pattern: re.Pattern[str], text: str, position: int) -> re.Match[str]:
    """The next match of a pattern that always has one."""
    found = pattern.match(text, position) or pattern.search(text, position)
    assert found is not None
    return found


def _pattern(dialect: str, *, lenient: bool) -> re.Pattern[str]:
    """What matters to the scan: texts and comments to pass over, and ends of statements.

    A lenient text does not run over a line that starts a statement: there its closing quote is missing.
    """
    line_break = _BOUNDARY.replace("(?=", "(?!", 1) if lenient else r"\n"
    escaped = rf"'(?:[^'\\\n]|''|\\.|{line_break})*'"
    plain = rf"'(?:[^'\n]|''|{line_break})*'"
    double = rf'"(?:[^"\n]|""|{line_break})*"'
    parts = [
        _LINE_COMMENT[dialect],
        _BLOCK_COMMENT,
        rf"[eE]{escaped}",
        escaped if dialect == "mysql" else plain,
        double,
    ]
    if dialect == "postgres":
        parts.append(_DOLLAR_QUOTED)
    else:
        parts.append(r"`[^`\n]*`")
    boundary = f"(?P<boundary>{_BOUNDARY})" if lenient else "(?P<boundary>(?!))"
    return re.compile("|".join([*parts, _END, boundary]), re.DOTALL | re.IGNORECASE)


def shortened(statement: str, length: int = 90) -> str:
    """A statement on one line, cut at ``length`` characters, for a warning that quotes it."""
    line = " ".join(statement.split()).rstrip(";")
    return line if len(line) <= length else line[: length - 1] + "…"
