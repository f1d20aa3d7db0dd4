"""Checkpoints: a run that is killed goes on to the same weights, and what is not whole is not taken for one."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from finetuning import command, finetune, training_rows, weights
from sqlfocus.errors import UserError
from sqlfocus.training.checkpoints import FILE_NAME, Run, fault, fingerprint_of_data, mark, to_resume
from sqlfocus.training.packing import TokenizedExample

KILLS = int(os.environ.get("SQLFOCUS_KILLS", "3"))
"""docs/trust.md has what 50 gave."""
RUN = Run("data", "base", "lora", "steps", "dtype")


@pytest.fixture
def data(tmp_path):
    return training_rows(tmp_path / "data")


def test_a_run_killed_again_and_again_ends_with_the_weights_of_one_that_was_not(tiny_model, data, tmp_path):
    """Also while a checkpoint is written: each of its steps writes one, and the moment is any."""
    flags = ["--max_steps", str(12 + 2 * KILLS), "--save_steps", "1", "--save_total_limit", "2", "--lora_rank", "64"]
    finetune(tiny_model, data, tmp_path / "whole", *flags)
    killed = tmp_path / "killed"
    rng = random.Random(KILLS)
    for kill in range(KILLS):
        words = command(tiny_model, data, killed, *flags)
        if list((killed / "output").glob("checkpoint-*/" + FILE_NAME)):
            words += ["--resume_from_checkpoint", "last"]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("step "):
                time.sleep(rng.uniform(0, 0.15))
                process.send_signal(signal.SIGKILL)
                break
        said += process.stderr.readlines()
        process.stderr.close()
        assert process.wait() == -signal.SIGKILL, (kill, said)
        assert not (killed / "adapter").exists()
    finetune(tiny_model, data, killed, *flags, "--resume_from_checkpoint", "last")
    whole, resumed = weights(tmp_path / "whole"), weights(killed)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.fixture(scope="module")
def stopped(tiny_model, tmp_path_factory):
    """The training file and the output of a run of four steps with a checkpoint at each second."""
    folder = tmp_path_factory.mktemp("stopped")
    rows = training_rows(folder / "data")
    finetune(tiny_model, rows, folder / "run", "--max_steps", "4", "--save_steps", "2", "--dtype", "float32")
    return rows, folder / "run" / "output"


def resumed(stopped, tiny_model, folder, *flags):
    """The finished command that goes on in a copy of the output."""
    rows, output = stopped
    if not (folder / "run" / "output").exists():
        shutil.copytree(output, folder / "run" / "output")
    return finetune(tiny_model, rows, folder / "run", "--max_steps", "6", "--dtype", "float32", *flags, check=False)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


DAMAGE = {
    "weights cut": lambda folder: cut(folder / "adapter_model.safetensors"),
    "a bit of the optimizer's": lambda folder: flip(folder / "optimizer.pt"),
    "no scheduler": lambda folder: (folder / "scheduler.pt").unlink(),
    "no mark": lambda folder: (folder / FILE_NAME).unlink(),
    "half a mark": lambda folder: cut(folder / FILE_NAME),
    "another version's": lambda folder: (folder / FILE_NAME).write_text('{"format": 99}'),
    "a mark of something else": lambda folder: (folder / FILE_NAME).write_text('{"format": 1, "run": [], "files": 3}'),
    "empty": lambda folder: [path.unlink() for path in folder.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_checkpoint_that_is_not_whole_is_passed_over_and_said(damage, stopped, tmp_path, capsys):
    output = tmp_path / "output"
    shutil.copytree(stopped[1], output)
    run = Run(**json.loads((output / "checkpoint-4" / FILE_NAME).read_text())["run"])
    assert to_resume("last", output, run) == output / "checkpoint-4"
    assert capsys.readouterr().err == ""
    DAMAGE[damage](output / "checkpoint-4")
    assert to_resume("last", output, run) == output / "checkpoint-2"
    said = capsys.readouterr().err
    assert said.startswith(f"{output / 'checkpoint-4'}: passed over: it") and len(said.splitlines()) == 1
    with pytest.raises(UserError, match="checkpoint-4: not to go on from: it"):
        to_resume(str(output / "checkpoint-4"), output, run)
    shutil.rmtree(output / "checkpoint-2")
    with pytest.raises(UserError, match="begin anew without --resume_from_checkpoint"):
        to_resume("last", output, run)


OTHER = {
    "rank": (["--lora_rank", "4"], "LoRA's rank"),
    "seed": (["--seed", "7"], "which examples come in which step"),
    "batch": (["--per_device_train_batch_size", "3"], "which examples come in which step"),
    "packing": (["--packing", "none"], "which examples come in which step"),
    "template": (["--prompt_template", "xiyan"], "the training rows, the schema texts"),
    "dtype": (["--dtype", "bfloat16"], "the numbers' type"),
}


@pytest.mark.parametrize("case", OTHER, ids=str)
def test_another_runs_checkpoint_is_refused_in_one_line(case, stopped, tiny_model, tmp_path):
    flags, said = OTHER[case]
    done = resumed(stopped, tiny_model, tmp_path, "--resume_from_checkpoint", "last", *flags)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "checkpoint-4: not to go on from: it is of another run" in last and said in last


def test_data_that_changed_meanwhile_are_refused(stopped, tiny_model, tmp_path):
    shutil.copytree(stopped[0].parent, tmp_path / "data")
    rows = tmp_path / "data" / stopped[0].name
    shutil.copytree(stopped[1], tmp_path / "run" / "output")
    for change in (
        lambda: rows.write_text(rows.read_text().replace("> 20", "> 19")),
        lambda: shutil.copy(stopped[0], rows) and _add_a_column(tmp_path / "data" / "schemas" / "farm.txt"),
    ):
        change()
        done = resumed((rows, None), tiny_model, tmp_path, "--resume_from_checkpoint", "last")
        assert done.returncode == 2
        assert "the training rows, the schema texts" in done.stderr.splitlines()[-1]


def _add_a_column(schema):
    schema.write_text(schema.read_text().replace("(age:INTEGER)", "(age:INTEGER),\n(town:TEXT)"))


def test_a_checkpoint_on_another_base_is_refused(stopped, tiny_model, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    tensors = load_file(other / "model.safetensors")
    name = next(name for name in tensors if name.endswith("q_proj.weight"))
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    done = resumed(stopped, other, tmp_path, "--resume_from_checkpoint", "last")
    assert done.returncode == 2 and "the base model" in done.stderr.splitlines()[-1]


def test_a_run_that_has_ended_makes_no_step_more(stopped, tiny_model, tmp_path):
    rows, output = stopped
    run = tmp_path / "run"
    shutil.copytree(output, run / "output")
    again = ["--max_steps", "4", "--dtype", "float32", "--resume_from_checkpoint", "last"]
    done = finetune(tiny_model, rows, run, *again)
    assert "step " not in done.stderr
    again, first = weights(run), weights(output.parent)
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_a_loss_that_is_no_number_stops_the_run_and_is_in_no_checkpoint(tiny_model, data, tmp_path):
    run = tmp_path / "run"
    flags = ["--max_steps", "12", "--save_steps", "1", "--logging_steps", "100", "--max_grad_norm", "0"]
    done = finetune(tiny_model, data, run, *flags, "--learning_rate", "1e25", "--warmup_steps", "0", check=False)
    assert done.returncode == 2, done.stderr
    assert "the loss is no longer a number" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not (run / "adapter").exists()
    for path in (run / "output").glob("checkpoint-*/adapter_model.safetensors"):
        assert all(bool(weight.isfinite().all()) for weight in load_file(path).values()), path


def test_what_tells_data_apart():
    example = TokenizedExample([1, 2], [3])
    same = fingerprint_of_data([example, example])
    assert same == fingerprint_of_data([TokenizedExample([1, 2], [3]), example])
    others = [
        [example],
        [TokenizedExample([1], [2, 3]), example],
        [TokenizedExample([1, 2], [3], [4]), example],
        [TokenizedExample([1, 2, 3], []), example],
    ]
    assert len({same, *map(fingerprint_of_data, others)}) == 5


def test_a_mark_names_all_that_differs(tmp_path):
    (tmp_path / "weights").write_bytes(b"x" * 1000)
    mark(tmp_path, RUN)
    assert fault(tmp_path, RUN) == ""
    said = fault(tmp_path, Run("other", "other", "lora", "steps", "dtype"))
    assert "training rows" in said and "base model" in said and "LoRA" not in said
    assert fault(tmp_path, Run("data", "", "lora", "steps", "dtype")) == ""
