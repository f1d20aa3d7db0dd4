"""SwanLab's modes, and its charts in a real browser."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sqlfocus.errors import UserError
from sqlfocus.training.tracking import choose_mode

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_key(monkeypatch, tmp_path):
    monkeypatch.delenv("SWANLAB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_without_a_key_a_run_is_tracked_offline(no_key):
    assert choose_mode("auto") == "offline"


def test_with_a_key_it_is_online(no_key, monkeypatch):
    monkeypatch.setenv("SWANLAB_API_KEY", "a-key")
    assert choose_mode("auto") == "online"


def test_online_without_a_key_is_refused_and_never_asks(no_key):
    with pytest.raises(UserError, match="set SWANLAB_API_KEY or run `swanlab login`"):
        choose_mode("online")


def train(tiny_model, folder, *flags):
    data = folder / "data"
    (data / "schemas").mkdir(parents=True)
    (data / "schemas" / "farm.txt").write_text("【DB_ID】 farm\n【Schema】\n# Table: cow\n[\n(id:INTEGER)\n]")
    row = {"question": "How many cows?", "sql": "SELECT count(*) FROM cow", "db_id": "farm"}
    (data / "train_data.jsonl").write_text((json.dumps(row) + "\n") * 16)
    command = [sys.executable, str(ROOT / "finetune.py"), "--model_name", str(tiny_model), "--max_steps", "6"]
    command += ["--logging_steps", "1", "--learning_rate", "1e-2", "--use_cpu", *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL, check=True)


def test_an_offline_run_leaves_a_folder_and_says_how_to_send_it(tiny_model, no_key, tmp_path):
    done = train(tiny_model, tmp_path, "--tracking", "offline")
    assert list((tmp_path / "output" / "swanlog").glob("run-*/*.swanlab"))
    assert "swanlab sync output/swanlog/run-" in done.stderr.splitlines()[-1]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def read(address, seconds=20):
    for _ in range(seconds * 5):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


@pytest.mark.browser
def test_the_charts_of_a_local_run_are_seen_in_a_browser(tiny_model, no_key, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    done = train(tiny_model, tmp_path, "--tracking", "local")
    assert done.stderr.splitlines()[-1] == "Charts: swanlab watch output/swanlog"
    port = free_port()
    watch = [
        str(Path(sys.executable).parent / "swanlab"),
        "watch",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "output/swanlog",
    ]
    server = subprocess.Popen(watch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        charts = read(f"http://127.0.0.1:{port}/api/v1/experiment/1/chart")["data"]["charts"]
        assert {"train/loss", "train/learning_rate", "train/grad_norm", "train/tokens_per_second"} <= {
            chart["name"] for chart in charts
        }
        page = subprocess.run(
            [
                chromium,
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
                *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000"),
                *(f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"),
                f"http://127.0.0.1:{port}/experiment/1/chart",
            ],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        ).stdout
        assert "train/loss" in page
        assert "Finished" in page
    finally:
        server.terminate()
        server.wait()
