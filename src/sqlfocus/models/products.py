"""Products with frozen weights, for answering: on a CPU they lie as oneDNN reads them.

PyTorch rearranges a matrix anew in each product; for one token, or a few, that costs as much as the product itself.
Rearranged once, a product of 1 to 8 tokens with SmolLM2's matrices takes half the time (docs/log.md). oneDNN also
applies what follows a product while the result is in its registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

_TYPES = (torch.bfloat16, torch.float32)


class Product(Protocol):
    """``x @ weight.T + bias``: x (…, inputs) → (…, outputs); and what may be done to the result with it."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The product itself."""
        ...

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        """Its SiLU."""
        ...

    def times(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Times ``other`` (…, outputs)."""
        ...

    def plus(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Plus ``other`` (…, outputs)."""
        ...


class PackedProduct:
    """A :class:`Product` whose weights are rearranged."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        # PyTorch's compiler uses the same functions for frozen weights; they have no public name.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self._bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return result

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "swish", [], "")
        return result

    def times(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, self._bias, "mul")
        return result

    def plus(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, self._bias, "add")
        return result


class PlainProduct:
    """A :class:`Product` in PyTorch's own functions, on any device: the plain twin."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        return torch.nn.functional.linear(x, self._weight, self._bias)

    def silu(self, x: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        return torch.nn.functional.silu(self(x), inplace=True)

    def times(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        return self(x).mul_(other)

    def plus(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See :class:`Product`."""
        return self(x).add_(other)


@torch.inference_mode()
def product(linears: Sequence[torch.nn.Linear]) -> Product:
    """Some linear layers of the same inputs as one, their outputs side by side; packed where the device is a CPU."""
    weights = [linear.weight.detach() for linear in linears]
    biases = [linear.bias.detach() for linear in linears if linear.bias is not None]
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    if biases and len(biases) < len(linears):
        raise ValueError("of these layers some have a bias and some have none")
    bias = torch.cat(biases) if biases else None
    packs = weight.device.type == "cpu" and weight.dtype in _TYPES and torch.backends.mkldnn.is_available()
    return PackedProduct(weight, bias) if packs else PlainProduct(weight, bias)
