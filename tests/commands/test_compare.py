"""``sqlfocus compare`` as a user calls it, on real files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sqlfocus.cli import main
from sqlfocus.corpus.example import write_examples
from sqlfocus.demo.shop import build_shop, read_questions
from sqlfocus.inference import llamacpp
from sqlfocus.models.record import read_record
from sqlfocus.schema.database import read_database
from without_training import hidden

WORDS = ["compare", "--data", "data.jsonl", "--databases", ".", "--limit", "4", "--max_new_tokens", "16"]
GGUF = [*WORDS, "--gguf", "gguf", "--json", "figures.json", "--tracking"]
RUNGS = Path("output/compare/gguf/rungs")

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
    (folder / "start" / "sitecustomize.py").write_text(hidden())  # what Python runs at its start, in every process
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
    times = ("first_token", "first_token_p95", "first_token_cold", "first_token_cold_p95")
    assert all(found[f"{name}_one"] > 0 for name in (*times, "tokens_per_second", "answers_per_second"))


@runs_gguf
@pytest.mark.model
def test_the_report_has_what_the_table_has(measured):
    folder, done = measured
    place = folder / "output" / "compare" / "gguf"
    text = (place / "compare.html").read_text(encoding="utf-8")
    assert re.sub(r"[^\w]", "", done.stdout.splitlines()[5]) in re.sub(r"[^\w]", "", text)
    assert "llama-cpp-python" in text
    assert (place / "compare.svg").read_text(encoding="utf-8") in text
    rows = json.loads((place / "rungs" / "one.json").read_text(encoding="utf-8"))["rows"]
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
    logged = [
        file.read_text(encoding="utf-8") for file in folder.glob("output/compare/gguf/swanlog/run-*/media/*/*.json")
    ]
    assert any("one (reference)" in text for text in logged)
    assert any("scatter" in text for text in logged)


@runs_gguf
@pytest.mark.model
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_changed_file_is_measured_again_and_a_run_that_is_ended_keeps_the_others(folder, capfd, number):
    assert main([*GGUF, "disabled"]) == 0
    os.utime(folder / "gguf" / "two.gguf")
    (RUNGS / "two.error.txt").write_text("of an earlier run")
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfocus", *GGUF, "disabled"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    said = b""
    while b"two:   0%" not in said:  # its process is loading or answering
        more = os.read(process.stderr.fileno(), 4096)
        assert more, said
        said += more
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    # Ctrl-C goes to all processes of a terminal, the other signal to one.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, rest = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, "a process of the measurement outlived the command"
    assert (process.returncode, out) == (130 if number == signal.SIGINT else -number, b"")
    assert b"one: measured before" in said
    assert "Traceback" not in rest.decode()
    if number == signal.SIGINT:
        assert rest.decode().splitlines()[-1] == (
            f"Stopped in measuring two; one kept in {RUNGS}; the same command goes on from there."
        )
    assert [file.name for file in RUNGS.iterdir()] == ["one.json"]


@runs_gguf
@pytest.mark.model
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_results_that_cannot_be_written_are_one_line(folder):
    import resource

    done = subprocess.run(
        [sys.executable, "-m", "sqlfocus", *GGUF, "disabled", "--output", "small"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("sqlfocus: error: small/rungs/one.json: cannot be written")
    assert list(Path("small/rungs").iterdir()) == []


@runs_gguf
@pytest.mark.model
def test_a_broken_file_leaves_the_others(folder, capfd):
    shutil.copytree("gguf", "some", symlinks=True)
    Path("some/broken.gguf").write_bytes(b"GGUF, but no more")
    Path("some/gone.gguf").symlink_to("nowhere")
    Path("some/two.gguf").unlink()
    assert main([*WORDS, "--gguf", "some", "--tracking", "disabled"]) == 1
    out, err = capfd.readouterr()
    assert "(reference)" in out
    assert "broken: not measured: some/broken.gguf: GGUF of version" in err
    assert "gone: not measured: some/gone.gguf: no such GGUF file" in err


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
    # The adapter's own record names its base, a change of which is one of the adapter.
    base = Path(read_record(Path("adapter/tiny-llama-lora")).base_model)
    os.utime(base / "config.json", (1, 1))
    assert main(words) == 0
    said = capfd.readouterr().err
    assert "merged: measured before" in said
    assert "adapter: measured before" not in said


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
        (["--gguf", "gguf", "--output", "data.jsonl"], "data.jsonl/compare.html: cannot be written"),
        (["--gguf", "gguf", "--json", "gguf"], "gguf: a folder; name a file in it"),
        (["--gguf", "gguf", "--json", "data.jsonl/x.json"], "data.jsonl/x.json: cannot be written"),
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
