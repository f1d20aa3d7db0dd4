"""A walk over sqlglot's tokens of one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import Token, TokenType

_TEXTS = {
    TokenType.STRING,
    TokenType.NATIONAL_STRING,
    TokenType.RAW_STRING,
    TokenType.HEREDOC_STRING,
    TokenType.UNICODE_STRING,
    TokenType.BYTE_STRING,
}
_OPEN, _CLOSE = TokenType.L_PAREN, TokenType.R_PAREN


def words(text: str) -> frozenset[str]:
    """The words of a text, for a table of keywords."""
    return frozenset(text.split())


def word(token: Token) -> str:
    """The token's word in capitals; empty for texts, quoted names and signs."""
    if token.token_type in _TEXTS or token.token_type is TokenType.IDENTIFIER:
        return ""
    return " ".join(token.text.upper().split()) if token.text[:1].isalpha() or token.text[:1] == "_" else ""


def is_text(token: Token) -> bool:
    """Whether the token is a literal text."""
    return token.token_type in _TEXTS


def is_name(token: Token) -> bool:
    """Whether the token can be a name: quoted, or any word (a database knows which are reserved, we need not)."""
    return token.token_type is TokenType.IDENTIFIER or bool(word(token))


@dataclass
class Tokens:
    """Tokens and a place in them. ``source`` is the text that their positions refer to."""

    source: str
    items: Sequence[Token]
    at: int = field(default=0)

    @classmethod
    def of(cls, source: str, dialect: str) -> Tokens:
        """The tokens of a statement, less the semicolon at its end, whose comments go to the token before.

        Raises:
            sqlglot.errors.TokenError: an unclosed quote or comment.
        """
        items = sqlglot.tokenize(source, read=dialect)
        while items and items[-1].token_type is TokenType.SEMICOLON:
            comments = items.pop().comments
            if items:
                items[-1].comments.extend(comments)
        return cls(source, items)

    def __bool__(self) -> bool:
        return self.at < len(self.items)

    def peek(self, ahead: int = 0) -> Token | None:
        """The token so far ahead, if there is one."""
        return self.items[self.at + ahead] if self.at + ahead < len(self.items) else None

    def word(self, ahead: int = 0) -> str:
        """The word of the token so far ahead; empty if it is none."""
        token = self.peek(ahead)
        return word(token) if token else ""

    def next(self) -> Token:
        """The next token, passed over."""
        self.at += 1
        return self.items[self.at - 1]

    def accept(self, *words: str) -> bool:
        """Pass over these words if they come next. Each may be a phrase; sqlglot makes one token of some."""
        ahead = 0
        phrase = " ".join(words)
        found = ""
        while len(found) < len(phrase) and self.word(ahead):
            found = f"{found} {self.word(ahead)}".strip()
            ahead += 1
        if found != phrase:
            return False
        self.at += ahead
        return True

    def at_sign(self, sign: str) -> bool:
        """Whether a sign comes next."""
        token = self.peek()
        return token is not None and token.text == sign and not is_name(token) and not is_text(token)

    def accept_sign(self, sign: str) -> bool:
        """Pass over a sign if it comes next."""
        found = self.at_sign(sign)
        self.at += found
        return found

    def path(self) -> list[str]:
        """A name with dots, as its parts; empty if none comes next."""
        names: list[str] = []
        while (token := self.peek()) and (is_name(token) or is_text(token)):
            names.append(self.next().text)
            if not self.accept_sign("."):
                break
        return names

    def names_in_brackets(self) -> list[str]:
        """The first word of each part between the brackets that come next; empty if none do."""
        return [part.items[0].text for part in self.group()[0].split()] if self.at_sign("(") else []

    def group(self) -> tuple[Tokens, bool]:
        """What stands between the bracket that comes next and its partner, and whether there is a partner."""
        start, depth = self.at + 1, 0
        while self:
            token = self.next()
            depth += {_OPEN: 1, _CLOSE: -1}.get(token.token_type, 0)
            if depth == 0:
                return Tokens(self.source, self.items[start : self.at - 1]), True
        return Tokens(self.source, self.items[start:]), False

    def split(self) -> list[Tokens]:
        """The rest, cut at the commas that stand in no brackets; each comma ends its part, with its comments."""
        parts: list[Tokens] = []
        start, depth = self.at, 0
        for i in range(self.at, len(self.items)):
            kind = self.items[i].token_type
            depth += {_OPEN: 1, _CLOSE: -1}.get(kind, 0)
            if kind is TokenType.COMMA and depth == 0:
                parts.append(Tokens(self.source, self.items[start : i + 1]))
                start = i + 1
        parts.append(Tokens(self.source, self.items[start:]))
        return [part for part in parts if part.without_comma()]

    def without_comma(self) -> Sequence[Token]:
        """The tokens less a comma at the end."""
        ends = self.items and self.items[-1].token_type is TokenType.COMMA
        return self.items[:-1] if ends else self.items

    def text(self) -> str:
        """The rest, as it is written."""
        return self.source[self.items[self.at].start : self.items[-1].end + 1] if self else ""
