"""A decoder layer's small operations in one pass over memory each, on an NVIDIA GPU.

transformers computes a norm, and the gating of a feed-forward network, in several operations, each of which reads and
writes its whole operand: a tenth of a 7B model's step on a GPU, and a seventh of its memory (docs/log.md).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP, Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP, Qwen3RMSNorm

from sqlfocus.models import flex


def fuse_layers(model: torch.nn.Module) -> int:
    """Have Llama's and Qwen's layers compute so while they train on a GPU; return how many norms and networks do.

    Elsewhere, and in modules of other kinds, all stays as it is. A module's class is changed, so that copies of it and
    what is read back from its pickle compute with their own weights.
    """
    count = 0
    for module in model.modules():
        fused = _FUSED.get(type(module))
        if fused is not None and not (issubclass(fused, _Network) and module.config.hidden_act != "silu"):
            module.__class__ = fused
            count += 1
    return count


class _Norm(torch.nn.Module):
    """Comes before a norm's class of transformers."""

    weight: torch.Tensor
    variance_epsilon: float

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and flex.available(x.device)):
            return super().forward(x)
        # PyTorch has one kernel for it where the types are the same; in the check the last norm's are not.
        return torch.nn.functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.variance_epsilon)


class _Network(torch.nn.Module):
    """Comes before a feed-forward network's class of transformers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and flex.available(x.device)):
            return super().forward(x)
        result: torch.Tensor = self.down_proj(_compiled()(self.gate_proj(x), self.up_proj(x)))
        return result


class _LlamaNorm(_Norm, LlamaRMSNorm): ...


class _Qwen2Norm(_Norm, Qwen2RMSNorm): ...


class _Qwen3Norm(_Norm, Qwen3RMSNorm): ...


class _LlamaNetwork(_Network, LlamaMLP): ...


class _Qwen2Network(_Network, Qwen2MLP): ...


class _Qwen3Network(_Network, Qwen3MLP): ...


_FUSED: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    LlamaRMSNorm: _LlamaNorm,
    Qwen2RMSNorm: _Qwen2Norm,
    Qwen3RMSNorm: _Qwen3Norm,
    LlamaMLP: _LlamaNetwork,
    Qwen2MLP: _Qwen2Network,
    Qwen3MLP: _Qwen3Network,
}


def _gated(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.silu(gate) * up


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    return flex.compiled(_gated)
