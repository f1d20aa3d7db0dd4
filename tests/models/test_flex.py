"""FlexAttention's mask and result, against the grouped attention that a CPU computes; its kernels need a GPU."""

import pytest
import torch

from sqlfocus.models import flex
from sqlfocus.models.attention import Layout, shared_prefix_attention

LAYOUTS = [(7, (3, 5, 1)), (0, (4, 2)), (130, (40, 3, 90)), (9, (1,))]


@pytest.mark.parametrize(("prefix", "lengths"), LAYOUTS)
def test_the_mask_shows_a_token_the_prefix_and_its_own_branch(prefix, lengths):
    mask = flex.block_mask(prefix, lengths, torch.device("cpu"))
    total = prefix + sum(lengths)
    branch = [0] * prefix + [number for number, length in enumerate(lengths, 1) for _ in range(length)]
    for query in range(total):
        for key in range(total):
            seen = key <= query and branch[key] in (0, branch[query])
            found = mask.mask_mod(None, None, torch.tensor(query), torch.tensor(key))
            assert bool(found) == seen


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("prefix", "lengths"), LAYOUTS)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_it_gives_what_grouped_attention_gives(prefix, lengths, device):
    if device == "cuda" and not flex.available(torch.device("cuda")):
        pytest.skip("needs CUDA and triton")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    torch.manual_seed(0)
    total = prefix + sum(lengths)
    query = torch.randn(1, 4, total, 16, requires_grad=True)
    key, value = (torch.randn(1, 2, total, 16, requires_grad=True) for _ in range(2))
    layout = Layout(prefix, lengths)
    plain, _ = shared_prefix_attention(torch.nn.Module(), query, key, value, None, layout=layout)
    moved = [tensor.to(device) if device == "cuda" else tensor.detach() for tensor in (query, key, value)]
    result = flex.pack_attention(*moved, prefix=prefix, lengths=lengths, scale=16**-0.5)
    assert float((result.cpu() - plain).detach().abs().max()) < (1e-5 if device == "cpu" else 1e-3)
    if device == "cuda":
        up = torch.randn_like(plain)
        expected = torch.autograd.grad(plain, (query, key, value), up)
        found = torch.autograd.grad(result, (query, key, value), up.to(device))
        for one, other in zip(found, expected, strict=True):
            assert float((one - other).detach().abs().max()) < 1e-2


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_branches_alone_get_what_they_get_behind_their_prefix():
    torch.manual_seed(0)
    query = torch.randn(1, 4, 20, 16)
    key, value = torch.randn(1, 2, 20, 16), torch.randn(1, 2, 20, 16)
    settings = {"prefix": 8, "lengths": (7, 5), "scale": 0.25}
    whole = flex.pack_attention(query, key, value, **settings)
    branches = flex.pack_attention(query[:, :, 8:], key, value, **settings)
    torch.testing.assert_close(branches, whole[:, 8:])
