"""Attention of a branch that has a pass to itself: its own keys and values behind a copy of its prefix's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from sqlfocus.models.prefix import NO_PREFIX, Prefix
from sqlfocus.models.together import room_for


class Alone:
    """One softmax for prefix and own tokens, where :class:`~sqlfocus.models.together.Together` has two products.

    A pass attends to the whole room of a layer's keys and values (2, H, room, D) and hides what is behind its tokens: a
    part of it would be copied for each product, which takes as long as the product itself.

    Attributes:
        slot: whose own tokens these are, -1 where nobody's.
    """

    def __init__(self, device: torch.device) -> None:
        self.slot = -1
        self._device = device
        self._prefix = NO_PREFIX
        self._layers: list[torch.Tensor] = []
        self._room = 0
        self._start = self._end = 0
        """Where the pass's tokens are, the prefix counted."""
        self._bring: Sequence[torch.Tensor] = ()
        self._before = 0
        self._hidden = torch.empty(0)
        """(T, 1, room - start) true where a token does not see a place."""

    def begin(self, slot: int, prefix: Prefix, before: int, count: int, together: Sequence[torch.Tensor]) -> None:
        """Begin a pass of ``count`` tokens behind a branch's first ``before``.

        Where the branch was not alone in the pass before, the layers of ``together`` have those.
        """
        self._bring = together if before and slot != self.slot else ()
        if prefix is not self._prefix:
            self._layers, self._room, self._prefix = [], prefix.length, prefix
        self.slot, self._before = slot, before
        self._start, self._end = prefix.length + before, prefix.length + before + count
        self._room = max(self._room, prefix.length + room_for(before + count))
        shape = (count, self._room - self._start)
        self._hidden = torch.ones(shape, dtype=torch.bool, device=self._device).triu_(1)[:, None]

    @property
    def room(self) -> int:
        """For how many own tokens there is room."""
        return self._room - self._prefix.length

    def own(self, length: int) -> list[torch.Tensor]:
        """Each layer's first ``length`` own keys and values (2, H, length, D)."""
        return [layer[:, :, self._prefix.length : self._prefix.length + length] for layer in self._layers]

    def attend(self, layer: int, rows: torch.Tensor, keys_values: torch.Tensor) -> torch.Tensor:
        """Attention of rows (H, T·G, D), with the tokens' keys and values (2, H, T, D); returns as much as rows."""
        before = self._prefix.length
        if layer == len(self._layers):
            # Zeros, since what is hidden has the weight 0, and 0 times what memory held may be no number.
            made = rows.new_zeros(2, len(rows), self._room, rows.shape[2])
            for kind in range(2 if before else 0):
                made[kind, :, :before] = self._prefix.layers[layer][kind]
            self._layers.append(made)
        elif (more := self._room - self._layers[layer].shape[2]) > 0:
            self._layers[layer] = torch.nn.functional.pad(self._layers[layer], (0, 0, 0, more))
        kept = self._layers[layer]
        if self._bring:
            kept[:, :, before : self._start] = self._bring[layer][:, :, self.slot, : self._before]
        kept[:, :, self._start : self._end] = keys_values
        scores = rows @ kept[0].transpose(-1, -2)
        own = scores.unflatten(1, (len(self._hidden), -1))[..., self._start :]  # (H, T, G, room - start)
        own.masked_fill_(self._hidden, -math.inf)
        return scores.softmax(dim=-1) @ kept[1]
