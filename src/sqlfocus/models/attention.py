"""Attention to a shared prefix: what questions on one database have in common is computed and kept once.

In training a pack is one row, a prefix of P tokens and branches of T tokens together (:class:`Layout`). A dense mask
over P + T tokens makes a kernel compute all (P + T)² scores, most of which it throws away: with 38 branches behind a
schema of 600 tokens, four of five. Here the queries are taken in pieces (:class:`Piece`) of some branches, or of some
tokens of the prefix: each sees all of the row's first keys and, masked, its own. A piece's scores are one matrix
product small enough for the processor's cache; the backward pass computes them again instead of keeping them, as in
FlashAttention (Dao et al., 2022, arXiv 2205.14135). On an NVIDIA GPU :mod:`sqlfocus.models.flex` does the same.

In answering :class:`sqlfocus.models.branches.Branches` do the like.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sqlfocus.errors import UserError
from sqlfocus.models import flex
from sqlfocus.models.branches import Branches

NAME = "shared_prefix"
"""The implementation's name for ``model.set_attn_implementation``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A row's layout: ``prefix`` tokens, then branches of ``lengths`` tokens each, if any."""

    prefix: int
    lengths: tuple[int, ...]

    def pieces(self) -> list[tuple[int, int, int]]:
        """The queries that are computed together, as ``start, end, shared``; no branch is cut.

        The row's tokens ``start`` to ``end`` see its first ``shared`` keys, all of them, and of their own some.
        """
        bounds = [*range(0, self.prefix, PIECE_TOKENS), self.prefix]
        found = [(start, end, start) for start, end in pairwise(bounds)]
        start = end = self.prefix
        for length in self.lengths:
            if start < end and end + length - start > PIECE_TOKENS:
                found.append((start, end, self.prefix))
                start = end
            end += length
        return [*found, (start, end, self.prefix)] if start < end else found

    def scores(self) -> int:
        """How many scores are computed in one head, those that a mask throws away among them."""
        return sum((end - start) * (shared + end - start) for start, end, shared in self.pieces())


PIECE_TOKENS = 192
"""About how many tokens make a piece: fewer are more calls, more are more scores that the mask throws away."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One of :meth:`Layout.pieces` with its ``mask`` (end - start, end - start).

    The mask is added to the scores at the piece's own keys: 0 where a token sees another, else -inf.
    """

    start: int
    end: int
    shared: int
    mask: torch.Tensor


@functools.lru_cache(maxsize=4)
def _masked(layout: Layout, dtype: torch.dtype, device: torch.device) -> list[Piece]:
    """A row's pieces, kept for its other layers and its backward pass."""
    sizes = torch.tensor([layout.prefix, *layout.lengths], device=device)
    branch = torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)

    def mask(start: int, end: int) -> torch.Tensor:
        own = branch[start:end]
        seen = (own[:, None] == own[None, :]).tril_()
        return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, -math.inf)

    return [Piece(start, end, shared, mask(start, end)) for start, end, shared in layout.pieces()]


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


class _PackAttention(torch.autograd.Function):
    """A row's attention, piece by piece.

    Shapes, with H key/value heads, G query heads to each, L tokens of D numbers a head: query (H, Q·G, D), all of a
    token's before the next token's, its Q tokens the row's last, key and value (H, L, D), result as query.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        layout: Layout,
        groups: int,
        scale: float,
    ) -> torch.Tensor:
        query = query * scale
        result = torch.empty_like(query)
        highest, total = query.new_empty(2, *query.shape[:2], 1)
        for head, rows, piece in _work(query, key, layout, groups):
            weights = _scores(query[head, rows], _seen(key[head], piece), piece)
            torch.amax(weights, dim=-1, keepdim=True, out=highest[head, rows])
            weights.sub_(highest[head, rows]).exp_()
            torch.sum(weights, dim=-1, keepdim=True, out=total[head, rows])
            torch.mm(weights, _seen(value[head], piece), out=result[head, rows])
        result.div_(total)
        ctx.save_for_backward(query, key, value, result, highest, total)
        ctx.layout, ctx.groups, ctx.scale = layout, groups, scale
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, result, highest, total = ctx.saved_tensors
        # The weights' sums divide the gradient, not the weights: there are fewer of it.
        gradient = gradient / total
        delta = (gradient * result).sum(dim=-1, keepdim=True)
        query_gradient = torch.empty_like(query)
        key_gradient = torch.zeros_like(key, dtype=torch.float32)
        value_gradient = torch.zeros_like(value, dtype=torch.float32)
        for head, rows, piece in _work(query, key, ctx.layout, ctx.groups):
            few, few_gradient, keys = query[head, rows], gradient[head, rows], _seen(key[head], piece)
            weights = _scores(few, keys, piece).sub_(highest[head, rows]).exp_()
            _add(value_gradient[head], piece, weights.t() @ few_gradient)
            change = few_gradient @ _seen(value[head], piece).t()
            change.sub_(delta[head, rows]).mul_(weights)
            torch.mm(change, keys, out=query_gradient[head, rows])
            _add(key_gradient[head], piece, change.t() @ few)
        query_gradient.mul_(ctx.scale)
        return query_gradient, key_gradient.to(key.dtype), value_gradient.to(value.dtype), None, None, None


def _work(query: torch.Tensor, key: torch.Tensor, layout: Layout, groups: int) -> Iterator[tuple[int, slice, Piece]]:
    """Each head's pieces, and where in ``query`` they are: the first tokens of the row may not be there.

    A head by itself, since on a CPU a batched product gives heads to threads, and 3 heads keep 2 threads waiting for
    each other.
    """
    absent = key.shape[1] - query.shape[1] // groups
    for head in range(key.shape[0]):
        for piece in _masked(layout, query.dtype, query.device):
            if piece.start >= absent:
                yield head, slice((piece.start - absent) * groups, (piece.end - absent) * groups), piece


def _seen(tensor: torch.Tensor, piece: Piece) -> torch.Tensor:
    """Of keys or values (L, D) those that a piece sees."""
    if piece.start == piece.shared:
        return tensor[: piece.end]
    return torch.cat([tensor[: piece.shared], tensor[piece.start : piece.end]])


def _add(to: torch.Tensor, piece: Piece, gradient: torch.Tensor) -> None:
    """Add the gradient of :func:`_seen`'s result."""
    to[: piece.shared] += gradient[: piece.shared]
    to[piece.start : piece.end] += gradient[piece.shared :]


def _scores(query: torch.Tensor, keys: torch.Tensor, piece: Piece) -> torch.Tensor:
    """(S·G, K) masked scores of a piece's S tokens (S·G, D), scaled already, at the K keys that it sees."""
    scores = query @ keys.t()
    tokens = piece.end - piece.start
    scores.view(tokens, -1, len(keys))[:, :, piece.shared :] += piece.mask[:, None]
    return scores


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
    window = kwargs.get("sliding_window")
    if branches is not None:
        if window is not None and branches.longest > window:
            raise UserError(f"this model's tokens see only the {window} before them: prompt and answer are longer")
        by_token, keys_values = query[0].transpose(0, 1), torch.cat([key[0], value[0]]).transpose(0, 1)
        result = branches.attend(int(module.layer_idx), by_token, keys_values, scale)
        return result.view(1, *by_token.shape), None
    if prefix_keys is not None and not prefix_keys.filled:
        prefix_keys.keep(int(module.layer_idx), key[0], value[0])
    if layout is None or (not layout.lengths and flex.available(query.device)):
        result, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
        )
        return result, None
    if dropout:
        raise ValueError("a pack's attention has no dropout; Llama and Qwen models are trained without it")
    if window is not None and layout.prefix + max(layout.lengths, default=0) > window:
        raise UserError(
            f"this model's tokens see only the {window} before them, which cannot be packed: --packing none"
        )
    if prefix_keys is not None and layout.lengths:
        prefix_key, prefix_value = prefix_keys.layers[int(module.layer_idx)]
        key, value = torch.cat([prefix_key, key[0]], dim=1)[None], torch.cat([prefix_value, value[0]], dim=1)[None]
    if flex.available(query.device):
        return flex.pack_attention(query, key, value, prefix=layout.prefix, lengths=layout.lengths, scale=scale), None
    heads, (_, all_heads, tokens, width) = key.shape[1], query.shape
    groups = all_heads // heads
    rows = query[0].view(heads, groups, tokens, width).transpose(1, 2).reshape(heads, tokens * groups, width)
    result = _PackAttention.apply(rows, key[0], value[0], layout, groups, scale)
    return result.view(heads, tokens, groups, width).transpose(0, 1).reshape(1, tokens, all_heads, width), None


AttentionInterface.register(NAME, shared_prefix_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
