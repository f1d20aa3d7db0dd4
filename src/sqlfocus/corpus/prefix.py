"""Shared prefixes among token sequences: which prompts begin alike, and for how long.

They are found in the tokens, not in a ``db_id``, so that any data whose prompts begin alike gains from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens the two sequences begin with in common.

    >>> common_prefix([1, 2, 3, 4], [1, 2, 9])
    2
    """
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    low, high = 0, length  # first[:low] is shared, first[:high] is not
    while high - low > 1:
        middle = (low + high) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle
    return low


def group_by_prefix(sequences: Sequence[Sequence[int]]) -> list[list[int]]:
    """Put the indices of sequences that begin alike into one group.

    Neighbours in sorted order share most. A group is closed where two neighbours share less than half of what the group
    shares, or of what the next two share: there one database's questions end and another's begin, which have the
    instruction in common but not the schema. Groups, and the indices in them, come in sorted order of the sequences, so
    the result depends on nothing else.

    >>> group_by_prefix([[7, 7, 7, 1], [5, 5, 5, 1], [7, 7, 7, 2], [5, 5, 5, 2]])
    [[1, 3], [0, 2]]
    """
    order = sorted(range(len(sequences)), key=lambda index: (list(sequences[index]), index))
    with_next = [common_prefix(sequences[a], sequences[b]) for a, b in pairwise(order)]
    groups: list[list[int]] = []
    shared = 0  # by the members of the last group; 0 while it has one
    for place, index in enumerate(order):
        here = with_next[place - 1] if place else 0
        after = with_next[place] if place < len(with_next) else 0
        if place and here and 2 * here >= max(shared, after):
            groups[-1].append(index)
            shared = min(shared, here) if shared else here
        else:
            groups.append([index])
            shared = 0
    return groups


def shared_length(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all the sequences begin with in common; one sequence shares all but its last token.

    At least one token of each sequence is left out of the prefix, so that each has something of its own to compute.
    """
    length = min(len(sequence) for sequence in sequences) - 1
    for sequence in sequences[1:]:
        length = min(length, common_prefix(sequences[0], sequence))
    return length
