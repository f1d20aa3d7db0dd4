"""``sqlfocus compare`` as a user calls it, on real files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sqlfocus.cli import main
from sqlfocus.corpus.example import write_examples
from sqlfocus.demo.shop import build_shop, read_questions
from sqlfocus.inference import llamacpp
from sqlfocus.schema.database import read_database

WORDS = ["compare", "--data", "data.jsonl", "--databases", ".", "--limit", "4", "--max_new_tokens", "16"]
GGUF = [*WORDS, "--gguf", "gguf", "--json", "figures.json", "--tracking"]
NO_TRAINING = "import sys\nfor name in ('torch', 'transformers', 'peft', 'swanlab'):\n    sys.modules[name] = None\n"
"""What Python runs at its start: these packages are then as good as not installed, in every process."""

runs_gguf = pytest.mark.skipif(not llamacpp.available(), reason="llama-cpp-python is not installed")


@pytest.fixture(scope="module")
def measured(smollm2, tmp_path_factory):
    """A folder with the sample shop and one model twice, measured where PyTorch is not to be had; and what was said."""
    folder = tmp_path_factory.mktemp("compare")
    database = build_shop(folder / "shop.sqlite")
    write_examples(folder / "data.jsonl", read_questions("en"))
    (folder / "schemas").mkdir()
    text = read_database(str(database), tables=["products"], max_values=0).mschema()  # a short one, to be quick
    (folder / "schemas" / "shop.txt").write_text(text, encoding="utf-8")
    (folder / "gguf").mkdir()
    for name in ("one", "two"):
        shutil.copy(smollm2, folder / "gguf" / f"{name}.gguf")
    (folder / "start").mkdir()
    (folder / "start" / "sitecustomize.py").write_text(NO_TRAINING)
    done = subprocess.run(
        [sys.executable, "-m", "sqlfocus", *GGUF, "auto"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "start"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return folder, done


@pytest.fixture
def folder(measured, monkeypatch):
    monkeypatch.chdir(measured[0])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return measured[0]


def figures(folder):
    return json.loads((folder / "figures.json").read_text(encoding="utf-8"))


@runs_gguf
@pytest.mark.model
def test_gguf_files_are_compared_without_pytorch(measured):
    folder, done = measured
    assert done.returncode == 0, done.stderr
    assert "not logged to SwanLab, which is not installed: pip install swanlab" in done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[2].startswith("one (reference)")
    assert lines[3].startswith("two")
    assert lines[5].startswith("Nothing is recommended: one is right on 0 of 4 questions")
    found = figures(folder)
    assert (found["equal_two"], found["difference_two"], found["reference"]) == (1.0, 0.0, "one")
    assert found["size_one"] == (folder / "gguf" / "one.gguf").stat().st_size
    # The file is mapped, and all of its weights are used.
    assert found["size_one"] < found["memory_one"] < 8e9
    assert 0 < found["first_token_one"] < found["first_token_cold_one"] <= found["first_token_cold_p95_one"]
    assert found["tokens_per_second_one"] > 0
    assert found["answers_per_second_one"] > 0


@runs_gguf
@pytest.mark.model
def test_the_report_has_what_the_table_has(measured):
    folder, done = measured
    text = (folder / "output" / "compare" / "compare.html").read_text(encoding="utf-8")
    assert re.sub(r"[^\w]", "", done.stdout.splitlines()[5]) in re.sub(r"[^\w]", "", text)
    assert "llama-cpp-python" in text
    assert (folder / "output" / "compare" / "compare.svg").read_text(encoding="utf-8") in text
    rows = json.loads((folder / "output" / "compare" / "rungs" / "one.json").read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 4
    assert all(row["db_id"] == "shop" and row["completion"] for row in rows)


@runs_gguf
@pytest.mark.model
def test_a_second_run_measures_nothing_anew_and_logs_a_run(folder, capfd):
    before = figures(folder)
    assert main([*GGUF, "offline"]) == 0
    said = capfd.readouterr()
    assert said.err.count("measured before") == 2
    assert figures(folder) == before
    assert said.out.startswith("model ")
    assert "swanlab" not in said.out
    logged = [file.read_text(encoding="utf-8") for file in folder.glob("output/compare/swanlog/run-*/media/*/*.json")]
    assert any("one (reference)" in text for text in logged)
    assert any("scatter" in text for text in logged)


@runs_gguf
@pytest.mark.model
def test_a_changed_file_is_measured_again_and_ctrl_c_keeps_the_other(folder, capfd):
    assert main([*GGUF, "disabled"]) == 0
    os.utime(folder / "gguf" / "two.gguf", (1, 1))
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfocus", *GGUF, "disabled"], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    said = b""
    while b"two:   0%" not in said:  # its process is loading or answering
        more = os.read(process.stderr.fileno(), 4096)
        assert more, said
        said += more
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"one: measured before" in said
    assert rest.decode().splitlines()[-1] == (
        "Stopped in measuring two; one kept in output/compare/rungs; the same command goes on from there."
    )
    assert not Path("output/compare/rungs/two.json").exists()


@pytest.mark.model
def test_a_folder_is_measured_by_transformers(folder, tiny_model, capfd):
    assert main([*WORDS, "--model", str(tiny_model), "--output", "tiny", "--tracking", "disabled"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[2].startswith("merged (reference)")
    assert "There is no quantized type to choose; merged is all that can be taken." in out
    for left_out in ("base: left out", "adapter: left out", "no GGUF files in"):
        assert left_out in err


@pytest.mark.model
def test_an_adapter_and_what_it_was_merged_into_answer_alike_and_the_base_knows_nothing(farm, capfd, monkeypatch):
    monkeypatch.chdir(farm)
    assert main(["merge", "--adapter", "adapter/tiny-llama-lora", "--output", "new-model/tiny-llama-R1"]) == 0
    words = [
        "compare",
        "--model",
        "new-model/tiny-llama-R1",
        "--adapter",
        "adapter/tiny-llama-lora",
        "--json",
        "f.json",
    ]
    words += ["--data", "train.jsonl", "--databases", ".", "--tracking", "disabled"]
    assert main(words) == 0
    assert "2 questions left out because their gold query fails." in capfd.readouterr().out
    found = json.loads(Path("f.json").read_text(encoding="utf-8"))
    assert [found[f"right_{name}"] for name in ("base", "adapter", "merged")] == [0, 2, 2]
    assert (found["equal_base"], found["equal_adapter"], found["lost_base"]) == (0.0, 1.0, 2)
    assert found["size_base"] < found["size_adapter"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to compare; name a merged model with --model, or GGUF files with --gguf"),
        (["--gguf", "nowhere"], "nowhere: no GGUF file there"),
        (["--gguf", "gguf", "--limit", "0"], "--limit 0: it has to be at least 1"),
        (["--gguf", "gguf", "--margin", "5"], "--margin 5: it is a share of the questions, between 0 and 1"),
        (["--gguf", "gguf", "--data", "no.jsonl"], "no.jsonl: no such file"),
        (["--gguf", "gguf", "--databases", "nowhere"], "nowhere: no such folder of databases"),
        (["--gguf", "gguf", "--exclude_databases", "shop"], "no questions are left to ask"),
        (["--gguf", "gguf", "--schema_dir", "gguf"], "gguf/shop.txt: no schema text for the database shop"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(smollm2, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    build_shop(tmp_path / "shop.sqlite")
    write_examples(tmp_path / "data.jsonl", read_questions("en")[:2])
    (tmp_path / "gguf").mkdir()
    (tmp_path / "gguf" / "one.gguf").symlink_to(smollm2)
    assert main([*WORDS, "--tracking", "disabled", *words]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sqlfocus: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
