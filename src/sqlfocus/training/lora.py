"""LoRA's linear layers with a backward pass of their own: the same numbers, fewer passes over memory.

PEFT computes ``base(x) + B(A(x)) * scale`` as separate operations, each of which writes and reads the layer's whole
output again, forward and backward. Here the low-rank product is added into the output by the matrix product itself, and
the backward pass keeps ``x`` and ``A(x)`` alone.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import LoraLayer


class _LowRankLinear(torch.autograd.Function):
    """``x @ W.T + bias + scale * (d @ A.T) @ B.T``, W and the bias frozen.

    x and d (…, K), W (N, K), A (r, K), B (N, r), result (…, N). d is x, or x after dropout. All is computed in x's
    type; A and B may be kept in float32, and have their gradients in it. Where W is packed in 4 bits, ``state`` says
    how; it is unpacked for either pass anew, and not kept between them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        dropped: torch.Tensor | None,
        packed: torch.Tensor,
        state: Any,
        bias: torch.Tensor | None,
        first: torch.Tensor,
        second: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        source = rows if dropped is None else dropped.reshape(-1, x.shape[-1])
        ctx.kept = first.dtype
        first, second = first.to(x.dtype), second.to(x.dtype)
        weight = _unpacked(packed, state)
        low = source @ first.t()  # (L, r)
        result = torch.nn.functional.linear(rows, weight, bias)
        result.addmm_(low, second.t(), alpha=scale)
        ctx.save_for_backward(source, low, packed, first, second)
        ctx.state, ctx.scale, ctx.shape, ctx.has_dropout = state, scale, x.shape, dropped is not None
        return result.view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        source, low, packed, first, second = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        low_gradient = rows @ second * ctx.scale  # (L, r)
        first_gradient = low_gradient.t() @ source
        second_gradient = rows.t() @ low * ctx.scale
        x_gradient = dropped_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = rows @ _unpacked(packed, ctx.state)
            if not ctx.has_dropout:
                x_gradient.addmm_(low_gradient, first)
            x_gradient = x_gradient.view(ctx.shape)
        if ctx.has_dropout:
            dropped_gradient = (low_gradient @ first).view(ctx.shape)
        first_gradient, second_gradient = first_gradient.to(ctx.kept), second_gradient.to(ctx.kept)
        return x_gradient, dropped_gradient, None, None, None, first_gradient, second_gradient, None


def _unpacked(weight: torch.Tensor, state: Any) -> torch.Tensor:
    if state is None:
        return weight
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight, state)


def _state(base: torch.nn.Module) -> Any:
    """How bitsandbytes packed a linear layer's weight in 4 bits; None where it is not packed."""
    return getattr(base.weight, "quant_state", None)


def _type(base: torch.nn.Module) -> torch.dtype:
    """The type of a linear layer's weight, unpacked."""
    state = _state(base)
    return state.dtype if state is not None else base.weight.dtype


def _forward(module: Any, adapter: str, x: torch.Tensor) -> torch.Tensor:
    base = module.base_layer
    dropout = module.lora_dropout[adapter]
    dropped = None if isinstance(dropout, torch.nn.Identity) else dropout(x)
    return _LowRankLinear.apply(
        x,
        dropped,
        base.weight,
        _state(base),
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

    A layer is plain where the base is a ``torch.nn.Linear`` or one that bitsandbytes holds in 4 bits, there is no DoRA,
    and A and B are of its type or float32. Others, and all layers in evaluation, compute as PEFT has them, float32
    matrices in float32.
    """
    count = 0
    for module in model.modules():
        if not isinstance(module, LoraLayer) or len(module.active_adapters) != 1:
            continue
        (adapter,) = module.active_adapters
        base = module.base_layer
        if type(base) is not torch.nn.Linear and _state(base) is None:
            continue
        if getattr(module, "use_dora", {}).get(adapter) or module.lora_B[adapter].bias is not None:
            continue
        if module.lora_A[adapter].weight.dtype not in (_type(base), torch.float32):
            continue
        plain = module.forward

        def forward(
            x: torch.Tensor, *args: Any, module: Any = module, plain: Any = plain, **kwargs: Any
        ) -> torch.Tensor:
            dtype = _type(module.base_layer)
            if not module.training or module.disable_adapters or module.merged or not _computes_in(dtype, x):
                return plain(x, *args, **kwargs)
            return _forward(module, module.active_adapters[0], x.to(dtype))

        module.forward = forward
        count += 1
    return count
