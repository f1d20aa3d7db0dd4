import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sqlfocus.models.packed_weights import PackedLinear, pack_weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (3, 24), (2, 5, 24)])
def test_a_packed_layer_gives_what_the_plain_one_gives(dtype, bias, shape):
    torch.manual_seed(0)
    plain = torch.nn.Linear(24, 40, bias=bias, dtype=dtype)
    x = torch.randn(shape, dtype=dtype)
    with torch.inference_mode():
        expected, found = plain(x), PackedLinear(plain)(x)
    assert found.shape == expected.shape
    largest = float((found.float() - expected.float()).abs().max())
    print(f"largest difference: {largest:.1e}")
    assert largest < (1e-6 if dtype == torch.float32 else 1e-2)


def test_a_models_linear_layers_are_packed_and_nothing_else():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(**shape, vocab_size=64, tie_word_embeddings=True)).eval()
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        expected = model(ids).logits
        pack_weights(model)
        found = model(ids).logits
    assert sum(isinstance(module, PackedLinear) for module in model.modules()) == 2 * 7 + 1
    assert not any(type(module) is torch.nn.Linear for module in model.modules())
    assert torch.allclose(found, expected, atol=1e-6)


def test_layers_of_other_kinds_stay():
    class Other(torch.nn.Linear):
        pass

    model = torch.nn.Sequential(Other(4, 4), torch.nn.Linear(4, 4, dtype=torch.float64))
    assert [type(layer) for layer in pack_weights(model)] == [Other, torch.nn.Linear]
