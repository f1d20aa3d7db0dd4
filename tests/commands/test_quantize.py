"""``sqlfocus quantize`` as a user calls it, ends it and calls it again."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from converted import converter, narrow, wide
from sqlfocus.cli import main
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
    for command in ("inspect", "compare", "deploy"):
        assert f"  sqlfocus {command}" in out
    assert str(file) in out
    assert "100%" in err
    assert main(["inspect", str(file)]) == 0
    capsys.readouterr()
    status, again, err = call(capsys, "--model", narrow, "--type", "Q8_0", "--output", tmp_path)
    assert (status, err) == (0, f"kept: {tmp_path}/Narrow-R1-F16.gguf\nkept: {tmp_path}/Narrow-R1-Q8_0.gguf\n")
    assert "Narrow-R1-Q8_0.gguf" in again


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


@pytest.mark.model
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("kind", ["BF16", "Q4_K_M"], ids=["converting", "quantizing"])
def test_a_run_that_is_ended_half_way_leaves_no_half_file_and_the_next_goes_on(number, kind, wide, tmp_path, capsys):
    words = ["quantize", "--model", str(wide), "--output", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfocus", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    part = tmp_path / f".Wide-R1-{kind}.gguf.{process.pid}.part"
    while not part.exists() and process.poll() is None:
        time.sleep(0.002)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    # Ctrl-C goes to all processes of a terminal, the other two signals to one.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, "a process of llama.cpp outlived the command"
    finished = {"BF16": [], "Q4_K_M": ["Wide-R1-BF16.gguf"]}[kind]
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == finished
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
        assert list(tmp_path.glob(".*")) == []
        assert "Traceback" not in said
    if number == signal.SIGINT:
        assert said.endswith("\nStopped; finished files are kept, and the same command goes on.\n")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[!.]*")}
    assert main(words) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Wide-R1-BF16.gguf", "Wide-R1-Q4_K_M.gguf"]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert read_gguf(tmp_path / "Wide-R1-Q4_K_M.gguf").file_type == "Q4_K_M"
