"""LoRA's linear layers with a backward pass of their own: the same numbers, fewer passes over memory.

PEFT computes ``base(x) + B(A(x)) * scale`` as separate operations, each of which writes and reads the layer's whole
output again, forward and backward. Here the low-rank product is added into the output by the matrix product itself, and
the backward pass keeps ``x`` and ``A(x)`` alone.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear


class _LowRankLinear(torch.autograd.Function):
    """``x @ W.T + bias + scale * (d @ A.T) @ B.T``, W and the bias frozen.

    x and d (…, K), W (N, K), A (r, K), B (N, r), result (…, N). d is x, or x after dropout. All is computed in W's
    type; A and B may be kept in float32, and have their gradients in it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        dropped: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        first: torch.Tensor,
        second: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        source = rows if dropped is None else dropped.reshape(-1, x.shape[-1])
        ctx.kept = first.dtype
        first, second = first.to(weight.dtype), second.to(weight.dtype)
        low = source @ first.t()  # (L, r)
        result = torch.nn.functional.linear(rows, weight, bias)
        result.addmm_(low, second.t(), alpha=scale)
        ctx.save_for_backward(source, low, weight, first, second)
        ctx.scale, ctx.shape, ctx.has_dropout = scale, x.shape, dropped is not None
        return result.view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        source, low, weight, first, second = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        low_gradient = rows @ second * ctx.scale  # (L, r)
        first_gradient = low_gradient.t() @ source
        second_gradient = rows.t() @ low * ctx.scale
        x_gradient = dropped_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = rows @ weight
            if not ctx.has_dropout:
                x_gradient.addmm_(low_gradient, first)
            x_gradient = x_gradient.view(ctx.shape)
        if ctx.has_dropout:
            dropped_gradient = (low_gradient @ first).view(ctx.shape)
        first_gradient, second_gradient = first_gradient.to(ctx.kept), second_gradient.to(ctx.kept)
        return x_gradient, dropped_gradient, None, None, first_gradient, second_gradient, None


def _forward(module: LoraLinear, adapter: str, x: torch.Tensor) -> torch.Tensor:
    base = module.base_layer
    dropout = module.lora_dropout[adapter]
    dropped = None if isinstance(dropout, torch.nn.Identity) else dropout(x)
    return _LowRankLinear.apply(
        x,
        dropped,
        base.weight,
        base.bias,
        module.lora_A[adapter].weight,
        module.lora_B[adapter].weight,
        module.scaling[adapter],
    )


def _computes_in(dtype: torch.dtype, x: torch.Tensor) -> bool:
    """Whether a linear layer computes x in ``dtype``: it does in x's own, or in autocast's."""
    kind = x.device.type
    return dtype == (torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype)


def speed_up(model: torch.nn.Module) -> int:
    """Give the model's plain LoRA layers this forward pass while they train; return how many there are.

    A layer is plain where the base is a ``torch.nn.Linear``, not quantized and not DoRA, and A and B are of its type or
    float32. Others, and all layers in evaluation, compute as PEFT has them; PEFT computes float32 matrices in float32.
    """
    count = 0
    for module in model.modules():
        if not isinstance(module, LoraLinear) or len(module.active_adapters) != 1:
            continue
        (adapter,) = module.active_adapters
        if type(module.base_layer) is not torch.nn.Linear or module.use_dora.get(adapter):
            continue
        if module.lora_A[adapter].weight.dtype not in (module.base_layer.weight.dtype, torch.float32):
            continue
        if module.lora_B[adapter].bias is not None:
            continue
        plain = module.forward

        def forward(
            x: torch.Tensor, *args: Any, module: LoraLinear = module, plain: Any = plain, **kwargs: Any
        ) -> torch.Tensor:
            if (
                not module.training
                or module.disable_adapters
                or module.merged
                or not _computes_in(module.base_layer.weight.dtype, x)
            ):
                return plain(x, *args, **kwargs)
            return _forward(module, module.active_adapters[0], x.to(module.base_layer.weight.dtype))

        module.forward = forward
        count += 1
    return count
