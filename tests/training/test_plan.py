import random

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from sqlfocus.cli import run_verb
from sqlfocus.models import attention
from sqlfocus.models.loading import Source, find_model, quiet_peft
from sqlfocus.training.lora import speed_up
from sqlfocus.training.loss import answer_loss, row_losses
from sqlfocus.training.packing import TokenizedExample, batches, pack, pad
from sqlfocus.training.plan import LAUNCHING, Plan, estimate, expected_time, model_shape, pack_tokens

SHAPE = {
    "vocab_size": 997,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.fixture(params=["llama, tied", "qwen2"])
def model(request, tmp_path):
    """A LoRA model, and its base's shape."""
    torch.manual_seed(0)
    if request.param == "qwen2":
        base = Qwen2ForCausalLM(Qwen2Config(**SHAPE))
    else:
        base = LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True))
    base.save_pretrained(tmp_path)
    base.set_attn_implementation(attention.NAME)
    with quiet_peft():
        made = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    speed_up(made)
    return made, model_shape(Source(tmp_path), lora_rank=4, dtype=torch.float32)


def made(count, *, schema=200):
    source = random.Random(0)

    def words(low, high):
        return [source.randrange(1, 997) for _ in range(source.randint(low, high))]

    prefix = words(schema, schema)
    return [TokenizedExample(prefix + words(9, 15), words(9, 15)) for _ in range(count)]


def test_a_models_shape_is_known_from_its_configuration(model):
    lora, shape = model
    trainable, total = lora.get_nb_trainable_parameters()
    assert shape.trainable == trainable
    assert shape.parameters == total - trainable


@pytest.mark.parametrize("packing", ["prefix", "none"])
def test_operations_are_those_that_torch_counts(packing, model):
    lora, shape = model
    row = made(24)
    lora.train()
    if packing == "none":
        lora.set_attn_implementation("eager")  # torch does not count what its fused attention does on a CPU
    with FlopCounterMode(display=False) as counter:
        answer_loss(lora, pack(row) if packing == "prefix" else pad(row)).backward()
    counted = counter.get_total_flops()
    assert estimate(shape, [[row]], packing=packing).flops == pytest.approx(counted, rel=0.12)


def test_operations_of_a_pack_of_several_rows_are_those_that_torch_counts(model):
    lora, shape = model
    rows = [made(24)[:14], made(24)[14:]]
    lora.train()
    with FlopCounterMode(display=False) as counter:
        for loss in row_losses(lora, rows, packing="prefix", device=torch.device("cpu")):
            loss.backward()
    assert estimate(shape, [rows], packing="prefix").flops == pytest.approx(counter.get_total_flops(), rel=0.12)


@pytest.mark.parametrize("packing", ["prefix", "none"])
def test_tokens_are_those_of_the_forward_passes(packing, model):
    lora, _ = model
    seen = []
    lora.get_input_embeddings().register_forward_hook(lambda _module, ids, _out: seen.append(ids[0].numel()))
    packs = batches(made(20) + made(3, schema=0), packing=packing, row_length=400, batch_size=4)
    assert packing == "none" or max(map(len, packs)) > 1
    for rows in packs:
        seen.clear()
        list(row_losses(lora, rows, packing=packing, device=torch.device("cpu")))
        assert pack_tokens(rows, packing) == sum(seen)


def test_the_plan_is_printed_and_nothing_is_made(tiny_model, tmp_path, capsys):
    train = tmp_path / "train.jsonl"
    train.write_text('{"question": "Who?", "sql": "SELECT 1", "db_id": "farm"}\n' * 8)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "farm.txt").write_text("【DB_ID】 farm\n【Schema】\n# Table: t\n[\n(id:INTEGER)\n]")
    words = ["--model_name", str(tiny_model), "--train_file", str(train), "--use_cpu"]
    words += ["--output_dir", str(tmp_path / "output"), "--save_dir", str(tmp_path / "adapter")]
    assert run_verb("plan", words) == 0
    out = capsys.readouterr().out
    assert "Examples    8 from" in out
    assert "% saved, in 1 forward passes" in out
    assert "Steps       3 of about 8 examples, 3 epochs" in out
    assert "Time        about " in out
    assert not (tmp_path / "output").exists()
    assert not (tmp_path / "adapter").exists()
    assert run_verb("plan", [*words, "--packing", "none"]) == 0
    assert "with packing none: 0% saved, in 2 forward passes" in capsys.readouterr().out


@pytest.mark.parametrize("weights", [True, False])
def test_a_plan_fetches_no_weights(weights, monkeypatch, tmp_path):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, allow_patterns: asked.extend(allow_patterns) or str(tmp_path)
    )
    find_model("some/model", weights=weights)
    assert ("*.safetensors" in asked) is weights
    assert "*.json" in asked
    assert not any("bin" in pattern or "pt" in pattern for pattern in asked)


def test_the_time_on_a_gpu_is_that_of_launching_where_that_is_more(model):
    _, shape = model
    plan = Plan(passes=100, tokens=0, plain_tokens=0, longest_row=0, flops=10**15, memory=0)
    launching = 2 * 100 * shape.layers * LAUNCHING
    computing = "about 7 min, at 50% of the 10 TFLOP/s"
    assert expected_time(plan, shape, 1e13, epochs=2, on_gpu=True).startswith(computing)
    assert expected_time(plan, shape, 1e13, epochs=2, on_gpu=False).startswith(computing)
    said = expected_time(plan, shape, 1e18, epochs=2, on_gpu=True)
    assert said.startswith(f"about {launching:.0f} s, for launching kernels")
