"""Keys and values of sequences that are being decoded, many at once, behind prefixes that several of them share.

A prefix's keys and values are kept once, and all its branches' attention to them is one matrix product, as in Hydragen
(Juravsky et al., 2024, arXiv 2402.05099). A pass takes any number of new tokens of any of the branches, one after the
other in one row, so that no padding goes through the layers; only attention to a branch's own tokens is padded.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

GROWTH = 64
"""By how many tokens at least the room for a branch's own tokens grows."""


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """What a model has computed of a prefix: each layer's keys and values (H, P, D)."""

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @property
    def length(self) -> int:
        """Tokens."""
        return int(self.layers[0][0].shape[1]) if self.layers else 0

    @property
    def bytes(self) -> int:
        """Memory."""
        return sum(tensor.nbytes for pair in self.layers for tensor in pair)


NO_PREFIX = Prefix(())


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """Where the T tokens of a pass belong. N branches have tokens in it, the longest S; all with theirs before, K.

    Attributes:
        slots: (N,) the branches.
        slot_of, columns: (T,) each token's branch, and its place among that branch's own tokens.
        padded: (T,) each token's place in (N·S); None where all branches have S tokens.
        hidden: (N, S, K) true where a token does not see a key of its branch.
        spans: prefixes, with the first and the last token behind each.
    """

    slots: torch.Tensor
    slot_of: torch.Tensor
    columns: torch.Tensor
    padded: torch.Tensor | None
    hidden: torch.Tensor
    spans: list[tuple[Prefix, int, int]]

    @property
    def all_slots(self) -> bool:
        """Whether the branches are the first N, in order."""
        return self.slots.tolist() == list(range(len(self.slots)))


class Branches:
    """A place (``slot``) for each of up to ``slots`` branches; a layer's own part is (slots, H, capacity, D)."""

    def __init__(self, slots: int, device: torch.device) -> None:
        self.device = device
        self.capacity = 0
        self.prefixes = [NO_PREFIX] * slots
        self.lengths = [0] * slots
        self.own: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._pass: _Pass | None = None

    def open(self, slot: int, prefix: Prefix) -> None:
        """Begin a branch behind ``prefix``; what stood in the slot is forgotten."""
        self.prefixes[slot] = prefix
        self.lengths[slot] = 0

    def cut(self, slot: int, length: int) -> None:
        """Keep only the first ``length`` of a branch's own tokens."""
        self.lengths[slot] = min(length, self.lengths[slot])

    def order(self, slots: Sequence[int]) -> list[int]:
        """The slots in the order in which a pass takes them: those behind one prefix together."""
        first = {id(self.prefixes[slot]): slot for slot in sorted(slots, reverse=True)}
        return sorted(slots, key=lambda slot: (first[id(self.prefixes[slot])], slot))

    def begin(self, feeds: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Begin a pass over slots in :meth:`order`, each with how many new tokens it has; returns positions (T,)."""
        slots, counts = [slot for slot, _ in feeds], [count for _, count in feeds]
        before = [self.lengths[slot] for slot in slots]
        widest, longest = max(counts), max(map(sum, zip(before, counts, strict=True)))
        rows = [row for row, count in enumerate(counts) for _ in range(count)]
        places = [place for count in counts for place in range(count)]
        columns = [before[row] + place for row, place in zip(rows, places, strict=True)]
        positions = [self.prefixes[slots[row]].length + column for row, column in zip(rows, columns, strict=True)]
        spans, end = [], 0
        for _, members in itertools.groupby(zip(slots, counts, strict=True), lambda feed: id(self.prefixes[feed[0]])):
            found = list(members)
            start, end = end, end + sum(count for _, count in found)
            spans.append((self.prefixes[found[0][0]], start, end))

        tensor = functools.partial(torch.tensor, device=self.device)
        uniform = min(counts) == widest
        seen_to = tensor(before)[:, None] + torch.arange(widest, device=self.device)  # (N, S)
        self._pass = _Pass(
            tensor(slots),
            tensor([slots[row] for row in rows]),
            tensor(columns),
            None if uniform else tensor([row * widest + place for row, place in zip(rows, places, strict=True)]),
            torch.arange(longest, device=self.device) > seen_to[:, :, None],
            spans,
        )
        if longest > self.capacity:
            self.capacity = longest + GROWTH
        for slot, count in feeds:
            self.lengths[slot] += count
        return tensor(positions)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention of a pass's tokens, query (1, H·G, T, D), key and value (1, H, T, D), to what each may see.

        Returns (1, T, H·G, D).
        """
        now = self._pass
        assert now is not None
        heads = key.shape[1]
        queries = query[0].unflatten(0, (heads, -1))  # (H, G, T, D)
        own = self._own_part(layer, queries, key[0], value[0], scale)
        parts = []
        for prefix, start, end in now.spans:
            span = tuple(tensor[:, :, start:end] for tensor in own)
            if prefix.length:
                span = _merged(span, _prefix_part(prefix.layers[layer], queries[:, :, start:end], scale))
            parts.append(span[0] / span[2])
        result = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        return result.to(value.dtype).flatten(0, 1).transpose(0, 1)[None]

    def _own_part(
        self, layer: int, queries: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> _Part:
        """Put down the new keys and values (H, T, D), and attend to each branch's own tokens."""
        now = self._pass
        assert now is not None
        count, widest, longest = now.hidden.shape
        heads, groups, _, width = queries.shape
        keys, values = (stored if now.all_slots else stored[now.slots] for stored in self._put(layer, key, value, now))
        keys, values = keys[:count, :, :longest], values[:count, :, :longest]
        if now.padded is None:
            padded = queries
        else:
            padded = queries.new_zeros(heads, groups, count * widest, width)
            padded[:, :, now.padded] = queries
        by_branch = padded.unflatten(2, (count, widest)).permute(2, 0, 1, 3, 4).flatten(2, 3)  # (N, H, G·S, D)
        scores = (by_branch @ keys.transpose(-1, -2)).float().mul_(scale).unflatten(2, (groups, widest))
        scores.masked_fill_(now.hidden[:, None, None], -math.inf)  # (N, H, G, S, K)
        highest = scores.amax(dim=-1, keepdim=True)
        weights = scores.sub_(highest).exp_()
        total = weights.sum(dim=-1, keepdim=True)
        result = (weights.to(values.dtype).flatten(2, 3) @ values).float().unflatten(2, (groups, widest))

        def by_token(tensor: torch.Tensor) -> torch.Tensor:
            flat = tensor.permute(1, 2, 0, 3, 4).flatten(2, 3)
            return flat if now.padded is None else flat[:, :, now.padded]

        return by_token(result), by_token(highest), by_token(total)

    def _put(self, layer: int, key: torch.Tensor, value: torch.Tensor, now: _Pass) -> tuple[torch.Tensor, torch.Tensor]:
        """Put down a layer's new keys and values (H, T, D); returns all that it has."""
        shape = (len(self.lengths), key.shape[0], self.capacity, key.shape[2])
        if layer == len(self.own):
            # Zeros, since what is hidden has the weight 0, and 0 times what memory held may be no number.
            self.own.append((key.new_zeros(shape), value.new_zeros(shape)))
        elif self.own[layer][0].shape[2] < self.capacity:
            room = self.capacity - self.own[layer][0].shape[2]
            keys, values = (torch.nn.functional.pad(old, (0, 0, 0, room)) for old in self.own[layer])
            self.own[layer] = keys, values
        for stored, new in zip(self.own[layer], (key, value), strict=True):
            stored[now.slot_of, :, now.columns] = new.transpose(0, 1)
        return self.own[layer]


_Part = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Attention to some of the keys, in float32: weighted values (H, G, T, D), highest score and weights' sum (…, 1)."""


def _prefix_part(layer: tuple[torch.Tensor, torch.Tensor], queries: torch.Tensor, scale: float) -> _Part:
    """Attention of queries (H, G, T, D) to a prefix."""
    keys, values = layer
    shape = queries.shape[1:3]
    scores = head_products(queries.flatten(1, 2), keys.transpose(1, 2)).float().mul_(scale)  # (H, G·T, P)
    highest = scores.amax(dim=-1, keepdim=True)
    weights = scores.sub_(highest).exp_()
    total = weights.sum(dim=-1, keepdim=True)
    result = head_products(weights.to(values.dtype), values).float()
    return result.unflatten(1, shape), highest.unflatten(1, shape), total.unflatten(1, shape)


def _merged(first: _Part, second: _Part) -> _Part:
    """Attention to both parts' keys."""
    highest = torch.maximum(first[1], second[1])
    mine, other = (first[1] - highest).exp_(), (second[1] - highest).exp_()
    return first[0] * mine + second[0] * other, highest, first[2] * mine + second[2] * other


def head_products(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """``first @ second`` for (H, M, K) and (H, K, N).

    On a CPU each head by itself: a batched product gives heads to threads, and 3 heads keep 2 threads waiting for each
    other.
    """
    if first.device.type != "cpu":
        return torch.bmm(first, second)
    result = first.new_empty(first.shape[0], first.shape[1], second.shape[2])
    for head in range(first.shape[0]):
        torch.mm(first[head], second[head], out=result[head])
    return result
