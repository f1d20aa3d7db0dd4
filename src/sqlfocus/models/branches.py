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

    @property
    def longest(self) -> int:
        """Tokens of the longest branch, its prefix with it."""
        return max(prefix.length + length for prefix, length in zip(self.prefixes, self.lengths, strict=True))

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
        if longest > self.capacity:
            self.capacity = longest + GROWTH
        for slot, count in feeds:
            self.lengths[slot] += count
        return tensor([self.prefixes[slot].length + before[slot] + place for slot, place in tokens])

    def attend(self, layer: int, query: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """Attention of a pass's tokens, query (T, H·G, D), keys and then values (T, 2·H, D), to what each may see.

        Returns (T, H·G·D). On a CPU these products take half the time of PyTorch's flash kernel (docs/log.md).
        """
        now = self._pass
        assert now is not None
        tokens, heads, width = query.shape[0], keys_values.shape[1] // 2, query.shape[2]
        groups = query.shape[1] // heads
        keys, values = self._put(layer, keys_values, now)  # (N, H, K, D)
        rows = query.view(tokens, heads, groups, width).transpose(0, 1).reshape(heads, tokens * groups, width)
        mask = now.mask(groups, query.dtype)
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
        return result.view(heads, tokens, groups * width).transpose(0, 1).reshape(tokens, -1)

    def _put(self, layer: int, keys_values: torch.Tensor, now: _Pass) -> tuple[torch.Tensor, torch.Tensor]:
        """Put down a layer's new keys and values (T, 2·H, D); returns the own keys and values of the pass's slots."""
        heads, width = keys_values.shape[1] // 2, keys_values.shape[2]
        if layer == len(self.own):
            # Zeros, since what is hidden has the weight 0, and 0 times what memory held may be no number.
            self.own.append(keys_values.new_zeros(2, len(self.lengths), heads, self.capacity, width))
        elif (room := self.capacity - self.own[layer].shape[3]) > 0:
            self.own[layer] = torch.nn.functional.pad(self.own[layer], (0, 0, 0, room))
        own = self.own[layer]
        own[:, now.slot_of, :, now.columns] = keys_values.view(-1, 2, heads, width)
        count, _, longest = now.hidden.shape
        return own[0, :count, :, :longest], own[1, :count, :, :longest]


def _scores(query: torch.Tensor, keys: torch.Tensor, scale: float, mask: torch.Tensor | None = None) -> torch.Tensor:
    """(…, M, K) scores of query (…, M, D) at keys (…, K, D), with what ``mask`` adds."""
    scores = query @ keys.transpose(-1, -2)
    scores *= scale
    if mask is not None:
        scores += mask
    return scores
