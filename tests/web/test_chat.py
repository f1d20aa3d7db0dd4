"""OpenAI's endpoints, asked by the project's own client for such servers, and the stream read as clients read it."""

import json
import threading
import time

import pytest
import requests
import waitress

import services
from sqlfocus.corpus.prompt import Prompt, template_named
from sqlfocus.errors import UserError
from sqlfocus.inference.remote import RemoteEngine
from sqlfocus.schema.database import read_database
from sqlfocus.web.chat import ChatMessage, prompt_of
from sqlfocus.web.problems import ProblemError

TEMPLATE = template_named("schema-first")


@pytest.fixture(scope="module")
def served(farm, tmp_path_factory):
    engine, template = services.load(farm)
    review = tmp_path_factory.mktemp("chat") / "review.jsonl"
    with services.running(engine, template, review_file=review) as (service, app):
        # As serve() does it.
        most = 4 * app.config["MAX_CONTENT_LENGTH"]
        server = waitress.create_server(app, host="127.0.0.1", port=0, threads=8, max_request_body_size=most)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield service, app.test_client(), f"http://127.0.0.1:{server.effective_port}/v1"
        server.close()
        thread.join(5)


def messages(farm, question="How many cows are there?"):
    schema = read_database(str(farm / "farm.sqlite")).mschema()
    return TEMPLATE.prompt(schema=schema, question=question)


def test_a_client_for_such_servers_gets_the_local_engines_answers(served, farm):
    service, _, url = served
    engine = RemoteEngine(url)
    assert engine.name == "tiny-llama-lora"
    prompts = [messages(farm), messages(farm, "Name the cows, please."), messages(farm)]
    here = service.engine.complete(prompts)
    there = engine.complete(prompts)
    assert [one.text for one in there] == [one.text for one in here]
    assert [(one.tokens, one.prompt_tokens, one.finished) for one in there] == [
        (one.tokens, one.prompt_tokens, one.finished) for one in here
    ]
    # The schema is computed once for clients too.
    assert there[2].cached_tokens > 20
    with pytest.raises(UserError, match="no model other"):
        RemoteEngine(f"{url}#other")


def stream(client, body):
    response = client.post("/v1/chat/completions", json={"stream": True, **body})
    assert (response.status_code, response.mimetype) == (200, "text/event-stream")
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


@pytest.mark.parametrize("question", ["How many cows are there?", "Name the cows, please."])
def test_a_stream_says_piece_by_piece_what_the_whole_answer_says(served, farm, question):
    client = served[1]
    body = {"messages": messages(farm, question).messages()}
    whole = client.post("/v1/chat/completions", json=body).json
    events = stream(client, {**body, "stream_options": {"include_usage": True}})
    pieces = [choice["delta"].get("content", "") for event in events for choice in event["choices"]]
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert events[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_who_hangs_up_costs_no_more(served):
    service, _, url = served
    said = [{"role": "user", "content": "On and on"}]
    body = {"messages": said, "max_tokens": 4096, "stream": True, "temperature": 2}
    with requests.post(f"{url}/chat/completions", json=body, stream=True, timeout=30) as response:
        lines = response.iter_lines()
        for _ in range(8):
            next(lines)
        assert service.gate.inside == 1
    deadline = time.monotonic() + 30
    while service.gate.inside:
        assert time.monotonic() < deadline, "it is still written"
        time.sleep(0.05)
    steps = service.engine.counters()["steps"]
    time.sleep(0.3)
    assert service.engine.counters()["steps"] == steps


def test_a_body_that_is_too_large_is_a_problem_of_the_usual_shape(served):
    json_ = {"Content-Type": "application/json"}
    response = requests.post(f"{served[2]}/chat/completions", data=b"x" * (17 << 20), headers=json_, timeout=30)
    assert (response.status_code, response.headers["Content-Type"]) == (413, "application/problem+json")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_word_ends_the_text_before_it(served, farm, streamed):
    body = {"messages": messages(farm, "Name the cows, please.").messages(), "stop": [" ORDER BY", "nothing"]}
    if streamed:
        events = stream(served[1], body)
        text = "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])
        reason = events[-1]["choices"][0]["finish_reason"]
    else:
        (choice,) = served[1].post("/v1/chat/completions", json=body).json["choices"]
        text, reason = choice["message"]["content"], choice["finish_reason"]
    assert (text, reason) == ("SELECT name, farm FROM cow", "stop")


def test_tokens_are_limited(served, farm):
    body = {"messages": messages(farm).messages(), "max_tokens": 2}
    given = served[1].post("/v1/chat/completions", json=body).json
    assert given["choices"][0]["finish_reason"] == "length" and given["usage"]["completion_tokens"] == 2


def test_what_cannot_be_done_is_a_problem(served, farm):
    client = served[1]
    said = [{"role": "user", "content": "q"}]
    for body, status in [
        ({"messages": said, "model": "gpt-9"}, 404),
        ({"messages": []}, 422),
        ({"messages": [{"role": "tool", "content": "x"}]}, 422),
        ({"messages": [*said, {"role": "assistant", "content": "a"}]}, 422),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, 422),
        ({"messages": said, "n": 2}, 422),
        ({"messages": said, "max_tokens": 0}, 422),
    ]:
        response = client.post("/v1/chat/completions", json=body)
        assert (response.status_code, response.mimetype) == (status, "application/problem+json"), body


def test_a_conversation_becomes_a_prompt():
    def said(*pairs):
        return prompt_of([ChatMessage(role=role, content=text) for role, text in pairs])

    assert said(("user", "q")) == Prompt(None, "q")
    turns = [("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r")]
    assert said(*turns) == Prompt("s", "q", 0, ("a", "r"))
    assert [one["role"] for one in said(*turns).messages()] == ["system", "user", "assistant", "user"]
    ours = TEMPLATE.prompt(schema="【DB_ID】 x\n【Schema】\n# Table: t", question="q")
    assert said(("system", ours.system), ("user", ours.user)).shared == len("【DB_ID】 x\n【Schema】\n# Table: t")
    with pytest.raises(ProblemError):
        said(("user", "q"), ("user", "r"))


@pytest.mark.parametrize("wrong", [{"seed": False}, {"max_tokens": "5"}, {"stream": 1}], ids=str)
def test_values_of_another_kind_are_refused(served, farm, wrong):
    body = {"messages": messages(farm, "Name the cows, please.").messages(), **wrong}
    assert served[1].post("/v1/chat/completions", json=body).status_code == 422
