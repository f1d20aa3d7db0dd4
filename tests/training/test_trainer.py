"""The trainer's check of packing on the model that it trains."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from packed import IGNORES_THE_LAYOUT, examples
from small_models import TINY_SHAPE
from sqlfocus.errors import UserError
from sqlfocus.models import attention
from sqlfocus.training.arguments import FinetuneArguments
from sqlfocus.training.packing import StepSampler
from sqlfocus.training.trainer import PackedTrainer


def train(model, folder, *, packing="prefix"):
    rows = examples()
    sampler = StepSampler(rows, packing=packing, examples_per_step=4, prefixes_per_step=1, seed=0)
    args = FinetuneArguments(
        output_dir=str(folder), packing=packing, use_cpu=True, max_steps=1, report_to="none", disable_tqdm=True
    )
    trainer = PackedTrainer(model=model, args=args, train_examples=rows, sampler=sampler)
    trainer.train()
    return trainer


def test_a_model_that_can_be_packed_is_trained(tmp_path):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE))
    model.set_attn_implementation(attention.NAME)
    assert train(model, tmp_path).state.global_step == 1


def test_a_loss_that_is_no_number_stops_the_run_before_the_step(tmp_path):
    """transformers' --logging_nan_inf_filter, its default, would hide it."""
    model = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE))
    torch.nn.init.constant_(model.model.norm.weight, float("nan"))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(UserError, match="the loss is no longer a number"):
        train(model, tmp_path, packing="none")
    after = model.state_dict()
    assert all(torch.equal(after[name].nan_to_num(), weight.nan_to_num()) for name, weight in before.items())


def test_a_model_that_ignores_the_layout_is_refused_before_its_first_step(tmp_path):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY_SHAPE, initializer_range=0.3))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.set_attn_implementation(IGNORES_THE_LAYOUT)
    with pytest.raises(UserError, match=r"loss differs by \d.*--packing none"):
        train(model, tmp_path)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    train(model, tmp_path, packing="none")


def test_a_sliding_window_shorter_than_a_row_is_refused(tmp_path):
    model = Qwen2ForCausalLM(Qwen2Config(**TINY_SHAPE, use_sliding_window=True, sliding_window=50, max_window_layers=0))
    model.set_attn_implementation(attention.NAME)
    with pytest.raises(UserError, match=r"only the 50 before them.*--packing none"):
        train(model, tmp_path)
