"""The one exception that a user sees."""

from __future__ import annotations

from unicodedata import category


class UserError(Exception):
    """Something that the user can put right.

    The message is one line: what is wrong, with the name of the thing, and what to do about it. The command line
    prints it as ``sqlfocus: error: …`` and exits with status 2; the service turns it into a 4xx.

    >>> str(UserError("data/train.jsonl: no such file; make it with `sqlfocus prepare`"))
    'data/train.jsonl: no such file; make it with `sqlfocus prepare`'

    What it names may come from outside; nothing of that reaches a terminal as more than text, and it stays one line:

    >>> str(UserError("no database a\\nb\\x1b[31m"))
    'no database a\\\\nb\\\\x1b[31m'
    """

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """``text`` with escapes for what does not print: it could move a terminal's cursor and write over other words.

    >>> print(printable("Shop\\x1b[2J\\nReady"))
    Shop\\x1b[2J\\nReady
    """
    shown = (char if char.isprintable() or category(char) == "Zs" else ascii(char)[1:-1] for char in text)
    return "".join(shown)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class where it has none: what a one-line message quotes."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
