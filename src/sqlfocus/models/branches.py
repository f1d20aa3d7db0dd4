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

    def of(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A layer's keys and values, each (1, H, P, D)."""
        keys, values = self.layers[layer]
        return keys[None], values[None]

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
        none_hidden: whether it is true nowhere.
        first_slots: whether the branches are the first N, in order.
        spans: prefixes, with the first and the last token behind each.
    """

    slots: torch.Tensor
    slot_of: torch.Tensor
    columns: torch.Tensor
    padded: torch.Tensor | None
    hidden: torch.Tensor
    none_hidden: bool
    first_slots: bool
    spans: list[tuple[Prefix, int, int]]
    _masks: dict[tuple[int, torch.dtype], torch.Tensor] = field(default_factory=dict)

    def mask(self, groups: int, dtype: torch.dtype) -> torch.Tensor | None:
        """(N, 1, G·S, K): -inf where a key is hidden, else 0; the same for all layers."""
        if self.none_hidden:
            return None
        if (groups, dtype) not in self._masks:
            hidden = self.hidden.repeat(1, groups, 1)[:, None]
            zeros = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
            self._masks[groups, dtype] = zeros.masked_fill_(hidden, -math.inf)
        return self._masks[groups, dtype]


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
            widest == 1 and min(before) + 1 == longest,
            slots == list(range(len(slots))),
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
            part = own[0][:, :, start:end], own[1][:, :, start:end]
            if prefix.length:
                shared = attend_all(queries[:, :, start:end].flatten(1, 2)[None], *prefix.of(layer), scale)
                shape = (heads, -1, end - start)
                part = _merged(part, (shared[0].view(*shape, shared[0].shape[-1]), shared[1].view(*shape)))
            parts.append(part[0])
        result = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        return result.flatten(0, 1).transpose(0, 1)[None]

    def _own_part(
        self, layer: int, queries: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> _Part:
        """Put down the new keys and values (H, T, D), and attend to each branch's own tokens."""
        now = self._pass
        assert now is not None
        count, widest, longest = now.hidden.shape
        heads, groups, _, width = queries.shape
        keys, values = (
            stored if now.first_slots else stored[now.slots] for stored in self._put(layer, key, value, now)
        )
        if now.padded is None:
            padded = queries
        else:
            padded = queries.new_zeros(heads, groups, count * widest, width)
            padded[:, :, now.padded] = queries
        by_branch = padded.unflatten(2, (count, widest)).permute(2, 0, 1, 3, 4).flatten(2, 3)  # (N, H, G·S, D)
        result, weight = attend_all(
            by_branch, keys[:count, :, :longest], values[:count, :, :longest], scale, now.mask(groups, queries.dtype)
        )

        def by_token(tensor: torch.Tensor) -> torch.Tensor:
            flat = tensor.unflatten(2, (groups, widest)).permute(1, 2, 0, 3, *range(4, tensor.dim() + 1)).flatten(2, 3)
            return flat if now.padded is None else flat[:, :, now.padded]

        return by_token(result), by_token(weight)

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


_Part = tuple[torch.Tensor, torch.Tensor]
"""Attention to some of the keys: what comes out (H, G, T, D), and the logarithm of its softmax's sum (H, G, T)."""


def _merged(first: _Part, second: _Part) -> _Part:
    """Attention to both parts' keys."""
    both = torch.logaddexp(first[1], second[1])
    mine, other = ((one[1] - both).exp_()[..., None] for one in (first, second))
    return (first[0] * mine + second[0] * other).to(first[0].dtype), both


def attend_all(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, mask: torch.Tensor | None = None
) -> _Part:
    """Softmax attention of query (N, H, M, D) to key and value (N, H, K, D), and its logsumexp (N, H, M) in float32.

    ``mask`` (N, 1, M, K) is added to the scores. On a CPU by PyTorch's kernel, whose function for scaled dot products
    does not give away its logsumexp.
    """
    if query.device.type == "cpu":
        result: _Part = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, attn_mask=mask, scale=scale
        )
        return result
    return attend_all_plainly(query, key, value, scale, mask)


def attend_all_plainly(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, mask: torch.Tensor | None = None
) -> _Part:
    """What :func:`attend_all` gives, in matrix products."""
    scores = (query @ key.transpose(-1, -2)).float().mul_(scale)
    if mask is not None:
        scores += mask
    logsumexp = scores.logsumexp(dim=-1)
    return (scores - logsumexp[..., None]).exp_().to(value.dtype) @ value, logsumexp
