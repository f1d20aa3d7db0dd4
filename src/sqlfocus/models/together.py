"""Attention of several branches in a pass, behind prefixes that some of them share.

All branches' attention to their prefix is one matrix product, as in Hydragen (Juravsky et al., 2024, arXiv 2402.05099);
that to their own tokens is one for all of about as many new tokens, padded.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sqlfocus.models.prefix import Prefix

GROWTH = 64
"""By how many tokens the room for a branch's own grows."""
SIDE = 64
"""What it costs to take some branches by themselves, in padded tokens."""


def room_for(tokens: int) -> int:
    """For how many tokens of a branch there is room when it has so many: whole steps of :data:`GROWTH`."""
    return -(-tokens // GROWTH) * GROWTH


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """N branches of S new tokens at most each, padded to as many.

    Attributes:
        slots: (N,) theirs; None where they are all slots as they lie, which need no copy.
        count: N.
        tokens: (N·S,) where in the pass each of their tokens is; anywhere for one that is padding.
    """

    slots: torch.Tensor | None
    count: int
    tokens: torch.Tensor

    def of(self, own: torch.Tensor) -> torch.Tensor:
        """Of own keys or values (H, slots, K, D) these branches' (H·N, K, D)."""
        return (own if self.slots is None else own.index_select(1, self.slots)).flatten(0, 1)

    def by_branch(self, by_token: torch.Tensor) -> torch.Tensor:
        """(H, T, G, X) → (H·N, S·G, X)."""
        heads, width = by_token.shape[0], by_token.shape[-1]
        return by_token.index_select(1, self.tokens).view(heads * self.count, -1, width)


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """Where the T tokens of a pass belong.

    Attributes:
        slots, columns: (T,) each token's slot, and its place among that branch's own tokens.
        hidden: (T, 1, K) true where a token does not see one of its branch's K places.
        sides: the branches, those of few new tokens and those of many.
        order: (T,) each token's place among the sides' padded ones.
        spans: prefixes, with the first and the last token behind each.
    """

    slots: torch.Tensor
    columns: torch.Tensor
    hidden: torch.Tensor
    sides: list[_Side]
    order: torch.Tensor
    spans: list[tuple[Prefix, int, int]]

    def by_token(self, by_branch: Sequence[torch.Tensor], groups: int) -> torch.Tensor:
        """The sides' (H·N, S·G, X) → (H, T, G, X)."""
        parts = [
            rows.view(-1, len(side.tokens), groups, rows.shape[-1])
            for rows, side in zip(by_branch, self.sides, strict=True)
        ]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)).index_select(1, self.order)


class Together:
    """Own keys and values of up to ``slots`` branches.

    Attributes:
        layers: each layer's (2, H, slots, K, D), keys and then values, so that both are put down in one call. K is the
            same for all branches; products take the whole of it, since a part would be copied for each.
        room: K, or what it will be in the next pass.
    """

    def __init__(self, slots: int, device: torch.device) -> None:
        self.layers: list[torch.Tensor] = []
        self._slots = slots
        self._device = device
        self.room = 0
        self._pass: _Pass | None = None

    def begin(self, feeds: Sequence[tuple[int, int]], before: Sequence[int], prefixes: Sequence[Prefix]) -> None:
        """Begin a pass of slots and how many new tokens each has, behind ``before`` own ones and a prefix."""
        tensor = functools.partial(torch.tensor, device=self._device)
        longest = max(length + count for length, (_, count) in zip(before, feeds, strict=True))
        self.room = max(self.room, room_for(longest))
        counts = dict(feeds)
        ends = itertools.accumulate(counts.values())
        starts = {slot: end - counts[slot] for slot, end in zip(counts, ends, strict=True)}
        sides, places, padded = [], dict[int, int](), 0
        for members in self._sides(counts):
            widest = max(counts[slot] for slot in members)
            whole = 2 * len(members) >= self._slots
            slots = list(range(self._slots)) if whole else members
            tokens = []
            for number, slot in enumerate(slots):
                known = counts[slot] if slot in members else 0
                first = padded + number * widest
                places |= {starts[slot] + place: first + place for place in range(known)}
                tokens += [starts[slot] + place if place < known else 0 for place in range(widest)]
            sides.append(_Side(None if whole else tensor(slots), len(slots), tensor(tokens)))
            padded += len(tokens)
        columns = tensor(
            [start + place for start, (_, count) in zip(before, feeds, strict=True) for place in range(count)]
        )
        spans, end = [], 0
        for _, group in itertools.groupby(zip(prefixes, feeds, strict=True), lambda one: id(one[0])):
            found = list(group)
            start, end = end, end + sum(count for _, (_, count) in found)
            spans.append((found[0][0], start, end))
        self._pass = _Pass(
            tensor([slot for slot, count in feeds for _ in range(count)]),
            columns,
            (torch.arange(self.room, device=self._device) > columns[:, None])[:, None],
            sides,
            tensor([places[place] for place in range(len(places))]),
            spans,
        )

    def _sides(self, counts: dict[int, int]) -> list[list[int]]:
        """The slots of few new tokens, and those of many where padding the others to as many would cost more."""
        widest = max(counts.values())

        def cost(few: int) -> int:
            many = sum(count > few for count in counts.values())
            return len(counts) * few + (many * widest + SIDE if many else 0)

        few = min(sorted(set(counts.values()), reverse=True), key=cost)
        sides = [[slot for slot in sorted(counts) if (counts[slot] <= few) == side] for side in (True, False)]
        return [side for side in sides if side]

    def bring_back(self, slot: int, layers: Sequence[torch.Tensor]) -> None:
        """Put a branch's own tokens here: each layer's keys and values (2, H, length, D)."""
        for layer, own in enumerate(layers):
            self.room = max(self.room, room_for(own.shape[2]))
            self._kept(layer, own)[:, :, slot, : own.shape[2]] = own

    def _kept(self, layer: int, like: torch.Tensor) -> torch.Tensor:
        """A layer's own keys and values, with heads and type of ``like`` (2, H, any, D)."""
        if layer == len(self.layers):
            # Zeros, since what is hidden has the weight 0, and 0 times what memory held may be no number.
            self.layers.append(like.new_zeros(2, like.shape[1], self._slots, self.room, like.shape[3]))
        elif (more := self.room - self.layers[layer].shape[3]) > 0:
            self.layers[layer] = torch.nn.functional.pad(self.layers[layer], (0, 0, 0, more))
        return self.layers[layer]

    def attend(self, layer: int, rows: torch.Tensor, keys_values: torch.Tensor) -> torch.Tensor:
        """Attention of rows (H, T·G, D), with the tokens' keys and values (2, H, T, D); returns as much as rows."""
        now = self._pass
        assert now is not None
        tokens = len(now.slots)
        groups = rows.shape[1] // tokens
        kept = self._kept(layer, keys_values)
        kept[:, :, now.slots, now.columns] = keys_values
        by_token = rows.unflatten(1, (tokens, groups))
        own = now.by_token(
            [side.by_branch(by_token) @ side.of(kept[0]).transpose(-1, -2) for side in now.sides], groups
        )
        own = own.masked_fill_(now.hidden, -math.inf).flatten(1, 2)  # (H, T·G, K)
        results, weights = [], []
        for prefix, start, end in now.spans:
            place = slice(start * groups, end * groups)
            if prefix.length:
                keys, values = prefix.layers[layer]
                share = torch.cat([rows[:, place] @ keys.transpose(-1, -2), own[:, place]], dim=-1).softmax(dim=-1)
                results.append(share[..., : prefix.length] @ values)
                weights.append(share[..., prefix.length :])
            else:
                weights.append(own[:, place].softmax(dim=-1))
                results.append(torch.zeros_like(rows[:, place]))
        result, weight = (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1) for parts in (results, weights))
        weight = weight.unflatten(1, (tokens, groups))
        result += now.by_token([side.by_branch(weight) @ side.of(kept[1]) for side in now.sides], groups).flatten(1, 2)
        return result
