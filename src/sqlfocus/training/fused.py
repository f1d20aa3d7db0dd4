"""A decoder layer's small operations in one pass over memory each, on an NVIDIA GPU.

transformers computes a norm, and the gating of a feed-forward network, in several operations, each of which reads and
writes its whole operand: a tenth of a 7B model's step on a GPU, and a seventh of its memory (docs/log.md).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from sqlfocus.models import flex


def fuse_layers(model: torch.nn.Module) -> int:
    """Have Llama's and Qwen's layers compute so while they train on a GPU; return how many norms and networks do.

    Elsewhere, and in modules of other kinds, all stays as it is.
    """
    count = 0
    for module in model.modules():
        name = type(module).__name__
        if name in ("LlamaRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"):
            _replace(module, functools.partial(_norm, module))
        elif name in ("LlamaMLP", "Qwen2MLP", "Qwen3MLP") and module.config.hidden_act == "silu":
            _replace(module, functools.partial(_network, module))
        else:
            continue
        count += 1
    return count


def _replace(module: Any, fused: Callable[[torch.Tensor], torch.Tensor]) -> None:
    plain = module.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        return fused(x) if module.training and flex.available(x.device) else plain(x)

    module.forward = forward


def _norm(module: Any, x: torch.Tensor) -> torch.Tensor:
    # PyTorch has one kernel for it where the types are the same; in the check the last norm's are not.
    return torch.nn.functional.rms_norm(x, module.weight.shape, module.weight.to(x.dtype), module.variance_epsilon)


def _network(module: Any, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = module.down_proj(_compiled()(module.gate_proj(x), module.up_proj(x)))
    return result


def _gated(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.silu(gate) * up


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    return torch.compile(_gated, dynamic=True)
