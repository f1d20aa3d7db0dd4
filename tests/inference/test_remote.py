"""The remote engine against a real server (llama-cpp-python's), and against what a server should not send."""

import http.server
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from sqlfocus.corpus.prompt import template_named
from sqlfocus.errors import UserError
from sqlfocus.inference import llamacpp
from sqlfocus.inference.remote import RemoteEngine
from sqlfocus.schema.text import read_schema_text

SCHEMA = "【DB_ID】 shop\n【Schema】\n# Table: orders\n[\n(id:INTEGER, Primary Key),\n(city:TEXT, Examples: [上海])\n]"
TEMPLATE = template_named("schema-first")
PROMPTS = [TEMPLATE.prompt(schema=SCHEMA, question=question) for question in ("How many?", "上海有多少？", "Cities?")]


def free_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


@pytest.fixture(scope="module")
def server(smollm2, tmp_path_factory):
    if not llamacpp.available():
        pytest.skip("llama-cpp-python is not installed")
    pytest.importorskip("starlette_context", reason="llama-cpp-python[server] is not installed")
    port = free_port()
    words = ["--model", str(smollm2), "--port", str(port), "--n_ctx", "1024", "--n_threads", "1"]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", *words], stdout=out, stderr=out)
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait(10)


@pytest.mark.model
def test_a_real_server_answers(server, capsys):
    engine = RemoteEngine(server, batch_size=2)
    assert engine.name.endswith(".gguf")
    done = {}
    database = read_schema_text(SCHEMA, dialect="sqlite")
    given = engine.complete(PROMPTS, max_new_tokens=8, databases=[database] * 3, on_done=done.__setitem__)
    assert [done[place] for place in range(3)] == given
    assert all(one.text and 1 <= one.tokens <= 8 for one in given)
    engine.complete(PROMPTS[:1], max_new_tokens=1, databases=[database])
    assert capsys.readouterr().err.count("not held to the schema") == 1
    assert given[0].text == engine.complete(PROMPTS[:1], max_new_tokens=8)[0].text


@pytest.mark.model
def test_a_model_that_the_server_has_not_is_said(server):
    with pytest.raises(UserError, match=r"no model gpt there; it has .*\.gguf"):
        RemoteEngine(f"{server}#gpt")


@pytest.fixture
def strange():
    """A server that sends what it is told, and keeps what it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send(*answers["models"])

        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            keys.append(self.headers["Authorization"])
            self.send(*answers["completions"])

        def send(self, status, body):
            text = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    asked, keys = [], []
    answers = {"models": (200, {"data": [{"id": "a"}]}), "completions": (200, {})}
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/v1", answers, asked, keys
    made.shutdown()
    made.server_close()


def test_prompts_on_one_database_begin_with_the_same_bytes_and_the_key_is_sent(strange, monkeypatch):
    url, answers, asked, keys = strange
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    answers["completions"] = (200, {"choices": [{"message": {"content": "SELECT 1"}, "finish_reason": "length"}]})
    (first, *_) = RemoteEngine(url).complete(PROMPTS, max_new_tokens=7, temperatures=[0.5] * 3, seed=3)
    assert (first.text, first.tokens, first.finished) == ("SELECT 1", 0, False)
    assert keys == ["Bearer secret"] * 3
    assert sorted(body["seed"] for body in asked) == [3, 4, 5]
    assert {body["messages"][1]["content"][: len(SCHEMA)] for body in asked} == {SCHEMA}
    assert {(body["model"], body["max_tokens"], body["temperature"]) for body in asked} == {("a", 7, 0.5)}


@pytest.mark.parametrize(
    ("models", "completions", "message"),
    [
        ((200, {"data": []}), None, "it has no model; name one"),
        ((200, {"data": [{"id": "a"}, {"id": "b"}]}), None, "it has a, b; name one"),
        ((404, "not found"), None, "the server refuses .404: not found."),
        ((401, ""), None, "wants a key"),
        ((200, "<html>"), None, "no JSON comes from there"),
        ((200, "[]"), None, "not OpenAI's API"),
        (None, (200, {"choices": []}), "its answer is no chat completion"),
        (None, (500, "out of\nmemory"), "the server refuses .500: out of memory."),
    ],
)
def test_what_a_server_should_not_send_is_one_line(strange, models, completions, message):
    url, answers, *_ = strange
    answers["models"] = models or answers["models"]
    answers["completions"] = completions or answers["completions"]
    with pytest.raises(UserError, match=message) as caught:
        RemoteEngine(url).complete(PROMPTS)
    assert "\n" not in str(caught.value)


def test_nothing_listening_is_one_line():
    with pytest.raises(UserError, match=r"no answer from there \(Connection refused\); is the server running\?"):
        RemoteEngine(f"http://127.0.0.1:{free_port()}/v1")
