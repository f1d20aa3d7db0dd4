"""Sets of words written as running text."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text, which are parted by white space.

    >>> sorted(word_set("city country"))
    ['city', 'country']
    """
    return frozenset(text.split())
