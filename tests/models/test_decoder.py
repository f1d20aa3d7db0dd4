import copy

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from sqlfocus.models.branches import Branches
from sqlfocus.models.decoder import Decoder, PlainDecoder, can_decode

SHAPE = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 97,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "llama, tied, with biases": lambda: LlamaForCausalLM(
        LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True, tie_word_embeddings=True)
    ),
    "llama, scaled positions": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters=LLAMA3)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=16)),
}


def made(name):
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)  # biases and norms too, so that each matters
    return model


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_transformers_does(name):
    model = made(name)
    plain = PlainDecoder(copy.deepcopy(model))
    assert can_decode(model)
    quick = Decoder(model)
    prefix = torch.randint(97, (30,))
    kept = [decoder.prefix(prefix) for decoder in (quick, plain)]
    branches = [Branches(3, torch.device("cpu")) for _ in kept]
    for one, its in zip(branches, kept, strict=True):
        for slot in (0, 2):
            one.open(slot, its)
    largest = max(
        float((mine - other).abs().max())
        for layers in zip(*(one.layers for one in kept), strict=True)
        for mine, other in zip(*layers, strict=True)
    )
    for counts in ((7, 4), (1, 1), (1, 3), (1, 1)):
        feeds = [(0, counts[0]), (2, counts[1])]
        tokens, wanted = torch.randint(97, (sum(counts),)), torch.arange(sum(counts)).flip(0)
        found = [
            decoder.logits(tokens, its.begin(feeds), its, wanted)
            for decoder, its in zip((quick, plain), branches, strict=True)
        ]
        largest = max(largest, float((found[0] - found[1]).abs().max()))
    print(f"largest difference: {largest:.1e}")
    assert largest < 1e-4


def test_it_takes_the_weights_that_are_there_and_no_more_memory():
    model = made("llama")
    Decoder(model)
    assert len(model.model.layers) == 0


def test_other_models_are_left_to_transformers():
    assert not can_decode(GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=8)))
    windowed = Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=8, max_window_layers=1)
    assert not can_decode(Qwen2ForCausalLM(windowed))
    mixed = made("llama")
    mixed.model.layers[1].mlp.up_proj.to(torch.bfloat16)
    assert not can_decode(mixed)
