"""Linear layers whose weights lie as oneDNN reads them, for answering on a CPU.

PyTorch rearranges a matrix anew in each product; for one token, or a few, that costs as much as the product itself.
Rearranged once, a product of 1 to 8 tokens with SmolLM2's matrices takes half the time (docs/log.md).
"""

from __future__ import annotations

import torch

_TYPES = (torch.bfloat16, torch.float32)


class PackedLinear(torch.nn.Module):
    """A linear layer that can no longer be trained, saved or moved: x (…, inputs) → (…, outputs)."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = None if linear.bias is None else linear.bias.detach()
        # PyTorch's compiler uses the same two functions for frozen weights; they have no public name.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x @ weight.T + bias``."""
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self.bias, "none", [], "")
        return result


def pack_weights(model: torch.nn.Module) -> torch.nn.Module:
    """Put :class:`PackedLinear` in place of a model's linear layers, where it is on a CPU; returns the model.

    Layers of other kinds (4-bit ones, LoRA's) stay as they are. An output matrix that is the embedding too is then
    there twice.
    """
    if not torch.backends.mkldnn.is_available():
        return model
    with torch.inference_mode():
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if (
                    type(child) is torch.nn.Linear
                    and child.weight.device.type == "cpu"
                    and child.weight.dtype in _TYPES
                ):
                    setattr(parent, name, PackedLinear(child))
    return model
