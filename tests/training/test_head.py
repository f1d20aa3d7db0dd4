import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GraniteConfig, GraniteForCausalLM, LlamaConfig, LlamaForCausalLM

from small_models import TINY_SHAPE
from sqlfocus.models.loading import quiet_peft
from sqlfocus.training import head
from sqlfocus.training.loss import token_losses
from sqlfocus.training.packing import TokenizedExample, pad


def adapted(base):
    torch.manual_seed(0)
    with quiet_peft():
        made = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return made.train()


@pytest.fixture
def model():
    torch.manual_seed(0)
    return adapted(LlamaForCausalLM(LlamaConfig(**TINY_SHAPE)))


def batch():
    source = torch.Generator().manual_seed(3)
    drawn = [torch.randint(0, 90, (length,), generator=source).tolist() for length in (9, 14, 30, 4)]
    return pad([TokenizedExample(drawn[0], drawn[1]), TokenizedExample(drawn[2], drawn[3])])


def losses_and_gradients(model, weights, *, fused):
    model.zero_grad()
    losses = token_losses(model, batch(), fused=fused)
    (losses * weights).sum().backward()
    return losses.detach(), torch.cat([value.grad.flatten() for value in model.parameters() if value.requires_grad])


@pytest.mark.parametrize("tokens", [5, 256])
def test_losses_and_gradients_are_those_of_all_logits_at_once(tokens, model, monkeypatch):
    monkeypatch.setattr(head, "TOKENS", tokens)
    weights = torch.rand(batch().labels.shape, generator=torch.Generator().manual_seed(4))
    plain = losses_and_gradients(model, weights, fused=False)
    assert head.fuse_loss(model)
    fused = losses_and_gradients(model, weights, fused=True)
    assert int((fused[0] != 0).sum()) == batch().label_tokens
    torch.testing.assert_close(fused[0], plain[0], rtol=1e-5, atol=1e-6)
    largest = float((fused[1] - plain[1]).norm() / plain[1].norm())
    print(f"relative difference of the gradient: {largest:.1e}")
    assert largest < 1e-6


def test_where_no_losses_are_asked_there_are_logits(model):
    ids = torch.arange(6)[None]
    logits = model(input_ids=ids).logits
    assert head.fuse_loss(model)
    assert torch.equal(model(input_ids=ids).logits, logits)


def test_without_gradients_there_are_losses_alone(model):
    assert head.fuse_loss(model)
    with torch.no_grad():
        losses = token_losses(model, batch())
    assert losses.shape == batch().labels.shape
    assert not losses.requires_grad


def test_a_model_that_scales_its_logits_keeps_its_own_way():
    torch.manual_seed(0)
    model = adapted(GraniteForCausalLM(GraniteConfig(**TINY_SHAPE, logits_scaling=4.0)))
    assert not head.fuse_loss(model)
    assert token_losses(model, batch()).shape == batch().labels.shape


def test_an_output_layer_that_is_trained_keeps_its_own_way(model):
    model.get_output_embeddings().weight.requires_grad_()
    assert not head.fuse_loss(model)
