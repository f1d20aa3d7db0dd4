"""What a model has computed of a prefix, kept once for all that follows it."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Each layer's keys and values (H, P, D)."""

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @property
    def length(self) -> int:
        """Tokens."""
        return int(self.layers[0][0].shape[1]) if self.layers else 0

    @property
    def bytes(self) -> int:
        """Memory."""
        return sum(tensor.nbytes for pair in self.layers for tensor in pair)


NO_PREFIX = Prefix(())
