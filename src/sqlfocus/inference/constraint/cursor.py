"""A query's beginning as tokens, and a place in it: what is next, and whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlfocus.inference.constraint.scope import Invalid

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<word>[^\W\d]\w*)|(?P<string>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\])"
    r"|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<open>['\"`\[].*)|(?P<sign>::|[<>=!~|@#-]+|.)",
    re.DOTALL,
)


class Goes(Exception):
    """The text ends here, and nothing in it is wrong."""


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is word, name (quoted), ``"`` (in double quotes: a name or a string), string, number, sign or open.

    ``text`` is in lower case and without quotes; ``begun`` where a word stands at the text's end and may go on.
    """

    kind: str
    text: str
    begun: bool = False


_END = Token("end", "")


def read_tokens(text: str, whole: bool, double_quoted_strings: bool) -> list[Token]:
    """The tokens of a query's beginning, or of a ``whole`` query; ``"..."`` is a name where it cannot be a string."""
    found = []
    for match in _TOKEN.finditer(text):
        kind, raw = str(match.lastgroup), match[0]
        if kind == "word":
            found.append(Token("word", raw.lower(), begun=not whole and match.end() == len(text)))
        elif kind == "quoted":
            name = raw[1:-1].replace(raw[0] * 2, raw[0]).lower()
            found.append(Token('"' if raw[0] == '"' and double_quoted_strings else "name", name))
        elif kind != "space":
            found.append(Token(kind, raw))
    return found


class Cursor:
    """A place among tokens; :class:`Goes` is raised where a text that may go on ends.

    A word at the text's end may go on: it is never taken for a whole one, but what it may become is asked.
    """

    def __init__(self, tokens: Sequence[Token], whole: bool) -> None:
        self.tokens = tokens
        self.whole = whole
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        try:
            return self.tokens[self.at + ahead]
        except IndexError:
            if self.whole:
                return _END
            raise Goes from None

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def is_word(self, words: Iterable[str]) -> bool:
        token = self.peek()
        return token.kind == "word" and not token.begun and token.text in words

    def may_become(self, words: Iterable[str]) -> bool:
        """Whether the next word is at the text's end and may become one of these."""
        token = self.peek()
        return token.begun and any(word.startswith(token.text) for word in words)

    def accept(self, text: str) -> bool:
        token = self.peek()
        if token.begun and text.startswith(token.text):
            raise Goes
        if token.text == text and token.kind in ("word", "sign"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise Invalid(f"{text.upper()} is wanted, not {self.peek().text or 'the end'}")

    def name(self) -> str:
        token = self.take()
        if token.begun:
            raise Goes
        return token.text
