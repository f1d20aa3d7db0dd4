"""Serving, asking, measuring and deploying a GGUF file need llama.cpp alone: nothing of the extra ``train``."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from python310 import UNLIMITED
from served_models import record, write_gguf
from sqlfocus.inference import llamacpp
from without_training import TRAIN, hidden

MAIN = "from sqlfocus.cli import main; sys.exit(main(sys.argv[1:]))"
ROOMS = """
import importlib, pkgutil
import sqlfocus
for module in pkgutil.walk_packages(sqlfocus.__path__, "sqlfocus."):
    room = module.name.removeprefix("sqlfocus.")
    if room.split(".")[0] not in ("training", "__main__") and room not in sys.argv[1:]:
        importlib.import_module(module.name)
        print(room)
"""
HEAVY = (
    *("evaluation.in_training", "inference.transformers", "inference.transformers_tokenizer"),
    *("models.alone", "models.attention", "models.branches", "models.card", "models.decoder", "models.dequantize"),
    *("models.flex", "models.gguf", "models.gguf_size", "models.loading", "models.merge", "models.prefix"),
    *("models.products", "models.together"),
)
"""Besides training, the modules that compute with weights, or make models."""


def run(code, *words, missing=TRAIN):
    """Run code where the packages cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", hidden(missing) + code, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "farm" / "farm.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE cow (name TEXT, milk INTEGER); INSERT INTO cow VALUES ('Bella', 3);")
    return path


def test_every_module_of_serving_and_measuring_can_be_imported():
    done = run(ROOMS, *HEAVY)
    assert done.returncode == 0, done.stderr
    needed = {"web.app", "web.mcp", "evaluation.rung", "inference.llamacpp", "answer"}
    needed |= {"models.deploy", "models.gguf_file", "models.inspection", "models.named", "models.served"}
    assert needed <= set(done.stdout.split())


def test_a_file_is_inspected_and_deployed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "USERPROFILE"):  # where LM Studio's folder would be
        monkeypatch.setenv(name, str(tmp_path))
    path = tmp_path / "shop-Q4_K_M.gguf"
    write_gguf(path, made=record())
    done = run(MAIN, "inspect", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert str(path) in done.stdout
    for server in ("ollama", "lmstudio", "llama-server"):
        done = run(MAIN, "deploy", server, "--model", str(path), "--force")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.model
@pytest.mark.skipif(not llamacpp.available(), reason="llama-cpp-python is not installed")
def test_a_gguf_file_is_asked_and_measured(smollm2, database, tmp_path):
    done = run(MAIN, "ask", "--model", str(smollm2), "--database", str(database), "How many cows are there?")
    assert done.returncode == 0, done.stderr
    assert done.stdout.lstrip().upper().startswith("SELECT")
    assert done.stderr == UNLIMITED

    data = tmp_path / "dev.jsonl"
    row = {"db_id": "farm", "question": "How many cows?", "sql": "SELECT count(*) FROM cow"}
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    words = ["evaluate", "--model", str(smollm2), "--data", str(data), "--databases", str(tmp_path)]
    done = run(MAIN, *words, "--output", str(tmp_path / "predictions.jsonl"))
    assert done.returncode == 0, done.stderr
    assert "SmolLM2" in done.stdout
    assert (tmp_path / "predictions.jsonl").is_file()


INSTALL = "pip install 'sql-focus-finetune[train]'"
ASK = ["ask", "--database", "farm.sqlite", "How many?"]


@pytest.mark.parametrize(
    ("words", "missing", "message"),
    [
        (["finetune", "--model_name", "x"], TRAIN, f"sqlfocus finetune needs torch: {INSTALL}"),
        (["plan", "--help"], TRAIN, f"sqlfocus plan needs torch: {INSTALL}"),
        (["merge"], ("peft",), f"sqlfocus merge needs peft: {INSTALL}"),
        (["demo"], ("accelerate",), f"sqlfocus demo needs accelerate: {INSTALL}"),
        (["demo"], ("llama_cpp",), "sqlfocus demo needs llama-cpp-python: pip install 'sql-focus-finetune[gguf]'"),
        (["prepare", "spider", "--source", ".", "--tokenizer", "x"], TRAIN, f"--tokenizer needs torch: {INSTALL}"),
        (
            [*ASK, "--model", "."],
            TRAIN,
            f".: torch is not installed, which runs it: {INSTALL}, or name a GGUF file, which llama.cpp runs",
        ),
        (
            [*ASK, "--model", "Qwen/Qwen3-4B"],
            ("transformers",),
            f"Qwen/Qwen3-4B: transformers is not installed, which runs it: {INSTALL}, or name a GGUF file, which "
            "llama.cpp runs",
        ),
        (
            [*ASK, "--model", "model.gguf"],
            (*TRAIN, "llama_cpp"),
            "model.gguf: a GGUF file is run by llama-cpp-python: pip install 'sql-focus-finetune[gguf]'",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(words, missing, message, database, smollm2, monkeypatch):
    monkeypatch.chdir(database.parent)
    (database.parent / "model.gguf").symlink_to(smollm2)
    done = run(MAIN, *words, missing=missing)
    assert (done.returncode, done.stderr) == (2, f"sqlfocus: error: {message}\n")
