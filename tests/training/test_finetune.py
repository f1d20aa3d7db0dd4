"""The run itself, on a tiny model: resuming, stopping, what the adapter folder carries, and what is refused."""

import importlib.util
import json
import signal
import subprocess

import pytest
import torch

from finetuning import SCHEMA, command, finetune, training_rows, weights
from sqlfocus.corpus.prompt import template_named
from sqlfocus.inference.loading import load_engine
from sqlfocus.inference.transformers import TransformersEngine
from sqlfocus.models.loading import adapter_base, load_adapter, load_base, load_tokenizer
from sqlfocus.models.merge import merge
from sqlfocus.models.record import read_record
from sqlfocus.training.dataset import load_dataset
from sqlfocus.training.loss import token_losses
from sqlfocus.training.packing import pad


@pytest.fixture
def data(tmp_path):
    return training_rows(tmp_path / "data")


def test_a_run_says_what_it_will_do_and_leaves_an_adapter_that_answers(tiny_model, data, tmp_path):
    done = finetune(tiny_model, data, tmp_path / "run", "--max_steps", "3")
    for words in ("Examples    36 from", "Tokens ", "Steps       3 of about ", "Memory      about", "trainable"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in done.stderr.splitlines() if ": loss " in line]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    folder = tmp_path / "run" / "adapter" / "tiny-llama-lora"
    record = read_record(folder)
    assert record is not None
    assert (record.prompt_template, record.dialects) == ("schema-first", ["sqlite"])
    assert record.base_model == str(tiny_model)
    assert len(record.train_sha256) == 64
    assert record.max_values == 0
    assert record.training["steps"] == 3
    assert {"torch", "transformers", "peft", "sql-focus-finetune"} <= record.versions.keys()
    engine, template = load_engine(str(folder))
    prompt = template.prompt(schema=SCHEMA.format("farm"), question="Who is older than 25?")
    _, source = adapter_base(folder)
    apart = load_adapter(load_base(source, dtype=torch.float32), folder).eval()
    before = TransformersEngine(apart, engine.tokenizer, name="apart").complete([prompt], max_new_tokens=16)
    merged = merge(folder, tmp_path / "run" / "merged", dtype=torch.float32)
    after = load_engine(str(merged))[0].complete([prompt], max_new_tokens=16)
    assert before == after == engine.complete([prompt], max_new_tokens=16)
    card = (merged / "README.md").read_text()
    assert "Not measured" in card
    assert "schema-first" in card


def test_training_pushes_a_wrong_answer_away_from_the_right_one(tiny_model, data, tmp_path):
    """The same rows and steps, with and without wrong SQL: how much likelier the right one is in the end."""
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    pairs = data.parent / "pairs.jsonl"
    wrong = [{**row, "rejected": row["sql"].replace("SELECT name", "SELECT age")} for row in rows]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in wrong))

    def likelier(run):
        folder = tmp_path / run / "adapter" / "tiny-llama-lora"
        _, source = adapter_base(folder)
        model = load_adapter(load_base(source, dtype=torch.float32), folder).eval()
        tokenizer = load_tokenizer(source)
        asked = load_dataset(
            pairs, tokenizer, template_named("schema-first"), schema_dir=None, max_length=4096
        ).examples
        with torch.no_grad():
            losses = [token_losses(model, pad(one.sequences), fused=False).sum(dim=1) for one in asked]
        return float(torch.stack([loss[1] - loss[0] for loss in losses]).mean())

    done = finetune(tiny_model, pairs, tmp_path / "pairs", "--num_train_epochs", "2")
    assert "; 36 with a wrong answer" in done.stderr
    finetune(tiny_model, data, tmp_path / "plain", "--num_train_epochs", "2")
    assert likelier("pairs") > likelier("plain") + 1


@pytest.mark.parametrize("more", [[], ["--muon"], ["--reorder_schema"]], ids=["adamw", "muon", "reordered"])
def test_a_killed_run_resumes_to_the_very_weights_of_one_that_was_not(more, tiny_model, data, tmp_path):
    flags = ["--num_train_epochs", "3", *more]
    finetune(tiny_model, data, tmp_path / "whole", *flags)
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        command(tiny_model, data, killed, *flags),
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 5/"):  # between the checkpoints of steps 4 and 6, in the middle of an epoch
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stderr.close()
    assert sorted(path.name for path in (killed / "output").glob("checkpoint-*"))[:2] == [
        "checkpoint-2",
        "checkpoint-4",
    ]
    assert not (killed / "adapter").exists()
    finetune(tiny_model, data, killed, *flags, "--resume_from_checkpoint", "last")
    whole, resumed = weights(tmp_path / "whole"), weights(killed)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_go_on(tiny_model, data, tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen(
        command(tiny_model, data, run, "--num_train_epochs", "400", "--save_steps", "100000"),
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("step 2/"):
            process.send_signal(signal.SIGINT)
    process.stderr.close()
    assert process.wait() == 130
    assert "--resume_from_checkpoint last" in lines[-1]
    assert "Traceback" not in "".join(lines)
    assert len(list((run / "output").glob("checkpoint-*"))) == 1


def test_an_example_that_does_not_fit_is_left_out_and_counted(tiny_model, data, tmp_path):
    long = {"question": "Who? " * 200, "sql": "SELECT 1", "db_id": "farm"}
    data.write_text(data.read_text() + json.dumps(long) + "\n")
    done = finetune(tiny_model, data, tmp_path / "run", "--max_steps", "1", "--max_seq_length", "200")
    assert "Left out    1 examples of more than 200 tokens (farm 1)" in done.stderr


@pytest.mark.parametrize("more", [[], ["--gradient_checkpointing", "true"]], ids=["", "checkpointed"])
def test_qlora_learns_and_its_adapter_answers_on_the_whole_base(more, tiny_model, data, tmp_path):
    for way in ("prefix", "none"):
        flags = ["--train_mode", "qlora", "--max_steps", "4", "--lora_dropout", "0", "--dtype", "float32", *more]
        done = finetune(tiny_model, data, tmp_path / way, "--packing", way, *flags)
        assert "compute as PEFT has them," not in done.stderr
        losses = [float(line.split("loss ")[1].split(",")[0]) for line in done.stderr.splitlines() if ": loss " in line]
        assert len(losses) == 4
        assert losses[-1] < losses[0]
        trained = weights(tmp_path / way)
        assert all(bool(weight.any()) for name, weight in trained.items() if "lora_B" in name)
    engine, template = load_engine(str(tmp_path / "prefix" / "adapter" / "tiny-llama-lora"))
    prompt = template.prompt(schema=SCHEMA.format("farm"), question="Who is older than 25?")
    assert engine.complete([prompt], max_new_tokens=4)


REFUSALS = {
    "missing train file": (["--train_file", "nowhere.jsonl"], "nowhere.jsonl: no such training file"),
    "missing eval file": (["--eval_file", "nowhere.jsonl"], "nowhere.jsonl: no such evaluation file"),
    "missing databases": (["--eval_databases", "nowhere"], "nowhere: no such folder of databases"),
    "unknown model": (["--model_name", "./nowhere"], "./nowhere: no such model"),
    "unknown template": (["--prompt_template", "mine"], "mine: no such prompt template"),
    "nothing fits": (["--max_seq_length", "10"], "none of its 36 examples fits in 10 tokens"),
    "no rank": (["--lora_rank", "0"], "--lora_rank 0: it must be 1 or more"),
    "qlora without bitsandbytes": (["--train_mode", "qlora"], "qlora needs bitsandbytes: pip install bitsandbytes"),
    "qlora in shards": (["--train_mode", "qlora", "--fsdp", "full_shard"], "holds the 4-bit weights whole"),
    "nothing to resume": (["--resume_from_checkpoint", "last"], "no checkpoint to resume from"),
    "not a checkpoint": (["--resume_from_checkpoint", "nowhere"], "nowhere: no checkpoint there"),
    "wrong flag": (["--learning_rat", "1"], "--learning_rat"),
    "muon in shards": (["--muon", "--fsdp", "full_shard"], "--muon needs each matrix whole"),
    "no key": (["--tracking", "online"], "--tracking online needs a key"),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_what_cannot_be_done_is_refused_in_one_line(case, tiny_model, data, tmp_path, capsys, monkeypatch):
    from sqlfocus.cli import run_verb

    if case == "qlora without bitsandbytes":
        find = importlib.util.find_spec
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "bitsandbytes" else find(name))
    monkeypatch.delenv("SWANLAB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    flags, message = REFUSALS[case]
    words = command(tiny_model, data, tmp_path / "run")[2:] + flags
    try:
        status = run_verb("finetune", words, prog="finetune.py")
    except SystemExit as stopped:  # argparse's own errors
        status = stopped.code
    error = capsys.readouterr().err
    assert status == 2
    assert message in error.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "adapter").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json}", ":37: not JSON"),
        ('{"question": "x", "db_id": "farm"}', ":37: not a known form"),
        ('{"question": "x", "sql": "SELECT 1", "db_id": "moon"}', "no schema text for the database moon"),
    ],
)
def test_a_line_at_fault_is_named(line, message, tiny_model, data, tmp_path, capsys):
    from sqlfocus.cli import run_verb

    data.write_text(data.read_text() + line + "\n")
    assert run_verb("finetune", command(tiny_model, data, tmp_path / "run")[2:]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, which a checkpoint does not fit into."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root alone")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("flag", ["--output_dir", "--save_dir"])
def test_a_full_disk_is_said_in_one_line(flag, small_disk, tiny_model, data, tmp_path):
    done = finetune(tiny_model, data, tmp_path / "run", "--max_steps", "2", flag, str(small_disk), check=False)
    assert done.returncode == 2
    assert "the disk is full" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(small_disk.glob("*-lora"))


def test_muon_orthogonalizes_what_it_adds_to_each_matrix(tiny_model, data, tmp_path):
    """After one step B, which began at 0, is one update: all its singular values are about the same."""
    finetune(tiny_model, data, tmp_path / "run", "--max_steps", "1", "--muon", "--lora_rank", "4")
    updates = [weight for name, weight in weights(tmp_path / "run").items() if "lora_B" in name]
    assert updates
    for update in updates:
        values = torch.linalg.svdvals(update)
        assert values[-1] > 0.3 * values[0]  # Newton-Schulz leaves them between 0.7 and 1.2 of the one
