"""`python -m app` as a user starts it: what it says, what it refuses with status 2, how it ends."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from python310 import UNLIMITED
from sqlfocus.cli import main
from sqlfocus.errors import UserError
from sqlfocus.models.newest import newest_gguf, newest_model
from sqlfocus.web.serving import listening

ROOT = Path(__file__).parents[2]


def start(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "app", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_service_from_the_first_line_to_the_last(farm, tmp_path, ending):
    shutil.copytree(farm / "adapter", tmp_path / "save-model")
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.ini").write_text(f"[database]\ndialect = sqlite\ndbname = {farm}/farm.sqlite\n")
    process = start(tmp_path, "--enable-mschema", "--port", "0")
    try:
        said = ""
        while "Ctrl-C stops." not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        assert re.search(r"model +save-model/tiny-llama-lora\n", said)
        assert re.search(r"database +farm \(sqlite, 1 tables?\)\n", said)
        (url,) = re.findall(r"page +(http://localhost:\d+/)\n", said)
        deadline = time.monotonic() + 30
        while requests.get(f"{url}readyz", timeout=5).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # As the original's clients ask, over each address of localhost.
        for host in ("127.0.0.1", "localhost"):
            port = url.rsplit(":", 1)[1]
            asked = requests.post(
                f"http://{host}:{port}text2sql", json={"question": "How many cows are there?"}, timeout=30
            )
            assert asked.json()["sql_query"] == "SELECT count(*) FROM cow"
        assert "<title>" in requests.get(url, timeout=5).text
        process.send_signal(ending)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, UNLIMITED)
    finally:
        process.kill()
        process.communicate()


def refused(capsys, *words):
    capsys.readouterr()
    assert main(["serve", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("sqlfocus: error: ") and err.count("\n") == 1
    return err


def test_without_a_fine_tuned_model_nothing_is_served(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "there is no fine-tuned model in new-model/ or save-model/" in refused(capsys)


def test_what_cannot_be_is_refused_before_a_model_is_loaded(farm, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = ("--model", str(farm / "adapter" / "tiny-llama-lora"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} is in use" in refused(capsys, *model, "--host", "127.0.0.1", "--port", port)
    assert "a port is a number" in refused(capsys, *model, "--port", "70000")
    assert "no such address" in refused(capsys, *model, "--host", "nowhere.invalid")
    assert "config.ini: no such file" in refused(capsys, *model, "--port", "0", "--enable-mschema")
    assert "--engine openai asks a server" in refused(capsys, *model, "--engine", "openai")
    assert "--queue 0" in refused(capsys, *model, "--queue", "0")
    config = tmp_path / "c.ini"
    config.write_text("[database]\ndbname = x\npasswd = secret\n")
    words = (*model, "--port", "0", "--enable-mschema", "--config", str(config))
    assert "the key passwd is not known" in refused(capsys, *words)
    config.write_text("[database]\nport = 9\nhost = 127.0.0.1\nuser = me\npassword = S3cret\ndbname = x\n")
    said = refused(capsys, *words)
    assert "mysql://me@127.0.0.1:9/x: cannot connect" in said and "S3cret" not in said


def test_a_model_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "nothing" in refused(capsys, "--model", "./nothing", "--port", "0")


def test_the_newest_model_is_taken_merged_ones_first(tmp_path):
    def made(name, age):
        (tmp_path / name).mkdir(parents=True)
        record = tmp_path / name / "sqlfocus.json"
        record.write_text("{}")
        os.utime(record, (age, age))

    places = tmp_path / "new-model", tmp_path / "save-model"
    with pytest.raises(UserError, match="no fine-tuned model"):
        newest_model(*places)
    made("save-model/a-lora", 1000)
    made("save-model/b-lora", 900)
    (tmp_path / "save-model/base").mkdir()  # no record: not one that was fine-tuned
    assert newest_model(*places).name == "a-lora"
    made("new-model/c", 500)
    assert newest_model(*places).name == "c"


def test_the_newest_gguf_file_is_taken_of_one_model_the_usual_type(tmp_path):
    def made(name, age):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (age, age))

    with pytest.raises(UserError, match="sqlfocus quantize"):
        newest_gguf(tmp_path)
    made("a-R1-GGUF/a-R1-Q4_K_M.gguf", 1000)
    made("b-R1-GGUF/b-R1-F16.gguf", 2000)
    made("b-R1-GGUF/b-R1-Q8_0.gguf", 2001)
    assert newest_gguf(tmp_path).name == "b-R1-Q8_0.gguf"
    made("b-R1-GGUF/b-R1-Q4_K_M.gguf", 500)
    assert newest_gguf(tmp_path).name == "b-R1-Q4_K_M.gguf"


def test_a_port_that_the_system_chooses_is_the_same_on_all_addresses():
    with listening("localhost", 0) as sockets:
        assert len({one.getsockname()[1] for one in sockets}) == 1
