"""The service while something fails: the right status, nothing hangs, and it goes on without a restart."""

import contextlib
import http.server
import json
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests

import services
from sqlfocus.inference.loading import load_engine

ASKED = {"question": "How many cows are there?"}
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
SAID = {"question": "x", "sql_query": "SELECT 1", "verdict": "right", "database": "farm"}
PATIENCE = 60
"""Seconds after which something hangs."""


def post(url, path, body, status=200):
    response = requests.post(url + path, json=body, timeout=PATIENCE)
    assert response.status_code == status, response.text
    return response.json()


def answers(url):
    """It answers a question and runs it."""
    assert post(url, "/ask", ASKED)["result"]["rows"] == [[2]]


@pytest.fixture
def address(farm, tmp_path):
    with services.process(farm, tmp_path) as (url, process):
        yield url, process


def connect(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def test_clients_that_send_slowly_or_do_not_read_keep_nobody_waiting(address):
    url, process = address
    answers(url)
    files = psutil.Process(process.pid).num_fds()
    body = json.dumps(ASKED).encode()
    whole = (
        b"POST /text2sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    whole = whole % len(body) + body
    slow = [connect(url) for _ in range(300)]
    try:
        for place, connection in enumerate(slow):
            # Nothing, half a head, a head and half a body, a whole request whose answer nobody reads.
            connection.sendall(whole[: [0, 20, len(whole) - 5, len(whole)][place % 4 if place < 40 else place % 3]])
        for _ in range(3):
            answers(url)
            for connection in slow[1::3]:
                connection.sendall(b"P" if connection is slow[1] else b"")
    finally:
        for connection in slow:
            connection.close()
    answers(url)
    deadline = time.monotonic() + PATIENCE
    while psutil.Process(process.pid).num_fds() > files + 5:
        assert time.monotonic() < deadline, "connections that were hung up stay open"
        time.sleep(0.1)
    assert process.poll() is None


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux alone sets a running process's limits")
def test_a_full_disk(farm, tmp_path):
    """A limit on a file's size fails a write in its middle, as a full disk does."""
    review = tmp_path / "review.jsonl"
    with services.process(farm, tmp_path, "--feedback_file", str(review)) as (url, process):
        assert post(url, "/feedback", SAID, 201)["entries"] == 1
        limit = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (review.stat().st_size + 100, limit[1]))
        for _ in range(3):
            assert post(url, "/feedback", SAID, 503)["type"] == "/problems/feedback-unavailable"
            answers(url)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
        post(url, "/feedback", SAID, 201)
    lines = review.read_text(encoding="utf-8").splitlines()
    whole = []
    for line in lines:
        try:
            whole.append(json.loads(line)["question"])
        except ValueError:
            assert len(line) <= 100
    assert whole == ["x", "x"]


def test_a_models_server_that_is_killed_and_comes_back(farm, tmp_path):
    """It dies before it answers, in the middle of its answer, and is gone for a while."""
    deeds = []
    answer = json.dumps({"choices": [{"message": {"content": "SELECT count(*) FROM cow"}, "finish_reason": "stop"}]})

    class Model(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(json.dumps({"data": [{"id": "one"}]}))

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(answer, deeds.pop(0) if deeds else "")

        def reply(self, text, deed=""):
            if deed != "dies":
                self.send_response(500 if deed == "fails" else 200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode()[: 20 if deed == "dies in its answer" else None])
            self.close_connection = True

        def log_message(self, *_):
            pass

    def started(port=0):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Model)
        threading.Thread(target=server.serve_forever).start()
        return server

    model = started()
    try:
        port = model.server_port
        engine, template = load_engine(f"http://127.0.0.1:{port}/v1")
        with services.running(
            engine, template, [("farm", farm / "farm.sqlite")], review_file=tmp_path / "review.jsonl"
        ) as (_, app):
            client = app.test_client()

            def ask(status):
                response = client.post("/ask", json=ASKED)
                assert response.status_code == status, response.text
                return response.json

            assert ask(200)["result"]["rows"] == [[2]]
            for deed in ("dies", "dies in its answer", "fails"):
                deeds.append(deed)
                assert ask(503)["type"] == "/problems/model-unavailable"
                assert ask(200)["result"]["rows"] == [[2]]
            model.shutdown()
            model.server_close()
            assert ask(503)["type"] == "/problems/model-unavailable"
            assert client.post("/execute", json={"sql": "SELECT count(*) FROM cow"}).json["rows"] == [[2]]
            model = started(port)
            assert ask(200)["result"]["rows"] == [[2]]
    finally:
        model.shutdown()
        model.server_close()


def test_an_engine_that_fails_once(farm, tmp_path, monkeypatch):
    engine, template = services.load(farm)
    with services.running(
        engine, template, [("farm", farm / "farm.sqlite")], review_file=tmp_path / "review.jsonl"
    ) as (_, app):
        client = app.test_client()
        assert client.post("/ask", json=ASKED).json["result"]["rows"] == [[2]]
        network = engine.scheduler.network
        for error in (MemoryError("no memory"), RuntimeError("a fault of the device")):
            with monkeypatch.context() as patch:
                patch.setattr(network, "forward", fails(error))
                response = client.post("/ask", json=ASKED)
            assert response.status_code == 500 and response.json["type"] == "/problems/internal"
            assert "no memory" not in response.text and "fault of the device" not in response.text
            assert client.post("/ask", json=ASKED).json["result"]["rows"] == [[2]]


def fails(error):
    def failing(*_, **__):
        raise error

    return failing


def test_processes_of_queries_that_are_killed(address):
    url, process = address
    answers(url)
    for _ in range(3):
        given = []
        asked = threading.Thread(
            target=lambda given=given: given.append(
                requests.post(f"{url}/execute", json={"sql": ENDLESS}, timeout=PATIENCE)
            )
        )
        asked.start()
        time.sleep(0.5)
        for worker in psutil.Process(process.pid).children(recursive=True):
            worker.kill()
        asked.join(PATIENCE)
        assert given and given[0].status_code in (422, 503), given[0].text
        answers(url)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_ends_while_much_is_under_way(address, ending):
    url, process = address
    threads = [
        threading.Thread(target=quietly, args=(url, path, body))
        for path, body in (("/ask", ASKED), ("/execute", {"sql": ENDLESS}))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(ending)
    process.wait(30)
    assert process.returncode == 0
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not psutil.wait_procs(workers, timeout=10)[1], "processes outlive the service"


def quietly(url, path, body):
    with contextlib.suppress(requests.RequestException):
        requests.post(url + path, json=body, timeout=PATIENCE)


LIBRARIES = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest.mark.skipif(not LIBRARIES, reason="faketime is not installed; tests/install_servers.sh installs it")
def test_a_clock_that_jumps(farm, tmp_path):
    """Of the wall's clock: what is measured and counted goes by the other, which does not jump."""
    moved = tmp_path / "moved"
    moved.write_text("+0")
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(moved),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    review = tmp_path / "review.jsonl"
    with services.process(farm, tmp_path, "--feedback_file", str(review), environment=environment) as (url, _):
        for jump in ("+0", "-400d", "+30y"):
            moved.write_text(jump)
            begun = time.monotonic()
            given = post(url, "/ask", ASKED)
            assert given["result"]["rows"] == [[2]]
            assert 0 <= given["milliseconds"]["total"] <= 1000 * (time.monotonic() - begun)
            # A query still ends at its time, and not before it has begun.
            name = f"endless-query{jump[1:]}"
            asked = threading.Thread(target=quietly, args=(url, "/execute", {"sql": ENDLESS, "id": name}))
            asked.start()
            time.sleep(0.5)
            assert asked.is_alive()
            assert requests.delete(f"{url}/executions/{name}", timeout=PATIENCE).status_code == 204
            asked.join(PATIENCE)
            assert not asked.is_alive()
            post(url, "/feedback", SAID, 201)
    years = {json.loads(line)["at"][:4] for line in review.read_text(encoding="utf-8").splitlines()}
    assert len(years) >= 3, "the clock did not jump"
