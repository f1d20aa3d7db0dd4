"""The trainer's check of packing on the model that it trains."""

import random

import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from small_models import TINY_SHAPE
from sqlfocus.errors import UserError
from sqlfocus.models import attention
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.packing import StepSampler, TokenizedExample
from sqlfocus.training.trainer import PackedTrainer, small_pack


def examples(count=8, schema=100):
    source = random.Random(0)

    def words(count):
        return [source.randrange(1, 97) for _ in range(count)]

    prefix = words(schema)
    return [TokenizedExample(prefix + words(9), [*words(6), 0]) for _ in range(count)]


def train(model, folder, *, packing="prefix"):
    rows = examples()
    sampler = StepSampler(rows, packing=packing, examples_per_step=4, prefixes_per_step=1, seed=0)
    args = FinetuneArguments(
        output_dir=str(folder), packing=packing, use_cpu=True, max_steps=1, report_to="none", disable_tqdm=True
    )
    trainer = PackedTrainer(model=model, args=args, train_examples=rows, sampler=sampler)
    trainer.train()
    return trainer


def ignores_the_layout(module, query, key, value, attention_mask, *, layout=None, **kwargs):
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def test_a_model_that_can_be_packed_is_trained(tmp_path):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE))
    model.set_attn_implementation(attention.NAME)
    assert train(model, tmp_path).state.global_step == 1


def test_a_model_that_ignores_the_layout_is_refused_before_its_first_step(tmp_path):
    AttentionInterface.register("ignores_the_layout", ignores_the_layout)
    AttentionMaskInterface.register("ignores_the_layout", sdpa_mask)
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE, initializer_range=0.3))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.set_attn_implementation("ignores_the_layout")
    with pytest.raises(UserError, match=r"loss differs by \d.*--packing none"):
        train(model, tmp_path)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    train(model, tmp_path, packing="none")


def test_a_sliding_window_shorter_than_a_row_is_refused(tmp_path):
    model = Qwen2ForCausalLM(Qwen2Config(**TINY_SHAPE, use_sliding_window=True, sliding_window=50, max_window_layers=0))
    model.set_attn_implementation(attention.NAME)
    with pytest.raises(UserError, match=r"only the 50 before them.*--packing none"):
        train(model, tmp_path)


def test_the_check_takes_a_small_pack_of_the_rows():
    few = small_pack(examples())
    assert [len(example.prompt) for example in few] == [64 + 9, 64 + 9]
    assert few[0].prompt[:64] == few[1].prompt[:64]
    alone = small_pack(examples(1))
    assert [len(example.answer) for example in alone] == [7]
