"""Norms and gated networks in one pass, against transformers' own."""

import copy
import pickle

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP

from small_models import TINY_SHAPE
from sqlfocus.models import flex
from sqlfocus.training import fused
from sqlfocus.training.fused import fuse_layers

MODELS = [(LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)]
NVIDIA = torch.cuda.is_available()


def model(config, kind, device="cpu"):
    torch.manual_seed(0)
    return kind(config(**TINY_SHAPE, initializer_range=0.3)).to(device).train()


def loss_and_gradients(made):
    made.zero_grad()
    ids = torch.arange(12, device=made.device).view(2, 6)
    loss = made(input_ids=ids, labels=ids).loss
    loss.backward()
    return [loss.detach(), *(parameter.grad for parameter in made.parameters())]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("config", "kind"), MODELS)
def test_loss_and_gradients_stay_the_same(config, kind, device, monkeypatch):
    if device == "cuda" and not NVIDIA:
        pytest.skip("needs an NVIDIA GPU")
    made = model(config, kind, device)
    expected = loss_and_gradients(made)
    layers = len(made.model.layers)
    norms = 4 if config is Qwen3Config else 2
    assert fuse_layers(made) == layers * (norms + 1) + 1
    if device == "cpu":  # what a GPU computes, not compiled
        monkeypatch.setattr(flex, "available", lambda _device: True)
        monkeypatch.setattr(fused, "_compiled", lambda: fused._gated)
    for one, other in zip(loss_and_gradients(made), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


@pytest.mark.parametrize(("config", "kind"), MODELS)
def test_a_copy_computes_with_its_own_weights(config, kind):
    made = model(config, kind)
    assert fuse_layers(made) > 0
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        with torch.no_grad():
            for weight in copied.parameters():
                weight.zero_()
        norm = copied.model.norm
        assert not norm(torch.ones(1, 2, norm.weight.shape[0])).any()
        mlp = copied.model.layers[0].mlp
        assert not mlp(torch.ones(1, 2, norm.weight.shape[0])).any()
        assert fuse_layers(copied) == 0


def test_layers_of_other_kinds_stay_as_they_are():
    other = torch.nn.ModuleDict(
        {"norm": torch.nn.LayerNorm(4), "mlp": Qwen2MLP(Qwen2Config(**TINY_SHAPE, hidden_act="gelu"))}
    )
    kinds = [type(module) for module in other.modules()]
    assert fuse_layers(other) == 0
    assert [type(module) for module in other.modules()] == kinds
