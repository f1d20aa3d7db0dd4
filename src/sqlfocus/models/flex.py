"""A pack's attention through PyTorch's FlexAttention, for NVIDIA GPUs.

One compiled kernel computes only the blocks of 128 × 128 scores in which a token sees another, forward and backward
(Dong et al., 2024, arXiv 2412.05496). It is compiled once for all lengths; rows are still filled up to a multiple of
:data:`MULTIPLE`, so that no block is cut.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from sqlfocus.errors import UserError, first_line

MULTIPLE = 128
"""Rows are filled up to a multiple of so many tokens."""


@functools.cache
def available(device: torch.device) -> bool:
    """Whether ``device`` can run it: an NVIDIA GPU of compute capability 7.0 at least, with triton, which compiles it.

    On AMD's, which PyTorch calls CUDA too, it was never tried.
    """
    if device.type != "cuda" or torch.version.hip is not None or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (7, 0)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled for tensors of all lengths, when it is first called.

    Raises:
        UserError: that fails, as it does where there is no C compiler; raised by the first call.
    """
    kernel = torch.compile(function, dynamic=True)

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return kernel(*args, **options)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise UserError(
                f"a kernel for the GPU cannot be compiled ({first_line(error)}); install a C compiler and the triton "
                "that belongs to this PyTorch, or uninstall triton to compute without such kernels, which is slower"
            ) from error

    return call


@functools.lru_cache(maxsize=2)
def block_mask(prefix: int, lengths: tuple[int, ...], device: torch.device, *, skipped: int = 0) -> BlockMask:
    """The mask of a row, its first ``skipped`` queries left out; kept for the row's other layers and backward pass."""
    with torch.inference_mode(False):  # it may be made in an evaluation, and serve training then
        sizes = torch.tensor([prefix, *lengths], device=device)
        ends = sizes.cumsum(0)
        total = prefix + sum(lengths)
        # The mask's numbers are all tensors: the kernel is compiled anew for another int.
        place = torch.arange(skipped, total, device=device)
        first = torch.repeat_interleave(ends - sizes, sizes, output_size=total)[skipped:].clone()  # of the own branch
        shared = sizes[0].clone()

        def seen(_batch: Any, _head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
            return (key <= place[query]) & ((key < shared) | (key >= first[query]))

        mask = create_block_mask(seen, B=None, H=None, Q_LEN=total - skipped, KV_LEN=total, device=device)
    for tensor in (place, first, *(part for part in vars(mask).values() if isinstance(part, torch.Tensor))):
        for dim in range(min(2, tensor.dim() - 1), tensor.dim()):
            torch._dynamo.maybe_mark_dynamic(tensor, dim)  # ``dynamic`` does not reach into the mask
    return mask


@functools.cache
def _compiled() -> Callable[..., Any]:
    # One for each type, with and without gradients, rows with and without their prefix: more than the default's 8. It
    # holds for the whole process, where nothing else is compiled that often; a limit of the call's own is too new.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    return compiled(flex_attention)


def pack_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    prefix: int,
    lengths: tuple[int, ...],
    scale: float,
) -> torch.Tensor:
    """Attention of a row: ``prefix`` tokens, then branches of ``lengths``.

    query (1, heads, L, D), or the branches' alone, key and value (1, key/value heads, L, D); returns query's shape with
    heads and tokens changed over. On a CPU it is not compiled and has no backward pass, which serves tests of the mask.
    """
    # The backward kernel takes a block of keys for all the queries of a key/value head in turn. Few blocks, the
    # prefix's, have most of the work, and of as many heads as queries have there are enough of them for the whole GPU.
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor[:, :, None].expand(-1, -1, groups, -1, -1).flatten(1, 2) for tensor in (key, value))
    kernel = _compiled() if query.device.type == "cuda" else flex_attention
    mask = block_mask(prefix, lengths, query.device, skipped=key.shape[2] - query.shape[2])
    return kernel(query, key, value, block_mask=mask, scale=scale).transpose(1, 2)
