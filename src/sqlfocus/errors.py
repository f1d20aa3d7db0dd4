"""The one exception that a user sees."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can put right.

    The message is one line: what is wrong, with the name of the thing, and what to do about it. The command line
    prints it as ``sqlfocus: error: …`` and exits with status 2; the service turns it into a 4xx.

    >>> str(UserError("data/train.jsonl: no such file; make it with `sqlfocus prepare`"))
    'data/train.jsonl: no such file; make it with `sqlfocus prepare`'
    """


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class where it has none: what a one-line message quotes."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
