import pytest
import torch

from sqlfocus.models.products import PackedProduct, PlainProduct, product


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (3, 24), (2, 5, 24)])
@torch.inference_mode()
def test_packed_products_are_the_plain_ones(dtype, bias, shape):
    torch.manual_seed(0)
    linear = torch.nn.Linear(24, 40, bias=bias, dtype=dtype)
    packed, plain = (kind(linear.weight, linear.bias) for kind in (PackedProduct, PlainProduct))
    x, other = torch.randn(shape, dtype=dtype), torch.randn((*shape[:-1], 40), dtype=dtype)
    kept = other.clone()
    largest = 0.0
    for found, expected in (
        (packed(x), linear(x)),
        (plain(x), linear(x)),
        (packed.silu(x), plain.silu(x)),
        (packed.times(x, other), plain.times(x, other)),
        (packed.plus(x, other), plain.plus(x, other)),
    ):
        assert found.shape == expected.shape
        largest = max(largest, float((found.float() - expected.float()).abs().max()))
    print(f"largest difference: {largest:.1e}")
    assert largest < (1e-6 if dtype == torch.float32 else 4e-2)
    assert torch.equal(other, kept)


@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_layers_of_the_same_inputs_are_one_product(bias):
    torch.manual_seed(0)
    linears = [torch.nn.Linear(24, outputs, bias=bias) for outputs in (8, 16, 8)]
    x = torch.randn(3, 24)
    found = product(linears)(x)
    assert torch.allclose(found, torch.cat([linear(x) for linear in linears], dim=-1), atol=1e-6)


def test_layers_of_which_only_some_have_a_bias_are_none():
    with pytest.raises(ValueError, match="some have a bias"):
        product([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4, bias=False)])


def test_a_type_that_onednn_does_not_have_is_not_packed():
    assert isinstance(product([torch.nn.Linear(4, 4, dtype=torch.float64)]), PlainProduct)
