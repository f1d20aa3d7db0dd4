"""One CREATE TABLE: its columns, keys and comments.

sqlglot cuts the statement into tokens; they are walked here. Its parser gives up a whole table for one clause that it
does not know, of which dumps are full (``COLLATE "pg_catalog"."default"``). The walk takes what it knows, a column's
name, type, comment and keys, and passes over every other clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlfocus.schema.drafts import DraftColumn, DraftTable
from sqlfocus.schema.mschema import ForeignKey
from sqlfocus.schema.statements import shortened
from sqlfocus.schema.tokens import Tokens, is_name, is_text, word, words
from sqlfocus.schema.type_names import type_name

# What ends a column's type.
_CLAUSES = words(
    "NOT NULL DEFAULT PRIMARY UNIQUE REFERENCES CHECK COLLATE CONSTRAINT GENERATED AS AUTO_INCREMENT AUTOINCREMENT "
    "COMMENT CHARSET ON IDENTITY VISIBLE INVISIBLE STORED VIRTUAL PERSISTENT STORAGE COMPRESSION COMPRESSED SRID "
    "DEFERRABLE INITIALLY MATCH KEY ENFORCED FOREIGN ASC DESC USING WITH WITHOUT"
)
# After these a word on the next line still belongs to the clause.
_UNFINISHED = words("DEFAULT COLLATE CONSTRAINT COMMENT REFERENCES ON AS IS BY SET ALWAYS UPDATE DELETE")
_CONSTRAINTS = words("CONSTRAINT PRIMARY FOREIGN UNIQUE CHECK EXCLUDE LIKE PERIOD")
_MYSQL_CONSTRAINTS = words("KEY INDEX FULLTEXT SPATIAL")
# What dump tools write above a table; it says nothing about it.
_BOILERPLATE = re.compile(r"(?:table structure|structure for|structure of|name:|dump|records of|表的结构|转存)", re.I)


@dataclass
class TableReader:
    """Fills a table from the parts of its definition; ``warnings`` collects what is not understood."""

    table: DraftTable
    dialect: str
    warnings: list[str]

    def definition(self, body: Tokens) -> None:
        """Read what stands between the brackets of CREATE TABLE."""
        parts = body.split()
        for i, part in enumerate(parts):
            above = cleaned(part.items[0].comments)
            rest = cleaned(text for token in part.items[1:] for text in token.comments)
            # A comment on a line of its own above the first column is the table's, unless the others have theirs too.
            others = any(cleaned(other.items[0].comments) for other in parts[1:])
            if i == 0 and above and not others and _has_comment_above(part):
                self.table.comment = self.table.comment or above
                above = ""
            column = self.part(part)
            if column is not None and not column.comment:
                column.comment = " ".join(filter(None, (above, rest)))

    def part(self, part: Tokens) -> DraftColumn | None:
        """Read a column, which is returned, or a constraint of the table."""
        tokens = Tokens(part.source, part.without_comma())
        if not tokens:
            return None
        if self._is_constraint(tokens):
            self.constraint(tokens)
            return None
        return self._column(tokens)

    def _is_constraint(self, tokens: Tokens) -> bool:
        first, second = tokens.word(), tokens.peek(1)
        if first in ("PRIMARY KEY", "FOREIGN KEY") or (first in ("PRIMARY", "FOREIGN") and tokens.word(1) == "KEY"):
            return True
        if self.dialect == "mysql" and first in _MYSQL_CONSTRAINTS:
            return True
        if first in ("CHECK", "UNIQUE", "EXCLUDE"):
            return second is not None and (second.text == "(" or word(second) in ("KEY", "INDEX", "USING", "NULLS"))
        return first in ("CONSTRAINT", "LIKE") or (first == "PERIOD" and tokens.word(1) == "FOR")

    def constraint(self, tokens: Tokens) -> None:
        """Read a constraint: a primary or a foreign key; what else there is says nothing that is shown."""
        whole = tokens.text()
        if tokens.accept("CONSTRAINT") and tokens.word() not in (*_CONSTRAINTS, "PRIMARY KEY", "FOREIGN KEY"):
            tokens.path()
        if tokens.accept("PRIMARY", "KEY"):
            for name in _names_ahead(tokens):
                if (column := self.table.column(name)) is not None:
                    column.primary_key = True
                else:
                    self.warnings.append(f"{self.table.name}: no column {name!r}: {shortened(whole)}")
        elif tokens.accept("FOREIGN", "KEY"):
            columns = _names_ahead(tokens)
            if tokens.accept("REFERENCES"):
                self._reference(tokens, columns)
            else:
                self.warnings.append(f"{self.table.name}: not understood: {shortened(whole)}")

    def _reference(self, tokens: Tokens, columns: Iterable[str]) -> None:
        """Read what comes after REFERENCES."""
        path = tokens.path()
        names = tokens.names_in_brackets()
        if path:
            schema = path[-2] if len(path) > 1 else ""
            self.table.keys.append(ForeignKey(tuple(columns), path[-1], tuple(names), schema))

    def _column(self, tokens: Tokens) -> DraftColumn | None:
        first = tokens.peek()
        assert first is not None
        if not (is_name(first) or (is_text(first) and self.dialect != "postgres")):
            self.warnings.append(f"{self.table.name}: not understood: {shortened(tokens.text())}")
            return None
        column = DraftColumn(tokens.next().text, "")
        start = tokens.at
        while tokens and not self._ends_type(tokens, start):
            if tokens.at_sign("("):
                tokens.group()
            else:
                tokens.next()
        written = tokens.items[start : tokens.at]
        column.type = type_name(tokens.source[written[0].start : written[-1].end + 1] if written else "", self.dialect)
        if (before := self.table.column(column.name)) is not None:
            self.table.columns.remove(before)
            self.warnings.append(f"{self.table.name}.{column.name}: defined twice, the second counts")
        self.table.columns.append(column)
        self._clauses(tokens, column)
        return column

    def _ends_type(self, tokens: Tokens, start: int) -> bool:
        here = tokens.word().split(" ")[0]
        if here == "CHARACTER" and tokens.word(1) == "SET":
            return True
        return here in _CLAUSES or (tokens.at > start and _new_line(tokens))

    def _clauses(self, tokens: Tokens, column: DraftColumn) -> None:
        """Read what comes after a column's type."""
        while tokens:
            if tokens.accept("PRIMARY", "KEY"):
                column.primary_key = True
            elif tokens.accept("COMMENT"):
                column.comment = tokens.next().text if tokens else ""
            elif tokens.accept("REFERENCES"):
                self._reference(tokens, [column.name])
            elif tokens.at_sign("("):
                tokens.group()
            elif self._comma_missing(tokens):
                rest = Tokens(tokens.source, tokens.items[tokens.at :])
                self.warnings.append(f"{self.table.name}: no comma before: {shortened(rest.text())}")
                self.part(rest)
                return
            else:
                tokens.next()

    def _comma_missing(self, tokens: Tokens) -> bool:
        """Whether a new column or constraint starts here, on a new line, though none is due."""
        token = tokens.peek()
        if token is None or not is_name(token) or not _new_line(tokens):
            return False
        if tokens.word().split(" ")[0] in _CLAUSES:
            return False
        return word(tokens.items[tokens.at - 1]).split(" ")[-1] not in _UNFINISHED


def table_options(tokens: Tokens) -> str:
    """The comment among the options after a table's brackets (MySQL's ``COMMENT='…'``), or empty."""
    while tokens:
        if tokens.accept("COMMENT"):
            tokens.accept_sign("=")
            if (token := tokens.peek()) is not None and is_text(token):
                return tokens.next().text
        else:
            tokens.next()
    return ""


def cleaned(comments: Iterable[str]) -> str:
    """Comments as one text, without rulers, stars and what dump tools write."""
    texts = (" ".join(line.strip(" \t*#=-") for line in comment.splitlines()).strip() for comment in comments)
    return " ".join(text for text in texts if text and not _BOILERPLATE.match(text))


def _names_ahead(tokens: Tokens) -> list[str]:
    """The names in the next brackets; what stands before them (an index's name or kind) is passed over."""
    while tokens and not tokens.at_sign("("):
        tokens.next()
    return tokens.names_in_brackets()


def _new_line(tokens: Tokens) -> bool:
    """Whether the next token starts a line."""
    before, here = tokens.items[tokens.at - 1], tokens.items[tokens.at]
    return "\n" in tokens.source[before.end + 1 : here.start]


def _has_comment_above(part: Tokens) -> bool:
    return bool(re.search(r"(?:--[^\n]*\n|#[^\n]*\n|\*/)\s*$", part.source[: part.items[0].start]))
