"""A pack's attention as FlexAttention computes it, sdpa with a dense mask, and the pieces that a CPU computes."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from training_cases import worker
from training_cases.spider_rows import SHAPE
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from sqlfocus.models import attention, flex
from sqlfocus.training.packing import TokenizedExample, pack

KINDS = ("flex", "sdpa", "pieces")


def median_seconds(work: Callable[[], Any], times: int) -> float:
    """Of one call, after two that are not counted."""
    seconds = []
    for _ in range(times + 2):
        started = worker.now()
        work()
        seconds.append(worker.now() - started)
    return statistics.median(seconds[2:])


@contextmanager
def attending(kind: str) -> Iterator[None]:
    """Have packs attend by ``flex``; by ``sdpa`` with a dense mask; or by the ``pieces`` that a CPU computes."""
    if kind == "sdpa":
        with mock.patch.object(flex, "pack_attention", dense_attention):
            yield
    elif kind == "pieces":
        with mock.patch.object(flex, "available", lambda _device: False):
            yield
    else:
        yield


@functools.lru_cache(maxsize=2)
def dense_mask(prefix: int, lengths: tuple[int, ...], device: torch.device) -> torch.Tensor:
    sizes = torch.tensor([prefix, *lengths], device=device)
    branch = torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)
    return ((branch == 0) | (branch == branch[:, None])).tril_()[None, None]


def dense_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    prefix: int,
    lengths: tuple[int, ...],
    scale: float,
) -> torch.Tensor:
    """:func:`sqlfocus.models.flex.pack_attention` as transformers does it with a mask."""
    module = SimpleNamespace(num_key_value_groups=query.shape[1] // key.shape[1], is_causal=True)
    mask = dense_mask(prefix, lengths, query.device)
    result: torch.Tensor = sdpa_attention_forward(module, query, key, value, mask, scaling=scale)[0]
    return result


def attentions(row: list[TokenizedExample], device: torch.device) -> dict[str, Any]:
    """Attention of one layer to one row: milliseconds forward and backward, and how far results and gradients lie
    apart, in units of the largest number of float32's."""
    layout = pack(row, multiple=flex.MULTIPLE).layout
    assert layout is not None
    tokens = layout.prefix + sum(layout.lengths)
    width = SHAPE.hidden_size // SHAPE.num_attention_heads
    torch.manual_seed(0)
    inputs = [
        torch.randn(1, heads, tokens, width, device=device, dtype=torch.bfloat16, requires_grad=True)
        for heads in (SHAPE.num_attention_heads, SHAPE.num_key_value_heads, SHAPE.num_key_value_heads)
    ]
    up = torch.randn(1, tokens, SHAPE.num_attention_heads, width, device=device, dtype=torch.bfloat16)

    def through(kind: str, dtype: torch.dtype = torch.bfloat16) -> list[torch.Tensor]:
        given = [tensor.to(dtype) for tensor in inputs]
        with attending(kind):
            result, _ = attention.shared_prefix_attention(torch.nn.Module(), *given, None, layout=layout)
        return [result.detach(), *torch.autograd.grad(result, inputs, up.to(dtype))]

    found: dict[str, Any] = {"tokens": tokens, "prefix": layout.prefix, "branches": len(row)}
    exact = through("sdpa", torch.float32)
    results = {}
    for kind in KINDS:
        results[kind] = through(kind)
        found[f"{kind}_ms"] = 1000 * median_seconds(lambda kind=kind: through(kind), 5 if kind == "pieces" else 20)
        found[f"{kind}_error"] = apart(results[kind], exact, exact)
    found["flex_from_sdpa"] = apart(results["flex"], results["sdpa"], exact)
    return found


def apart(one: list[torch.Tensor], other: list[torch.Tensor], exact: list[torch.Tensor]) -> float:
    """The largest difference of results and gradients, over the largest number of the exact ones."""
    return max(
        float((a.float() - b.float()).abs().max() / c.float().abs().max())
        for a, b, c in zip(one, other, exact, strict=True)
    )
