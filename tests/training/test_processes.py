"""Several processes compute what one does: torchrun over gloo."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
ALONE = [sys.executable, str(ROOT / "finetune.py")]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
TOGETHER = [*TORCHRUN, str(ROOT / "finetune.py")]
SCHEMA = "【DB_ID】 {0}\n【Schema】\n# Table: {0}\n[\n(id:INTEGER, Primary Key),\n(name:TEXT),\n(age:INTEGER)\n]"


@pytest.fixture
def data(tmp_path):
    """Questions on four databases, with answers of different lengths."""
    (tmp_path / "schemas").mkdir()
    rows = []
    for db_id in ("singer", "farm", "shop", "school_of_music"):
        (tmp_path / "schemas" / f"{db_id}.txt").write_text(SCHEMA.format(db_id))
        for age in range(20, 27):
            more = " AND name != 'x'" * (age % 3)
            rows.append(
                {"question": f"Who is older than {age}?", "sql": f"SELECT 1 WHERE age > {age}{more}", "db_id": db_id}
            )
    train = tmp_path / "train.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return train


def launch(launcher, data, folder, tiny_model, *flags):
    """The finished command."""
    words = ["--model_name", str(tiny_model), "--train_file", str(data), "--use_cpu", "--tracking", "disabled"]
    words += ["--output_dir", str(folder / "output"), "--save_dir", str(folder / "adapter"), "--save_strategy", "no"]
    words += ["--learning_rate", "1e-2", "--logging_steps", "1", "--disable_tqdm", "true", "--lora_dropout", "0"]
    words += ["--dtype", "float32"]
    words += ["--num_train_epochs", "2"]
    return subprocess.run(
        [*launcher, *words, *flags],
        capture_output=True,
        text=True,
        cwd=folder.parent,
        timeout=300,
        env=os.environ | {"DS_ACCELERATOR": "cpu"},
    )


def run(launcher, data, folder, tiny_model, *flags):
    """The logged losses and the adapter's weights."""
    done = launch(launcher, data, folder, tiny_model, *flags)
    assert done.returncode == 0, done.stderr
    losses = [float(found) for found in re.findall(r"^step \d+/\d+: loss ([\d.]+)", done.stderr, re.MULTILINE)]
    return losses, load_file(folder / "adapter" / "tiny-llama-lora" / "adapter_model.safetensors")


@pytest.mark.parametrize("packing", ["prefix", "none"])
def test_two_processes_have_the_losses_and_weights_of_one(packing, data, tiny_model, tmp_path):
    flags = ["--packing", packing, "--gradient_accumulation_steps", "1"]
    alone, weights = run(
        ALONE,
        *(data, tmp_path / "alone", tiny_model),
        *(*flags, "--per_device_train_batch_size", "8", "--prefixes_per_step", "4"),
    )
    together, shared = run(
        TOGETHER,
        *(data, tmp_path / "together", tiny_model),
        *(*flags, "--ddp_backend", "gloo", "--per_device_train_batch_size", "4", "--prefixes_per_step", "2"),
    )
    assert len(alone) == 8
    assert together == pytest.approx(alone, abs=2e-3)  # printed with three digits
    difference = max(float((weights[name] - shared[name]).abs().max()) for name in weights)
    assert difference < 1e-4, difference
    assert all(torch.isfinite(weight).all() for weight in shared.values())


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeeds_shards_have_the_losses_and_weights_of_one_process(stage, data, tiny_model, tmp_path):
    pytest.importorskip("deepspeed", reason="DeepSpeed is installed on Linux alone")
    flags = ["--gradient_accumulation_steps", "1", "--max_grad_norm", "0"]
    alone, weights = run(
        ALONE,
        *(data, tmp_path / "alone", tiny_model),
        *(*flags, "--per_device_train_batch_size", "8", "--prefixes_per_step", "4"),
    )
    launcher = [*TORCHRUN, str(Path(__file__).with_name("deepspeed_gloo.py"))]
    flags += ["--deepspeed", str(ROOT / f"config/deepspeed_zero{stage}.json"), "--per_device_train_batch_size", "4"]
    sharded, shared = run(launcher, data, tmp_path / "sharded", tiny_model, *flags)
    assert len(alone) == 8
    assert sharded == pytest.approx(alone, abs=2e-3)
    difference = max(float((weights[name] - shared[name]).abs().max()) for name in weights)
    assert difference < 1e-4, difference


def test_fewer_examples_than_processes_are_refused(data, tiny_model, tmp_path):
    first = data.read_text().splitlines()[0]
    data.write_text(first + "\n")
    done = launch(TOGETHER, data, tmp_path / "few", tiny_model, "--ddp_backend", "gloo")
    assert done.returncode != 0
    assert f"{data}: 1 examples for 2 processes; each needs one" in done.stderr


@pytest.mark.parametrize(("dtype", "rounding"), [("float32", 1e-5), ("bfloat16", 1e-2)])
def test_shards_of_fsdp2_have_the_gradients_and_weights_of_the_whole(dtype, rounding):
    command = [*TORCHRUN, str(Path(__file__).with_name("sharded.py")), dtype]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    found = re.search(r"loss (\S+) gradient (\S+)", done.stdout)
    assert found is not None
    assert float(found[1]) < rounding
    assert float(found[2]) < rounding
