import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from packed import IGNORES_THE_LAYOUT, examples
from small_models import TINY_SHAPE
from sqlfocus.errors import UserError
from sqlfocus.models import attention
from sqlfocus.models.loading import quiet_peft
from sqlfocus.training.check import check_packing, in_float32, small_pack
from sqlfocus.training.head import fuse_loss
from sqlfocus.training.lora import speed_up

CPU = torch.device("cpu")


def model(dtype, implementation=attention.NAME):
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE, initializer_range=0.3)).to(dtype)
    base.set_attn_implementation(implementation)
    with quiet_peft():
        made = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.3, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    speed_up(made)
    fuse_loss(made)
    return made


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_can_be_packed_passes_and_stays_as_it_is(dtype, whole):
    made = model(dtype)
    before = {name: value.clone() for name, value in made.named_parameters()}
    check_packing(made, [[examples()]], CPU, whole=whole)
    for name, value in made.named_parameters():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_ignores_the_layout_is_refused(dtype, whole):
    with pytest.raises(UserError, match=r"loss differs by [\d.]+, .*--packing none"):
        check_packing(model(dtype, IGNORES_THE_LAYOUT), [[examples()]], CPU, whole=whole)


def test_layers_compute_in_float32_and_are_put_back_after_an_error():
    made = model(torch.bfloat16)
    seen = []
    inner = made.base_model.model.model.layers[0].mlp
    inner.register_forward_pre_hook(lambda _module, args: seen.append(args[0].dtype))
    ids = torch.arange(8)[None]
    made(input_ids=ids)
    with in_float32(made):
        made(input_ids=ids)
        inner.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made(input_ids=ids)
    assert seen[:2] == [torch.bfloat16, torch.float32]
    assert inner.up_proj.base_layer.weight.dtype == torch.bfloat16


def test_the_check_takes_a_small_pack_of_the_rows():
    few = small_pack(examples())
    assert [len(example.prompt) for example in few] == [64 + 9, 64 + 9]
    assert few[0].prompt[:64] == few[1].prompt[:64]
    alone = small_pack(examples(1))
    assert [len(example.answer) for example in alone] == [7]
