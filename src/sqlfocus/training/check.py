"""Whether packing is right on the very model that is trained: a small pack, computed both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from sqlfocus.corpus.prefix import shared_length
from sqlfocus.errors import UserError
from sqlfocus.training.loss import row_batch, token_losses
from sqlfocus.training.packing import Row, TokenizedExample

ROUNDING = {"float32": 1e-3, "float32 layers": 0.1, "rounded": 0.25}
"""The most that rounding explains: of a token's loss, of that with the output layer alone in a type of 16 bits, and of
the tokens' mean where the layers are too."""


def check_packing(model: torch.nn.Module, packs: Sequence[Sequence[Row]], device: torch.device, *, whole: bool) -> None:
    """Compare a small pack of the longest row, computed as in training, with transformers' own way for the same.

    In a type of 16 bits rounding hides small faults, so there the tokens' mean difference counts, and the pack is
    compared once more with the decoder layers in float32, unless the model is not ``whole`` (in shards, or quantized).

    Raises:
        UserError: the difference is more than rounding.
    """
    few = small_pack(max((row for rows in packs for row in rows), key=len))
    # Packed in 4 bits, weights are not floating, and compute in the others' type.
    exact = all(weight.dtype == torch.float32 for weight in model.parameters() if weight.is_floating_point())
    if exact:
        _compare(_differences(model, few, device).max(), ROUNDING["float32"])
        return
    _compare(_differences(model, few, device).mean(), ROUNDING["rounded"])
    if whole:
        with in_float32(model):
            _compare(_differences(model, few, device).max(), ROUNDING["float32 layers"])


def _differences(model: torch.nn.Module, few: Row, device: torch.device) -> torch.Tensor:
    """The difference of each answer token's loss."""
    with torch.no_grad():
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        packed = token_losses(model, row_batch(few, "prefix", device)).flatten()
        model.eval()
        plain_batch = row_batch(few, "none", device)
        plain = token_losses(model, plain_batch, fused=False)[plain_batch.labels != -100]
    return (packed - plain).abs()


def _compare(difference: torch.Tensor, rounding: float) -> None:
    if not float(difference) < rounding:
        raise UserError(
            f"packed and alone, an answer token's loss differs by {float(difference):.2g}, where rounding explains "
            f"{rounding:g}: this model cannot be packed; go on with --packing none"
        )


def small_pack(row: Row) -> Row:
    """Two of the row's examples, or its only one, each shortened to what shows whether packing is right."""
    few = row[:2]
    prefix = shared_length([example.prompt for example in few]) if len(few) > 1 else 0
    start = max(0, prefix - 64)
    return [TokenizedExample(example.prompt[start : prefix + 64], example.answer[:32]) for example in few]


@contextmanager
def in_float32(model: torch.nn.Module) -> Iterator[None]:
    """Have the model's decoder layers compute in float32, each while it runs, so that memory holds one more at most."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in names]
    handles = []
    for layer in layers:
        handles += _float_while_it_runs(layer)
    head = model.get_output_embeddings() if layers else None
    if head is not None:
        handles.append(head.register_forward_pre_hook(lambda module, args: (args[0].to(module.weight.dtype),)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _float_while_it_runs(layer: torch.nn.Module) -> list[Any]:
    types = {parameter: parameter.dtype for parameter in layer.parameters()}

    def before(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for parameter in types:
            parameter.data = parameter.data.float()
        return tuple(map(_float, args)), {name: _float(value) for name, value in kwargs.items()}

    def after(_module: Any, _args: Any, _result: Any) -> None:
        for parameter, dtype in types.items():
            parameter.data = parameter.data.to(dtype)  # back to the very bits that it had

    return [
        layer.register_forward_pre_hook(before, with_kwargs=True),
        layer.register_forward_hook(after, always_call=True),
    ]


def _float(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_float, value))
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
