"""Attention to a shared prefix: what questions on one database have in common is computed and kept once.

In training a pack is one row, a prefix of P tokens and branches of T tokens together (:class:`Layout`). A dense mask
over P + T tokens makes a kernel compute all (P + T)² scores, most of which it throws away: with 38 branches behind a
schema of 600 tokens, four of five. Here the prefix attends to itself causally, and the branch tokens attend to the P
prefix keys in one matrix product and to their own branch in a batched small one. Both parts share one softmax, put
together by their sums as FlashAttention does for its blocks (Dao et al., 2022, arXiv 2205.14135); the backward pass
computes the scores again instead of keeping them. On an NVIDIA GPU :mod:`sqlfocus.models.flex` does the same.

In answering (:class:`Branches`) the prefix's keys and values are kept once for the batch, not once for each question,
and all questions' attention to them is one matrix product, as in Hydragen (Juravsky et al., 2024, arXiv 2402.05099).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sqlfocus.errors import UserError
from sqlfocus.models import flex

NAME = "shared_prefix"
"""The implementation's name for ``model.set_attn_implementation``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A row's layout: ``prefix`` tokens, then branches of ``lengths`` tokens each."""

    prefix: int
    lengths: tuple[int, ...]

    def gather(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Where each branch's tokens are, counted from the end of the prefix.

        Returns:
            (n, S) indices, S the longest branch, 0 where a branch is shorter; and (n, S) true where it is not.
        """
        lengths = torch.tensor(self.lengths, device=device)
        steps = torch.arange(int(lengths.max()), device=device)
        real = steps[None, :] < lengths[:, None]
        starts = lengths.cumsum(0) - lengths
        return (starts[:, None] + steps[None, :]) * real, real


class PrefixKeys:
    """A prefix's keys and values in each layer, which several rows of branches attend to.

    The prefix is computed once, in a pass of its own. Each row of branches but the last takes :meth:`apart` and is
    differentiated by itself, down to these keys and values; the last takes :meth:`joined`, and its backward pass goes
    on through the prefix with the gradients of all rows. So memory holds the prefix and one row, whatever their number.
    """

    def __init__(self) -> None:
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.filled = False

    def keep(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
        """Put down what ``layer`` computed for the prefix, key and value (H, P, D)."""
        self.layers.setdefault(layer, (key, value))  # gradient checkpointing computes a layer twice

    def apart(self) -> PrefixKeys:
        """The same without what they were computed from; they collect their gradients."""
        made = PrefixKeys()
        made.layers = {
            layer: (key.detach().requires_grad_(key.requires_grad), value.detach().requires_grad_(value.requires_grad))
            for layer, (key, value) in self.layers.items()
        }
        made.filled = True
        return made

    def joined(self, apart: PrefixKeys) -> PrefixKeys:
        """These, to whose gradients those of ``apart`` are added on the way to the prefix."""
        for layer, pair in self.layers.items():
            for tensor, leaf in zip(pair, apart.layers[layer], strict=True):
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient, leaf=leaf: gradient + leaf.grad)
        self.filled = True
        return self


class _BranchAttention(torch.autograd.Function):
    """Branch tokens' attention to the prefix and to their own branch.

    Shapes, with H key/value heads, G query heads to each, T branch tokens, P prefix tokens, D a head's width:
    query (H, G, T, D), key and value (H, P + T, D), result (H, G, T, D).
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float
    ) -> torch.Tensor:
        heads, groups, tokens, width = query.shape
        index, real = layout.gather(query.device)
        prefix = layout.prefix
        flat = query.reshape(heads, groups * tokens, width)
        weights = _product(flat, key[:, :prefix].transpose(1, 2)).mul_(scale)  # (H, G·T, P)
        own_query, own_key, own_value = _own(query, key[:, prefix:], value[:, prefix:], index)
        own_weights = _own_scores(own_query, own_key, real, groups, scale)  # (n, H, G·S, S)

        # One softmax over both parts. torch.logsumexp takes 4 times as long as these passes do.
        highest = _scatter(own_weights.amax(dim=-1), index, real, groups, tokens)  # (H, G, T)
        if prefix:
            highest = torch.maximum(highest, weights.amax(dim=-1).view(heads, groups, tokens))
        weights.sub_(highest.view(heads, -1, 1)).exp_()
        own_weights.sub_(_gather(highest, index)[..., None]).exp_()
        total = weights.sum(dim=-1).view(heads, groups, tokens)
        total = total + _scatter(own_weights.sum(dim=-1), index, real, groups, tokens)
        result = _product(weights, value[:, :prefix]).view(heads, groups, tokens, width)
        result = (result + _scatter(own_weights @ own_value, index, real, groups, tokens)).div_(total[..., None])
        lse = highest + total.log()
        ctx.save_for_backward(query, key, value, result, lse)
        ctx.layout, ctx.scale = layout, scale
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, result, lse = ctx.saved_tensors
        layout, scale = ctx.layout, ctx.scale
        heads, groups, tokens, width = query.shape
        index, real = layout.gather(query.device)
        prefix = layout.prefix
        flat, flat_gradient = query.reshape(heads, -1, width), gradient.reshape(heads, -1, width)
        delta = (gradient * result).sum(dim=-1)  # (H, G, T)
        key_gradient, value_gradient = torch.zeros_like(key), torch.zeros_like(value)

        prefix_key, prefix_value = key[:, :prefix], value[:, :prefix]
        weights = _product(flat, prefix_key.transpose(1, 2)).mul_(scale).sub_(lse.view(heads, -1, 1)).exp_()
        value_gradient[:, :prefix] = _product(weights.transpose(1, 2), flat_gradient)
        change = _product(flat_gradient, prefix_value.transpose(1, 2))
        change = change.sub_(delta.view(heads, -1, 1)).mul_(weights).mul_(scale)
        query_gradient = _product(change, prefix_key).view(heads, groups, tokens, width)
        key_gradient[:, :prefix] = _product(change.transpose(1, 2), flat)

        own_query, own_key, own_value = _own(query, key[:, prefix:], value[:, prefix:], index)
        own_weights = _own_scores(own_query, own_key, real, groups, scale).sub_(_gather(lse, index)[..., None]).exp_()
        own_gradient = _gather(gradient, index) * real.repeat(1, groups)[:, None, :, None]
        own_change = own_gradient @ own_value.transpose(-1, -2)
        own_change = own_change.sub_(_gather(delta, index)[..., None]).mul_(own_weights).mul_(scale)
        query_gradient = query_gradient + _scatter(own_change @ own_key, index, real, groups, tokens)
        # A padded row of own_change belongs to no token: its query must not count.
        own_change = own_change * real.repeat(1, groups)[:, None, :, None]
        key_gradient[:, prefix:] = _scatter(own_change.transpose(-1, -2) @ own_query, index, real, 1, tokens)[:, 0]
        value_gradient[:, prefix:] = _scatter(own_weights.transpose(-1, -2) @ own_gradient, index, real, 1, tokens)[
            :, 0
        ]
        return query_gradient, key_gradient, value_gradient, None, None


def _product(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """``first @ second`` for (H, M, K) and (H, K, N).

    On a CPU each head by itself: a batched product gives heads to threads, and 3 heads keep 2 threads waiting for each
    other (25.8 ms against 17.6 for 3 × 3522 × 64 × 1137).
    """
    if first.device.type != "cpu":
        return torch.bmm(first, second)
    result = first.new_empty(first.shape[0], first.shape[1], second.shape[2])
    for head in range(first.shape[0]):
        torch.mm(first[head], second[head], out=result[head])
    return result


def _own(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, index: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each branch's queries (n, H, G·S, D), keys and values (n, H, S, D)."""
    return _gather(query, index), _gather(key[:, None], index), _gather(value[:, None], index)


def _gather(tensor: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """From (H, G, T, …) to (n, H, G·S, …)."""
    picked = tensor[:, :, index]  # (H, G, n, S, …)
    heads, groups, count, longest = picked.shape[:4]
    return picked.permute(2, 0, 1, 3, *range(4, picked.dim())).reshape(
        count, heads, groups * longest, *picked.shape[4:]
    )


def _scatter(tensor: torch.Tensor, index: torch.Tensor, real: torch.Tensor, groups: int, tokens: int) -> torch.Tensor:
    """From (n, H, G·S, …) to (H, G, T, …); padding is left out."""
    count, heads, _ = tensor.shape[:3]
    spread = tensor.reshape(count, heads, groups, index.shape[1], *tensor.shape[3:])
    spread = spread.permute(1, 2, 0, 3, *range(4, spread.dim()))  # (H, G, n, S, …)
    # Real tokens come in the order of branches and of tokens in them, which is their order in the row.
    assert int(real.sum()) == tokens
    return spread[:, :, real]


def _own_scores(query: torch.Tensor, key: torch.Tensor, real: torch.Tensor, groups: int, scale: float) -> torch.Tensor:
    """(n, H, G·S, S): causal scores in a branch, -inf at padded keys; a padded query sees its branch's first token."""
    longest = real.shape[1]
    causal = torch.ones((longest, longest), dtype=torch.bool, device=query.device).tril_()
    seen = causal & real[:, None, :]  # (n, S, S)
    scores = query @ key.transpose(-1, -2) * scale
    return scores.masked_fill_(~seen.repeat(1, groups, 1)[:, None], -math.inf)


class Branches:
    """The keys and values of a batch of branches being decoded behind one prefix; the model is run without a cache.

    Shapes, with N branches, H key/value heads of width D, P prefix tokens: a layer's prefix (H, P, D), its own part
    (N, H, capacity, D) of which ``length`` tokens are filled.
    """

    def __init__(self, prefix: Sequence[tuple[torch.Tensor, torch.Tensor]], capacity: int) -> None:
        self.prefix = prefix
        self.capacity = capacity
        self.length = 0
        self.own: list[tuple[torch.Tensor, torch.Tensor]] = []

    def extend(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put down what ``layer`` computed for new tokens (N, H, S, D); return all that it has of the branches' own."""
        if layer == len(self.own):
            shape = (*key.shape[:2], self.capacity, key.shape[3])
            self.own.append((key.new_empty(shape), value.new_empty(shape)))
        end = self.length + key.shape[2]
        keys, values = self.own[layer]
        keys[:, :, self.length : end] = key
        values[:, :, self.length : end] = value
        return keys[:, :, :end], values[:, :, :end]

    def advance(self, tokens: int) -> None:
        """Say that a forward pass over ``tokens`` new columns is done."""
        self.length += tokens

    def select(self, rows: torch.Tensor) -> None:
        """Keep these branches only."""
        self.own = [(keys[rows], values[rows]) for keys, values in self.own]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention of new tokens to the prefix and to their own branch.

        query (N, H·G, S, D), key and value (N, H, S, D), seen (N, 1, S, T) true where a token sees another of its
        branch; returns (N, S, H·G, D).
        """
        own_key, own_value = self.extend(layer, key, value)
        prefix_key, prefix_value = self.prefix[layer]
        count, heads, _, width = own_key.shape
        new = query.shape[2]
        query = query.unflatten(1, (heads, -1))  # (N, H, G, S, D)
        groups = query.shape[2]
        own = (query.flatten(2, 3) @ own_key.transpose(-1, -2)).unflatten(2, (groups, new)).float() * scale
        own = own.masked_fill_(~seen[:, :, None], -math.inf)  # (N, H, G, S, T)
        flat = query.transpose(0, 1).reshape(heads, -1, width)
        shared = _product(flat, prefix_key.transpose(1, 2)).float().mul_(scale)  # (H, N·G·S, P)

        def by_branch(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.view(heads, count, groups, new, -1).transpose(0, 1)  # (N, H, G, S, …)

        highest = own.amax(dim=-1, keepdim=True)
        if shared.shape[2]:
            highest = torch.maximum(highest, by_branch(shared.amax(dim=-1)))
        own = own.sub_(highest).exp_()
        shared = shared.sub_(highest.transpose(0, 1).reshape(heads, -1, 1)).exp_()
        total = own.sum(dim=-1, keepdim=True) + by_branch(shared.sum(dim=-1))
        result = (own.flatten(2, 3).to(value.dtype) @ own_value).unflatten(2, (groups, new))
        result = result + by_branch(_product(shared.to(value.dtype), prefix_value))
        return (result / total.to(value.dtype)).flatten(1, 2).transpose(1, 2)


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    layout: Layout | None = None,
    prefix_keys: PrefixKeys | None = None,
    branches: Branches | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: ``layout`` for a pack, ``branches`` in decoding, sdpa where there is neither.

    query (B, heads, L, D), key and value (B, key/value heads, L, D), B being 1 for a pack; returns (B, L, heads, D).
    With ``prefix_keys`` the row is either the prefix, whose keys and values they keep, or branches behind it.
    """
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    if branches is not None:
        assert attention_mask is not None
        return branches.attend(int(module.layer_idx), query, key, value, attention_mask, scale), None
    if prefix_keys is not None and not prefix_keys.filled:
        prefix_keys.keep(int(module.layer_idx), key[0], value[0])
    if layout is None:
        result, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
        return result, None
    if dropout:
        raise ValueError("a pack's attention has no dropout; Llama and Qwen models are trained without it")
    window = kwargs.get("sliding_window")
    if window is not None and layout.prefix + max(layout.lengths) > window:
        raise UserError(
            f"this model's tokens see only the {window} before them, which cannot be packed: --packing none"
        )
    if prefix_keys is not None:
        prefix_key, prefix_value = prefix_keys.layers[int(module.layer_idx)]
        key, value = torch.cat([prefix_key, key[0]], dim=1)[None], torch.cat([prefix_value, value[0]], dim=1)[None]
    if flex.available(query.device):
        return flex.pack_attention(query, key, value, prefix=layout.prefix, lengths=layout.lengths, scale=scale), None
    own = query.shape[2] - (
        key.shape[2] - layout.prefix
    )  # the prefix's queries: all, or none where only keys are there
    heads = key.shape[1]
    parts = []
    if own:
        parts.append(
            torch.nn.functional.scaled_dot_product_attention(
                query[:, :, :own],
                key[:, :, :own],
                value[:, :, :own],
                is_causal=True,
                scale=scale,
                enable_gqa=query.shape[1] != heads,
            )[0]
        )
    tokens = query[0, :, own:].unflatten(0, (heads, -1))
    parts.append(_BranchAttention.apply(tokens, key[0], value[0], layout, scale).flatten(0, 1))
    return torch.cat(parts, dim=1).transpose(0, 1)[None], None


AttentionInterface.register(NAME, shared_prefix_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
