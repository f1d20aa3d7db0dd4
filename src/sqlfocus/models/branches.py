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
from dataclasses import dataclass, field

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
    """Where the T tokens of a pass belong. Its branches are in the first N slots, the longest of S new tokens.

    Attributes:
        slot_of, columns: (T,) each token's slot, and its place among that branch's own tokens.
        padded: (T,) each token's place in (N·S); None where that is its place in the pass.
        hidden: (N, S, K) true where a token does not see a key of its branch, K being the most that one has.
        none_hidden: whether it is true nowhere.
        spans: prefixes, with the first and the last token behind each.
    """

    slot_of: torch.Tensor
    columns: torch.Tensor
    padded: torch.Tensor | None
    hidden: torch.Tensor
    none_hidden: bool
    spans: list[tuple[Prefix, int, int]]
    _masks: dict[tuple[int, torch.dtype], torch.Tensor] = field(default_factory=dict)

    def mask(self, groups: int, dtype: torch.dtype) -> torch.Tensor | None:
        """(N, 1, S·G, K): -inf where a key is hidden, else 0; the same for all layers."""
        if self.none_hidden:
            return None
        if (groups, dtype) not in self._masks:
            hidden = self.hidden.repeat_interleave(groups, dim=1)[:, None]
            zeros = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
            self._masks[groups, dtype] = zeros.masked_fill_(hidden, -math.inf)
        return self._masks[groups, dtype]

    def by_branch(self, rows: torch.Tensor, groups: int) -> torch.Tensor:
        """Rows of the pass's tokens (H, T·G, X) by branch: (N, H, S·G, X), zeros where there is no token."""
        count, widest, _ = self.hidden.shape
        if self.padded is not None:
            padded = rows.new_zeros(len(rows), count * widest, groups, rows.shape[-1])
            padded[:, self.padded] = rows.unflatten(1, (-1, groups))
            rows = padded
        return rows.reshape(len(rows), count, widest * groups, -1).transpose(0, 1)

    def by_token(self, branches: torch.Tensor, groups: int) -> torch.Tensor:
        """The other way round: (N, H, S·G, X) → (H, T·G, X)."""
        rows = branches.transpose(0, 1).flatten(1, 2)
        return rows if self.padded is None else rows.unflatten(1, (-1, groups))[:, self.padded].flatten(1, 2)


@dataclass(slots=True, eq=False)
class _Alone:
    """A branch that has a pass to itself, its own keys and values behind a copy of its prefix's: one softmax for both.

    Attributes:
        slot: whose own tokens these are, -1 where nobody's.
        layers: each layer's keys and values (2, H, capacity, D).
        start, end: where the pass's tokens are, the prefix counted.
        bring: how many own tokens are still to be brought here.
        hidden: (T, T) true where a token does not see another; None where T is 1.
    """

    prefix: Prefix
    slot: int = -1
    layers: list[torch.Tensor] = field(default_factory=list)
    start: int = 0
    end: int = 0
    bring: int = 0
    hidden: torch.Tensor | None = None

    def own(self, layer: int, length: int) -> torch.Tensor:
        """A layer's first ``length`` own keys and values (2, H, length, D)."""
        return self.layers[layer][:, :, self.prefix.length : self.prefix.length + length]


class Branches:
    """A place (``slot``) for each of up to ``slots`` branches; a layer's own part is (2, slots, H, capacity, D).

    Keys come first in it, then values, so that both are put down in one call.
    """

    def __init__(self, slots: int, device: torch.device) -> None:
        self.device = device
        self.capacity = 0
        self.prefixes = [NO_PREFIX] * slots
        self.lengths = [0] * slots
        self.own: list[torch.Tensor] = []
        self._pass: _Pass | None = None
        self._alone = _Alone(NO_PREFIX)
        self._is_alone = False

    @property
    def longest(self) -> int:
        """Tokens of the longest branch, its prefix with it."""
        return max(prefix.length + length for prefix, length in zip(self.prefixes, self.lengths, strict=True))

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
        self._is_alone = len(feeds) == 1
        if self._is_alone:
            return self._begin_alone(*feeds[0])
        self._bring_back()
        slots, counts = [slot for slot, _ in feeds], [count for _, count in feeds]
        before = {slot: self.lengths[slot] for slot in slots}
        widest, longest = max(counts), max(before[slot] + count for slot, count in feeds)
        tokens = [(slot, place) for slot, count in feeds for place in range(count)]
        spans, end = [], 0
        for _, members in itertools.groupby(feeds, lambda feed: id(self.prefixes[feed[0]])):
            found = list(members)
            start, end = end, end + sum(count for _, count in found)
            spans.append((self.prefixes[found[0][0]], start, end))

        tensor = functools.partial(torch.tensor, device=self.device)
        places = [slot * widest + place for slot, place in tokens]
        # A slot without a token in this pass sees what it likes: nobody reads what comes of it.
        seen_to = tensor([before.get(slot, longest) for slot in range(max(slots) + 1)])[:, None]
        self._pass = _Pass(
            tensor([slot for slot, _ in tokens]),
            tensor([before[slot] + place for slot, place in tokens]),
            None if places == list(range((max(slots) + 1) * widest)) else tensor(places),
            torch.arange(longest, device=self.device) > (seen_to + torch.arange(widest, device=self.device))[..., None],
            widest == 1 and min(before.values()) + 1 == longest,
            spans,
        )
        self._grow(longest)
        for slot, count in feeds:
            self.lengths[slot] += count
        return tensor([self.prefixes[slot].length + before[slot] + place for slot, place in tokens])

    def _begin_alone(self, slot: int, count: int) -> torch.Tensor:
        prefix, before = self.prefixes[slot], self.lengths[slot]
        if self._alone.slot != slot:
            self._bring_back()
        if self._alone.prefix is not prefix:
            self._alone = _Alone(prefix)
        alone = self._alone
        alone.bring = 0 if alone.slot == slot else before
        alone.slot = slot
        alone.start, alone.end = prefix.length + before, prefix.length + before + count
        alone.hidden = torch.ones(count, count, dtype=torch.bool, device=self.device).triu_(1) if count > 1 else None
        self._grow(before + count)
        self.lengths[slot] += count
        return torch.arange(alone.start, alone.end, device=self.device)

    def _grow(self, longest: int) -> None:
        if longest > self.capacity:
            self.capacity = longest + GROWTH

    def _bring_back(self) -> None:
        """Put the own tokens of the branch that was alone where those of all are."""
        alone, length = self._alone, self.lengths[self._alone.slot] if self._alone.slot >= 0 else 0
        for layer in range(len(alone.layers) if length else 0):
            self._room(layer, alone.layers[layer][0])[:, alone.slot, :, :length] = alone.own(layer, length)
        alone.slot = -1

    def _attend_alone(self, layer: int, rows: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """:meth:`attend` of rows (H, T·G, D) of the one branch of a pass; returns as much."""
        alone = self._alone
        heads, groups, before = len(rows), rows.shape[1] // len(keys_values), alone.prefix.length
        if layer == len(alone.layers):
            made = rows.new_empty(2, heads, before + self.capacity, rows.shape[2])
            for kind in range(2 if before else 0):
                made[kind, :, :before] = alone.prefix.layers[layer][kind]
            alone.layers.append(made)
        elif alone.end > alone.layers[layer].shape[2]:
            room = before + self.capacity - alone.layers[layer].shape[2]
            alone.layers[layer] = torch.nn.functional.pad(alone.layers[layer], (0, 0, 0, room))
        if alone.bring:
            alone.own(layer, alone.bring)[:] = self.own[layer][:, alone.slot, :, : alone.bring]
        kept = alone.layers[layer]
        kept[:, :, alone.start : alone.end] = keys_values.view(len(keys_values), 2, heads, -1).permute(1, 2, 0, 3)
        scores = _scores(rows, kept[0, :, : alone.end], scale)
        if alone.hidden is not None:
            own = scores.unflatten(1, (-1, groups))[..., alone.start :]  # (H, T, G, T)
            own.masked_fill_(alone.hidden[:, None], -math.inf)
        return scores.softmax(dim=-1) @ kept[1, :, : alone.end]

    def attend(self, layer: int, query: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """Attention of a pass's tokens, query (T, H·G, D), keys and then values (T, 2·H, D), to what each may see.

        Returns (T, H·G·D). On a CPU these products take half the time of PyTorch's flash kernel (docs/log.md).
        """
        tokens, heads, width = query.shape[0], keys_values.shape[1] // 2, query.shape[2]
        groups = query.shape[1] // heads
        rows = query.view(tokens, heads, groups, width).transpose(0, 1).reshape(heads, tokens * groups, width)
        if self._is_alone:
            result = self._attend_alone(layer, rows, keys_values, scale)
        else:
            result = self._attend_together(layer, rows, keys_values, scale)
        return result.view(heads, tokens, groups * width).transpose(0, 1).reshape(tokens, -1)

    def _attend_together(self, layer: int, rows: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """:meth:`attend` of rows (H, T·G, D) of any branches; returns as much."""
        now = self._pass
        assert now is not None
        groups = rows.shape[1] // len(keys_values)
        keys, values = self._put(layer, keys_values, now)  # (N, H, K, D)
        mask = now.mask(groups, rows.dtype)
        own = now.by_token(_scores(now.by_branch(rows, groups), keys, scale, mask), groups)  # (H, T·G, K)
        results, weights = [], []
        for prefix, start, end in now.spans:
            place = slice(start * groups, end * groups)
            if prefix.length:
                prefix_keys, prefix_values = prefix.layers[layer]
                scores = _scores(rows[:, place], prefix_keys, scale)
                share = torch.cat([scores, own[:, place]], dim=-1).softmax(dim=-1)
                results.append(share[..., : prefix.length] @ prefix_values)
                weights.append(share[..., prefix.length :])
            else:
                weights.append(own[:, place].softmax(dim=-1))
                results.append(torch.zeros_like(rows[:, place]))
        result, weight = (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1) for parts in (results, weights))
        result += now.by_token(now.by_branch(weight, groups) @ values, groups)
        return result

    def _put(self, layer: int, keys_values: torch.Tensor, now: _Pass) -> tuple[torch.Tensor, torch.Tensor]:
        """Put down a layer's new keys and values (T, 2·H, D); returns the own keys and values of the pass's slots."""
        both = keys_values.unflatten(1, (2, -1))  # (T, 2, H, D)
        own = self._room(layer, both[0].transpose(0, 1))
        own[:, now.slot_of, :, now.columns] = both
        count, _, longest = now.hidden.shape
        return own[0, :count, :, :longest], own[1, :count, :, :longest]

    def _room(self, layer: int, like: torch.Tensor) -> torch.Tensor:
        """Where a layer's own keys and values are; heads and type are those of ``like`` (H, any, D)."""
        if layer == len(self.own):
            # Zeros, since what is hidden has the weight 0, and 0 times what memory held may be no number.
            self.own.append(like.new_zeros(2, len(self.lengths), len(like), self.capacity, like.shape[2]))
        elif (room := self.capacity - self.own[layer].shape[3]) > 0:
            self.own[layer] = torch.nn.functional.pad(self.own[layer], (0, 0, 0, room))
        return self.own[layer]


def _scores(query: torch.Tensor, keys: torch.Tensor, scale: float, mask: torch.Tensor | None = None) -> torch.Tensor:
    """(…, M, K) scores of query (…, M, D) at keys (…, K, D), with what ``mask`` adds."""
    scores = query @ keys.transpose(-1, -2)
    scores *= scale
    if mask is not None:
        scores += mask
    return scores
