"""The loss over answers, of one forward pass and of a pack of several rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from sqlfocus.corpus.prefix import shared_length
from sqlfocus.models import flex
from sqlfocus.models.attention import PrefixKeys
from sqlfocus.training.head import asked
from sqlfocus.training.packing import Batch, Packing, Row, TokenizedExample, pack, pad, prefix_row, sequences

PREFERENCE = 1.0
"""How much a rejected answer's distance to the right one counts, in the logarithm of a probability: ln 2 of loss where
both are as likely, less the less likely it is, and next to none once it is e³ times less likely."""


def answer_loss(
    model: torch.nn.Module, batch: Batch, row: Sequence[TokenizedExample] = (), *, prefix_keys: PrefixKeys | None = None
) -> torch.Tensor:
    """The sum of the cross entropy over the batch's answer tokens, in float32; ``row`` is what the batch was made of.

    Only the hidden states in ``batch.columns`` go through the output layer, so no logits are made for prompts; and with
    :func:`~sqlfocus.training.head.fuse_loss` none are kept for answers. A pack needs a model whose attention is
    :mod:`sqlfocus.models.attention`'s.

    A rejected answer in ``row`` has no cross entropy of its own, but adds -log σ(:data:`PREFERENCE` (log p(right) -
    log p(rejected))) for each token of the right one: contrastive preference optimization (Xu et al., 2024, arXiv
    2401.08417), which needs no second model to compare with.
    """
    losses = token_losses(model, batch, prefix_keys=prefix_keys)
    if not any(example.rejected for example in row):
        return losses.sum()
    by_answer = iter(_by_answer(losses, batch, row))
    total = torch.zeros((), device=losses.device)
    for example in row:
        right = next(by_answer)
        total = total + right
        if example.rejected:
            distance = PREFERENCE * (next(by_answer) - right)
            total = total + len(example.answer) * torch.nn.functional.softplus(-distance)
    return total


def _by_answer(losses: torch.Tensor, batch: Batch, row: Sequence[TokenizedExample]) -> list[torch.Tensor]:
    """The losses (B, K), summed for each answer of the row's sequences."""
    if batch.layout is None:
        return list(losses.sum(dim=1))
    return [part.sum() for part in losses[0].split([len(one.answer) for one in sequences(row)])]


def token_losses(
    model: torch.nn.Module, batch: Batch, *, prefix_keys: PrefixKeys | None = None, fused: bool = True
) -> torch.Tensor:
    """Each column's cross entropy (B, K), in float32, 0 where no answer is asked."""
    with asked(batch.labels if fused else None):
        result = _logits(model, batch, prefix_keys)
    if result.dim() == 2:  # the output layer made losses of them
        return result
    losses = torch.nn.functional.cross_entropy(result.float().flatten(0, 1), batch.labels.flatten(), reduction="none")
    return losses.view_as(batch.labels)


def _logits(model: torch.nn.Module, batch: Batch, prefix_keys: PrefixKeys | None) -> torch.Tensor:
    packed: dict[str, Any] = {} if batch.layout is None else {"layout": batch.layout}
    if prefix_keys is not None:
        packed["prefix_keys"] = prefix_keys
    return model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        logits_to_keep=batch.columns,
        use_cache=False,
        **packed,
    ).logits


def row_batch(row: Row, packing: Packing, device: torch.device, *, prefix: int | None = None) -> Batch:
    """The tensors of one row, on ``device``."""
    if packing == "none":
        return pad(row).to(device)
    multiple = flex.MULTIPLE if flex.available(device) else 1
    return pack(row, multiple=multiple, prefix=prefix).to(device)


def row_losses(
    model: torch.nn.Module, rows: Sequence[Row], *, packing: Packing, device: torch.device
) -> Iterator[torch.Tensor]:
    """The losses of a pack's rows, each :func:`answer_loss`'s sum.

    Each is to be differentiated before the next is asked for: several rows share one pass over their prefix, and the
    last one's backward pass goes through it with the gradients of all.
    """
    if len(rows) == 1:
        yield answer_loss(model, row_batch(rows[0], packing, device), rows[0])
        return
    prefix = shared_length([example.prompt for row in rows for example in row])
    keys = PrefixKeys()
    _logits(model, prefix_row(rows[0], prefix).to(device), keys)
    apart = keys.apart()
    for number, row in enumerate(rows):
        batch = row_batch(row, packing, device, prefix=prefix)
        last = number == len(rows) - 1
        yield answer_loss(model, batch, row, prefix_keys=keys.joined(apart) if last else apart)
