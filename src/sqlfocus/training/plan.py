"""What a run will cost, estimated before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlfocus.corpus.prefix import shared_length
from sqlfocus.training.packing import Packing, TokenizedExample

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Plan:
    """``tokens`` and ``plain_tokens`` an epoch, with and without sharing; ``memory`` in bytes."""

    tokens: int
    plain_tokens: int
    longest_row: int
    memory: int


def row_tokens(row: Sequence[TokenizedExample], packing: Packing) -> int:
    """How many tokens one forward pass over ``row`` computes, padding included."""
    if packing == "none":
        return len(row) * max(len(example) for example in row)
    prefix = shared_length([example.prompt for example in row]) if len(row) > 1 else 0
    return prefix + sum(len(example) - prefix for example in row)


def estimate(model: PreTrainedModel, rows: Sequence[Sequence[TokenizedExample]], *, packing: Packing) -> Plan:
    """Estimate tokens and memory of an epoch of ``rows`` (the examples as packing cuts them, steps aside).

    Memory is weights, LoRA's gradients and Adam's two moments in float32, and the longest row's activations: what the
    backward pass of one decoder layer keeps is about 20 hidden and 5 intermediate vectors a token, a boolean attention
    mask and its float copy, and the logits of its answers, three times.
    """
    config = model.config
    lengths = [row_tokens(row, packing) for row in rows]
    at = max(range(len(rows)), key=lambda index: lengths[index])
    longest, labels = lengths[at], sum(len(example.answer) for example in rows[at])
    width = next(model.parameters()).element_size()
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    layer = longest * (20 * config.hidden_size + 5 * config.intermediate_size) * width
    activations = layer * config.num_hidden_layers
    per_row = longest // len(rows[at]) if packing == "none" else longest
    masks = 5 * per_row * longest
    logits = 3 * labels * config.vocab_size * 4
    return Plan(
        tokens=sum(lengths),
        plain_tokens=sum(len(example) for row in rows for example in row),
        longest_row=longest,
        memory=weights + 12 * trainable + activations + masks + logits,
    )
