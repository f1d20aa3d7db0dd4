import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import LoraLayer
from transformers import Qwen2Config, Qwen2ForCausalLM

from small_models import TINY_SHAPE
from sqlfocus.models.loading import Source, load_base, quiet_peft
from sqlfocus.training.lora import speed_up


def model(dropout):
    torch.manual_seed(0)
    base = Qwen2ForCausalLM(Qwen2Config(**TINY_SHAPE))  # Qwen2 has biases on its attention's inputs
    with quiet_peft():
        made = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)  # PEFT starts B at zero, where A has no gradient
    return made.train()


def gradients(made):
    ids = torch.arange(40).view(2, 20)
    torch.manual_seed(1)
    loss = made(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.detach(), {name: value.grad for name, value in made.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_loss_and_gradients_are_pefts(dropout):
    plain_loss, plain = gradients(model(dropout))
    fast = model(dropout)
    assert speed_up(fast) == 14
    fast_loss, sped_up = gradients(fast)
    assert plain.keys() == sped_up.keys()
    largest = max(((plain[name] - sped_up[name]).abs().max() / plain[name].abs().max()).item() for name in plain)
    print(f"largest relative difference of a gradient: {largest:.1e}")
    assert largest < 1e-5
    torch.testing.assert_close(fast_loss, plain_loss, rtol=1e-6, atol=0)


def test_a_bfloat16_base_keeps_its_adapter_in_float32():
    exact_loss, exact = gradients(model(0.0))
    fast = model(0.0)
    for module in fast.modules():
        if isinstance(module, LoraLinear):
            module.base_layer.to(torch.bfloat16)
        elif "Norm" in type(module).__name__ or isinstance(module, torch.nn.Embedding):
            module.to(torch.bfloat16)
    fast.base_model.model.lm_head.to(torch.bfloat16)
    assert speed_up(fast) == 14
    loss, found = gradients(fast)
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    torch.testing.assert_close(loss.float(), exact_loss, rtol=2e-2, atol=0)
    for name, gradient in found.items():
        assert (gradient - exact[name]).norm() < 0.1 * exact[name].norm(), name


def test_evaluation_and_a_disabled_adapter_compute_as_peft_has_them():
    ids = torch.arange(20).view(1, 20)
    plain, fast = model(0.0).eval(), model(0.0).eval()
    speed_up(fast)
    assert torch.equal(plain(input_ids=ids).logits, fast(input_ids=ids).logits)
    fast.train()
    with plain.disable_adapter(), fast.disable_adapter():
        torch.testing.assert_close(plain(input_ids=ids).logits, fast(input_ids=ids).logits)


@pytest.mark.parametrize("base", [torch.bfloat16, torch.float32])
def test_under_autocast_gradients_are_pefts(base):
    def found(sped_up):
        made = model(0.0)
        for module in made.modules():
            if isinstance(module, LoraLinear):
                module.base_layer.to(base)
        if sped_up:
            assert speed_up(made) == 14
        with torch.autocast("cpu", torch.bfloat16):
            return gradients(made)

    (plain_loss, plain), (loss, fast) = found(sped_up=False), found(sped_up=True)
    torch.testing.assert_close(loss, plain_loss, rtol=2e-2, atol=0)
    for name, gradient in fast.items():
        assert gradient.dtype == torch.float32
        assert (gradient - plain[name]).norm() < 0.1 * plain[name].norm(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_on_a_base_in_4_bits_gradients_are_pefts(dtype, dropout, tmp_path):
    torch.manual_seed(0)
    Qwen2ForCausalLM(Qwen2Config(**TINY_SHAPE)).save_pretrained(tmp_path)

    def found(sped_up):
        base = load_base(Source(tmp_path), dtype=dtype, four_bits=True).cpu()
        torch.manual_seed(0)
        config = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear")
        with quiet_peft():
            made = get_peft_model(base, config)
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
        packed = [layer.base_layer.weight for layer in made.modules() if isinstance(layer, LoraLayer)]
        assert all(weight.dtype == torch.uint8 and weight.quant_state.quant_type == "nf4" for weight in packed)
        assert sum(weight.numel() for weight in packed) * 2 == sum(
            weight.quant_state.shape.numel() for weight in packed
        )
        before = [weight.clone() for weight in packed]
        made.eval()(input_ids=torch.arange(40).view(2, 20))  # an answer leaves the weights as they are
        assert all(torch.equal(one, other) for one, other in zip(before, packed, strict=True))
        if sped_up:
            assert speed_up(made) == 14
        return gradients(made.train())

    (plain_loss, plain), (fast_loss, fast) = found(False), found(True)
    assert len(plain) == len(fast) == 28
    near = 1e-5 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(fast_loss, plain_loss, rtol=near / 10, atol=0)
    for name, gradient in fast.items():
        assert gradient.dtype == torch.float32
        assert (gradient - plain[name]).norm() < near * plain[name].norm(), name
