"""FlexAttention's mask and result, against the grouped attention that a CPU computes; its kernels need a GPU."""

import importlib.util

import pytest
import torch

from sqlfocus.errors import UserError
from sqlfocus.models import flex
from sqlfocus.models.attention import Layout, shared_prefix_attention

NVIDIA = torch.cuda.is_available() and flex.available(torch.device("cuda"))
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
    if device == "cuda" and not NVIDIA:
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


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_branches_alone_get_what_they_get_behind_their_prefix(device):
    if device == "cuda" and not NVIDIA:
        pytest.skip("needs an NVIDIA GPU")
    torch.manual_seed(0)
    needs = {"requires_grad": device == "cuda", "device": device}
    query = torch.randn(1, 4, 300, 16, **needs)
    key, value = torch.randn(1, 2, 300, 16, **needs), torch.randn(1, 2, 300, 16, **needs)
    settings = {"prefix": 44, "lengths": (200, 56), "scale": 0.25}
    whole = flex.pack_attention(query, key, value, **settings)[:, 44:]
    branches = flex.pack_attention(query[:, :, 44:], key, value, **settings)
    torch.testing.assert_close(branches, whole)
    if device == "cuda":
        up = torch.randn_like(whole)
        expected = torch.autograd.grad(whole, (query, key, value), up)
        for one, other in zip(torch.autograd.grad(branches, (query, key, value), up), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("capability", "hip", "triton", "can"),
    [
        ((9, 0), None, True, True),
        ((7, 0), None, True, True),
        ((6, 1), None, True, False),
        ((9, 0), None, False, False),
        ((9, 4), "6.2", True, False),
    ],
)
def test_it_is_for_nvidia_cards_that_triton_compiles_for(capability, hip, triton, can, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "triton" and triton else None)
    flex.available.cache_clear()
    try:
        assert flex.available(torch.device("cuda")) is can
        assert flex.available(torch.device("cpu")) is False
    finally:
        flex.available.cache_clear()


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
def test_what_cannot_be_compiled_is_one_line_that_says_what_to_do(monkeypatch, tmp_path):
    """On a CPU, whose compiler is not there."""
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (str(tmp_path / "no-compiler"),))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    kernel = flex.compiled(lambda x: torch.nn.functional.silu(x) * 2)
    with pytest.raises(UserError, match=r"^a kernel for the GPU cannot be compiled \(.+\); install a C compiler.*$"):
        kernel(torch.ones(8))


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
def test_what_a_compiled_function_raises_itself_stays_as_it_is():
    with pytest.raises(ValueError, match="own"):
        flex.compiled(_raises)(torch.ones(2))


def _raises(_x):
    raise ValueError("own")


def test_a_mask_made_in_an_evaluation_serves_training():
    with torch.inference_mode():
        mask = flex.block_mask(11, (3, 4), torch.device("cpu"))
    assert not mask.kv_indices.is_inference()


@pytest.mark.skipif(not NVIDIA, reason="needs an NVIDIA GPU")
def test_one_compilation_serves_rows_of_other_lengths():
    def attend(prefix, lengths):
        tokens = prefix + sum(lengths)
        query = torch.randn(1, 4, tokens, 16, device="cuda")
        key, value = torch.randn(2, 1, 2, tokens, 16, device="cuda").unbind(0)
        flex.pack_attention(query, key, value, prefix=prefix, lengths=lengths, scale=0.25)

    attend(200, (40, 16))
    with torch.compiler.set_stance("fail_on_recompile"):
        attend(300, (100, 40, 72))
        attend(130, (900, 122))
