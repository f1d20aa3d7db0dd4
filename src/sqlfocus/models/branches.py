"""Sequences that are being decoded, many at once, behind prefixes that several of them share.

A pass takes any number of new tokens of any of the branches, one after the other in one row, so that no padding goes
through the layers. Where their own keys and values are, and how they attend, depends on whether a pass has one branch
(:mod:`sqlfocus.models.alone`) or several (:mod:`sqlfocus.models.together`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sqlfocus.models.alone import Alone
from sqlfocus.models.prefix import NO_PREFIX, Prefix
from sqlfocus.models.together import Together


class Branches:
    """A place (``slot``) for each of up to ``slots`` branches.

    Attributes:
        prefixes, lengths: by slot, what the branch is behind, and how many tokens of its own it has.
    """

    def __init__(self, slots: int, device: torch.device) -> None:
        self.device = device
        self.prefixes = [NO_PREFIX] * slots
        self.lengths = [0] * slots
        self._together = Together(slots, device)
        self._alone = Alone(device)
        self._is_alone = False

    @property
    def longest(self) -> int:
        """Tokens of the longest branch, its prefix with it."""
        return max(prefix.length + length for prefix, length in zip(self.prefixes, self.lengths, strict=True))

    @property
    def room(self) -> int:
        """For how many tokens of its own each slot has room, used or not."""
        return max(self._together.room, self._alone.room)

    def open(self, slot: int, prefix: Prefix) -> None:
        """Begin a branch behind ``prefix``; what stood in the slot is forgotten."""
        self.prefixes[slot] = prefix
        self.lengths[slot] = 0
        if self._alone.slot == slot:
            self._alone.slot = -1

    def cut(self, slot: int, length: int) -> None:
        """Keep only the first ``length`` of a branch's own tokens."""
        self.lengths[slot] = min(length, self.lengths[slot])

    def order(self, slots: Sequence[int]) -> list[int]:
        """The slots in the order in which a pass takes them: those behind one prefix together."""
        first = {id(self.prefixes[slot]): slot for slot in sorted(slots, reverse=True)}
        return sorted(slots, key=lambda slot: (first[id(self.prefixes[slot])], slot))

    def begin(self, feeds: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Begin a pass over slots in :meth:`order`, each with how many new tokens it has; returns positions (T,)."""
        slots = [slot for slot, _ in feeds]
        self._is_alone = len(feeds) == 1
        if self._alone.slot >= 0 and slots != [self._alone.slot]:
            self._together.bring_back(self._alone.slot, self._alone.own(self.lengths[self._alone.slot]))
            self._alone.slot = -1
        if self._is_alone:
            ((slot, count),) = feeds
            self._alone.begin(slot, self.prefixes[slot], self.lengths[slot], count, self._together.layers)
        else:
            before = [self.lengths[slot] for slot in slots]
            self._together.begin(feeds, before, [self.prefixes[slot] for slot in slots])
        positions = [
            self.prefixes[slot].length + self.lengths[slot] + place for slot, count in feeds for place in range(count)
        ]
        for slot, count in feeds:
            self.lengths[slot] += count
        return torch.tensor(positions, device=self.device)

    def attend(self, layer: int, query: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """Attention of a pass's tokens, query (T, H·G, D), keys and then values (T, 2·H, D), to what each may see.

        Returns (T, H·G·D). On a CPU these products take half the time of PyTorch's flash kernel (docs/log.md).
        """
        tokens, heads, width = query.shape[0], keys_values.shape[1] // 2, query.shape[2]
        groups = query.shape[1] // heads
        rows = (query * scale).view(tokens, heads, groups, width).transpose(0, 1).reshape(heads, tokens * groups, width)
        keys_values = keys_values.view(tokens, 2, heads, width).permute(1, 2, 0, 3)
        way = self._alone if self._is_alone else self._together
        result = way.attend(layer, rows, keys_values)
        return result.view(heads, tokens, groups * width).transpose(0, 1).reshape(tokens, -1)
