"""The output layer and the loss in one, a few tokens at a time: the logits of all of them are never in memory.

A vocabulary of 150,000 entries makes the logits of a row's answers the largest tensors of a step, several times over:
in the model's type, in float32, as probabilities, as gradients. Here the gradient with respect to the hidden states is
computed along with the loss, as in Liger Kernel (Hsu et al., 2024, arXiv 2410.10989), and kept instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

TOKENS = 256
"""So many tokens' logits are in memory at once."""

_labels: ContextVar[torch.Tensor | None] = ContextVar("labels", default=None)


@contextmanager
def asked(labels: torch.Tensor | None) -> Iterator[None]:
    """Have :func:`fuse_loss`'s output layer compute losses, not logits; ``labels`` (B, K), -100 where none is asked.

    With None it computes logits.
    """
    token = _labels.set(labels)
    try:
        yield
    finally:
        _labels.reset(token)


class _HeadLoss(torch.autograd.Function):
    """Each token's cross entropy, in float32 and 0 at label -100.

    hidden (B, K, D), weight (V, D) and bias (V) frozen, labels (B, K), result (B, K).
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor
    ) -> torch.Tensor:
        rows = (labels.flatten() != -100).nonzero()[:, 0]
        flat, targets = hidden.flatten(0, 1), labels.flatten()
        losses = torch.zeros(len(targets), dtype=torch.float32, device=hidden.device)
        gradient = torch.zeros_like(flat) if ctx.needs_input_grad[0] else None
        for part in rows.split(TOKENS):
            wanted = targets[part, None]
            logits = torch.nn.functional.linear(flat[part], weight, bias).float()
            top = logits.amax(dim=-1, keepdim=True)
            at_label = logits.gather(1, wanted)
            total = logits.sub_(top).exp_().sum(dim=-1, keepdim=True)
            losses[part] = (total.log() + top - at_label)[:, 0]
            if gradient is not None:
                change = logits.div_(total)  # the probabilities
                change.scatter_add_(1, wanted, -torch.ones_like(total))
                gradient[part] = change.to(weight.dtype) @ weight
        if gradient is not None:
            ctx.save_for_backward(gradient.view_as(hidden))
        return losses.view_as(labels)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        return (kept * gradient[..., None]).to(kept.dtype), None, None, None


def fuse_loss(model: torch.nn.Module) -> bool:
    """Have the model's output layer compute the losses where :func:`asked`; return whether it can.

    It can where it is a frozen ``torch.nn.Linear`` whose results are the model's logits as they are, not scaled or
    capped: one token is run through the model to see that.
    """
    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.weight.requires_grad:
        return False
    plain = head.forward
    results = []
    handle = head.register_forward_hook(lambda _module, _inputs, result: results.append(result))
    with torch.no_grad():
        logits = model(input_ids=torch.zeros((1, 1), dtype=torch.long, device=head.weight.device)).logits
    handle.remove()
    if len(results) != 1 or not torch.equal(logits, results[0]):
        return False

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        labels = _labels.get()
        return plain(hidden) if labels is None else _HeadLoss.apply(hidden, head.weight, head.bias, labels)

    head.forward = forward
    return True
