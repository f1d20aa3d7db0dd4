"""``sqlfocus quantize`` as a user calls it, ends it and calls it again."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from converted import converter, narrow, wide
from sqlfocus.cli import main
from sqlfocus.models.gguf import quantize
from sqlfocus.models.gguf_file import read_gguf

__all__ = ["converter", "narrow", "wide"]


def call(capsys, *words):
    """Exit status, and what was printed on both streams."""
    status = main(["quantize", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.model
def test_files_a_table_and_what_to_do_next(narrow, tmp_path, capsys):
    status, out, err = call(capsys, "--model", narrow, "--type", "q4_k_m", "Q8_0", "--output", tmp_path)
    assert status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"Narrow-R1-{kind}.gguf" for kind in ("F16", "Q4_K_M", "Q8_0")
    ]
    lines = out.splitlines()
    assert lines[1].split() == ["file", "type", "size", "of", "which,", "by", "weights"]
    assert lines[2].split()[:4] == ["Narrow-R1-Q4_K_M.gguf", "Q4_K_M", "5", "MB"]
    assert "Q8_0 9" in lines[2]
    assert "Q5_0 " in lines[2]
    assert "K-quants divide rows into blocks of 256 weights." in out
    assert "Narrow-R1-F16.gguf may be deleted, which saves 8 MB" in out
    file = tmp_path / "Narrow-R1-Q4_K_M.gguf"
    assert out.splitlines()[-3:] == [
        f"  sqlfocus inspect {file}",
        f"  sqlfocus compare --model {narrow} --gguf {tmp_path} --data FILE.jsonl --databases DIR",
        f"  sqlfocus deploy ollama --model {file}",
    ]
    assert "100%" in err
    assert main(["inspect", str(file)]) == 0
    capsys.readouterr()
    status, again, err = call(capsys, "--model", narrow, "--type", "Q8_0", "--output", tmp_path)
    assert status == 0
    assert err.splitlines() == [
        f"{narrow}: reading all of its files, whose digest the GGUF files carry",
        f"kept: {tmp_path}/Narrow-R1-F16.gguf",
        f"kept: {tmp_path}/Narrow-R1-Q8_0.gguf",
    ]
    assert "Narrow-R1-Q8_0.gguf" in again


@pytest.mark.model
def test_names_are_printed_as_they_were_given(half, wide, tmp_path, monkeypatch, capsys):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "new-model" / "my model"
    shutil.copytree(wide, model)
    (tmp_path / "new-model" / "my model-GGUF").mkdir()
    shutil.copy(half, tmp_path / "new-model" / "my model-GGUF" / "my model-BF16.gguf")
    status, out, _ = call(capsys, "--model", "new-model/my model/", "--type", "BF16")
    assert status == 0
    assert out.splitlines()[-3:] == [
        "  sqlfocus inspect 'new-model/my model-GGUF/my model-BF16.gguf'",
        "  sqlfocus compare --model 'new-model/my model' --data FILE.jsonl --databases DIR",
        "  sqlfocus deploy ollama --model 'new-model/my model-GGUF/my model-BF16.gguf'",
    ]
    status, _, err = call(capsys, "--model", "~/new-model/my model", "--type", "BF16")
    assert (status, err.splitlines()[-1]) == (0, f"kept: {model}-GGUF/my model-BF16.gguf")


@pytest.mark.parametrize("word", ["Q4_K_L", "q9", "ALLE"])
def test_an_unknown_type_is_refused_with_those_that_there_are(word, tmp_path, capsys):
    status, _, err = call(capsys, "--model", tmp_path, "--type", word)
    assert status == 2
    assert err == (
        f"sqlfocus: error: --type {word}: no such type; there are Q2_K, Q3_K_M, Q4_0, Q4_K_S, Q4_K_M, Q5_K_S, Q5_K_M, "
        "Q6_K, Q8_0, F16, BF16, and all\n"
    )


def test_a_folder_without_a_model_is_one_line(tmp_path, capsys):
    status, out, err = call(capsys, "--model", tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1)


@pytest.fixture(scope="module")
def half(wide, tmp_path_factory):
    """The 16-bit file, to begin at quantizing."""
    (file,) = quantize(wide, ["BF16"], output=tmp_path_factory.mktemp("half")).files
    return file.path


def stopped_half_way(process, folder):
    """Stop the command's own process, that of llama.cpp, when it has written a part of a file; return it."""
    command = psutil.Process(process.pid)
    while not (workers := command.children()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    (worker,) = workers
    worker.suspend()
    while not any(part.stat().st_size for part in folder.glob(".*/new/*.gguf")):
        worker.resume()
        time.sleep(0.005)  # too short to write all of it
        worker.suspend()
        assert process.poll() is None, process.communicate()
    assert [path for path in folder.glob("[!.]*") if "Q4_K_M" in path.name] == []
    return worker


@pytest.mark.model
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGKILL, "BF16"),
        (signal.SIGKILL, "Q4_K_M"),
        (signal.SIGINT, "BF16"),
        (signal.SIGINT, "Q4_K_M"),
        (signal.SIGTERM, "BF16"),
        (signal.SIGTERM, "Q4_K_M"),
    ],
)
def test_a_run_that_is_ended_half_way_leaves_no_half_file(number, kind, wide, half, tmp_path):
    if kind == "Q4_K_M":
        shutil.copy(half, tmp_path)
    words = ["quantize", "--model", str(wide), "--output", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfocus", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    worker = stopped_half_way(process, tmp_path)
    # Ctrl-C goes to all processes of a terminal, the other two signals to one.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    if number == signal.SIGKILL:
        process.wait(30)  # only then is it gone for sure
    worker.resume()
    _, said = process.communicate(timeout=60)
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert not alive, "a process of llama.cpp outlived the command"
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ([half.name] if kind == "Q4_K_M" else [])
    if number == signal.SIGKILL:
        assert process.returncode == -number
        assert len(list(tmp_path.glob(".*"))) == 1
    else:
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
        assert list(tmp_path.glob(".*")) == []
        assert "Traceback" not in said
        assert said.endswith("\nStopped; finished files are kept, and the same command goes on.\n")
    if kind == "BF16":  # converting takes long, and what was left is removed by any run
        shutil.copy(half, tmp_path)
    before = (tmp_path / half.name).stat().st_mtime_ns
    assert main(words) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Wide-R1-BF16.gguf", "Wide-R1-Q4_K_M.gguf"]
    assert (tmp_path / half.name).stat().st_mtime_ns == before
    assert read_gguf(tmp_path / "Wide-R1-Q4_K_M.gguf").file_type == "Q4_K_M"
