"""A pack's attention through PyTorch's FlexAttention, for NVIDIA GPUs.

One compiled kernel computes only the blocks of 128 × 128 scores in which a token sees another, forward and backward
(Dong et al., 2024, arXiv 2412.05496). It is compiled once for all lengths; rows are still filled up to a multiple of
:data:`MULTIPLE`, so that no block is cut.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

MULTIPLE = 128
"""Rows are filled up to a multiple of so many tokens."""


def available(device: torch.device) -> bool:
    """Whether ``device`` can run it: CUDA, with triton, which compiles it."""
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


@functools.lru_cache(maxsize=2)
def block_mask(prefix: int, lengths: tuple[int, ...], device: torch.device, *, skipped: int = 0) -> BlockMask:
    """The mask of a row, its first ``skipped`` queries left out; kept for the row's other layers and backward pass."""
    sizes = torch.tensor([prefix, *lengths], device=device)
    branch = torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)  # 0 is the prefix

    def seen(_batch: Any, _head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        query = query + skipped
        return (key <= query) & ((branch[key] == 0) | (branch[key] == branch[query]))

    total = len(branch)
    return create_block_mask(seen, B=None, H=None, Q_LEN=total - skipped, KV_LEN=total, device=device)


@functools.cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=True)


def pack_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    prefix: int,
    lengths: tuple[int, ...],
    scale: float,
) -> torch.Tensor:
    """Attention of a row: ``prefix`` tokens, then branches of ``lengths``.

    query (1, heads, L, D), or the branches' alone, key and value (1, key/value heads, L, D); returns query's shape with
    heads and tokens changed over. On a CPU it is not
    compiled and has no backward pass, which serves tests of the mask.
    """
    kernel = _compiled() if query.device.type == "cuda" else flex_attention
    mask = block_mask(prefix, lengths, query.device, skipped=key.shape[2] - query.shape[2])
    result = kernel(query, key, value, block_mask=mask, scale=scale, enable_gqa=query.shape[1] != key.shape[1])
    return result.transpose(1, 2)
