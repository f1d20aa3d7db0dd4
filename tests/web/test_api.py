"""The API over a real model and database: what each operation gives, what a fault of each kind gives."""

import json
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import jsonschema
import pytest

import services
from sqlfocus.web.app import LOCAL_HOSTS, create_app
from sqlfocus.web.problems import TITLES
from sqlfocus.web.service import Service

FARM = "CREATE TABLE cow (id INTEGER PRIMARY KEY, name TEXT, farm TEXT);"


@pytest.fixture(scope="module")
def connected(farm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    shutil.copy(farm / "farm.sqlite", folder / "farm.sqlite")
    with sqlite3.connect(folder / "town.sqlite") as connection:
        connection.execute("CREATE TABLE house (id INTEGER PRIMARY KEY, street TEXT)")
        connection.executemany("INSERT INTO house (street) VALUES (?)", [("High Street",), ("东大街",)])
    connection.close()
    databases = [("farm", folder / "farm.sqlite"), ("town", folder / "town.sqlite")]
    with services.running(*services.load(farm), databases, review_file=folder / "review.jsonl") as (service, app):
        yield service, app.test_client(), folder


@pytest.fixture(scope="module")
def alone(farm, tmp_path_factory):
    """A service to which no database is connected."""
    review = tmp_path_factory.mktemp("alone") / "review.jsonl"
    with services.running(*services.load(farm), review_file=review) as (_, app):
        yield app.test_client()


def post(client, path, body, status=200):
    response = client.post(path, json=body)
    assert response.status_code == status, response.text
    check(client, "post", path, response)
    return response.json


def check(client, method, path, response):
    """The response is one that the OpenAPI document has."""
    document = client.get("/openapi.json").json
    operation = document["paths"][path][method]["responses"][str(response.status_code)]
    schema = operation["content"][response.mimetype]["schema"]
    jsonschema.validate(response.json, {**schema, "components": document["components"]})


def is_problem(response, kind):
    """It is a problem of that kind, in the one shape that all have."""
    status, title = TITLES[kind]
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
    body = response.json
    assert (body["type"], body["title"], body["status"]) == (f"/problems/{kind}", title, status)
    assert body["detail"] and set(body) <= {"type", "title", "status", "detail", "errors"}
    assert ("Retry-After" in response.headers) == (status == 503)
    return body["detail"]


def test_a_question_on_a_connected_database(connected):
    given = post(connected[1], "/text2sql", {"question": "How many cows are there?"})
    assert given["sql_query"] == "SELECT count(*) FROM cow"
    assert (given["parses"], given["allowed"], given["reason"], given["tables"]) == (True, True, "", ["cow"])
    assert (given["database"], given["dialect"], given["model"]) == ("farm", "sqlite", "tiny-llama-lora")
    assert given["attempts"] == [{"sql_query": "SELECT count(*) FROM cow", "error": ""}]
    tokens, times = given["tokens"], given["milliseconds"]
    # The schema went through the model before the first question.
    assert tokens["cached"] > 20 and tokens["cached"] + tokens["evaluated"] == tokens["prompt"]
    assert times["total"] == pytest.approx(sum(value for name, value in times.items() if name != "total"), abs=0.5)


@pytest.mark.parametrize(
    "schema",
    [
        FARM,
        "【DB_ID】 farm\n【Schema】\n# Table: cow\n[\n(id:INTEGER, Primary Key),\n(name:TEXT),\n(farm:TEXT)\n]",
        (Path(__file__).parents[1] / "schema/dirty.sql").read_text(encoding="utf-8"),
    ],
    ids=["ddl", "mschema", "dirty"],
)
def test_the_request_brings_the_schema(alone, schema):
    given = post(alone, "/text2sql", {"question": "How many cows are there?", "db_schema": schema})
    assert given["parses"] and given["allowed"] and given["database"] is None
    assert given["attempts"][-1]["error"] == ""


def test_a_schema_that_comes_with_the_question_is_not_that_of_the_database(connected):
    given = post(connected[1], "/text2sql", {"question": "How many cows are there?", "db_schema": FARM})
    assert given["database"] == "farm"
    assert given["notes"] == ["db_schema was not used: the question was asked on the connected database farm."]


def test_asking_gives_the_rows_too(connected):
    given = post(connected[1], "/ask", {"question": "Name the cows, please."})
    assert given["error"] == ""
    result = given["result"]
    assert result["columns"] == [{"name": "name", "kind": "text"}, {"name": "farm", "kind": "text"}]
    assert result["rows"] == [["Bella", "北山"], ["花花", None]]
    assert (result["truncated"], result["database"], result["tables"]) == (False, "farm", ["cow"])


def test_an_answer_that_fails_comes_with_its_error_and_what_was_tried(farm, tmp_path):
    databases = [("farm", farm / "farm.sqlite")]
    options = {"review_file": tmp_path / "review.jsonl", "constrained": False}
    with services.running(*services.load(farm), databases, **options) as (_, app):
        given = post(app.test_client(), "/ask", {"question": "Who sings?"})
    assert given["sql_query"] == "SELECT singer FROM cow" and given["result"] is None
    assert given["error"] == "no such column: singer"
    assert len(given["attempts"]) == 2 and given["attempts"][0]["error"] == "no such column: singer"


def test_a_database_is_chosen_by_its_name(connected):
    client = connected[1]
    assert post(client, "/execute", {"sql": "SELECT street FROM house", "database": "town"})["rows"][1] == ["东大街"]
    assert "no database city" in is_problem(
        client.post("/execute", json={"sql": "SELECT 1", "database": "city"}), "no-database"
    )
    assert [one["name"] for one in client.get("/databases").json["databases"]] == ["farm", "town"]


def test_a_query_runs_as_the_guard_wrote_it(connected):
    given = post(connected[1], "/execute", {"sql": "select name, id from cow -- all\norder by id desc;"})
    assert given["sql"] == "SELECT name, id FROM cow ORDER BY id DESC"
    assert given["rows"] == [["花花", 2], ["Bella", 1]]
    assert given["columns"][1] == {"name": "id", "kind": "number"}


@pytest.mark.parametrize(
    ("sql", "kind", "detail"),
    [
        ("DELETE FROM cow", "sql-refused", "SELECT or WITH"),
        ("SELECT * FROM sqlite_master", "sql-refused", "sqlite_master"),
        ("SELECT * FROM house", "sql-refused", "house"),
        ("SELECT 1; SELECT 2", "sql-refused", "one statement"),
        ("SELECT milk FROM cow", "sql-failed", "no such column: milk"),
        ("Which cows are there?", "sql-refused", "SELECT or WITH"),
    ],
)
def test_a_query_that_may_not_run_or_does_not(connected, sql, kind, detail):
    assert detail in is_problem(connected[1].post("/execute", json={"sql": sql}), kind)


def test_a_long_query_is_stopped_by_its_name(connected):
    client = connected[1]
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    found = []
    asking = threading.Thread(
        target=lambda: found.append(client.post("/execute", json={"sql": endless, "id": "endless-1"}))
    )
    asking.start()
    deadline = time.monotonic() + 5
    while client.delete("/executions/endless-1").status_code != 204:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    asking.join(5)
    assert "stopped" in is_problem(found[0], "sql-stopped")
    is_problem(client.delete("/executions/endless-1"), "not-found")


def test_a_schema_as_json_and_as_text(connected):
    response = connected[1].get("/databases/farm/schema")
    check_path = "/databases/{name}/schema"
    document = connected[1].get("/openapi.json").json
    schema = document["paths"][check_path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json, {**schema, "components": document["components"]})
    given = response.json
    assert given["mschema"].startswith("【DB_ID】 farm\n")
    assert [column["name"] for column in given["schema"][0]["columns"]] == ["id", "name", "farm"]
    assert given["schema"][0]["columns"][0]["primary_key"] and given["schema"][0]["columns"][1]["examples"]
    is_problem(connected[1].get("/databases/city/schema"), "no-database")


def test_a_schema_that_changed_is_read_again(connected):
    _, client, folder = connected
    assert client.post("/databases/town/refresh").json["changed"] is False
    with sqlite3.connect(folder / "town.sqlite") as connection:
        connection.execute("ALTER TABLE house ADD COLUMN floors INTEGER")
    connection.close()
    given = client.post("/databases/town/refresh").json
    assert given["changed"] and [one["name"] for one in given["schema"][0]["columns"]] == ["id", "street", "floors"]


def test_a_database_that_is_gone_and_comes_back(connected):
    _, client, folder = connected
    path = folder / "farm.sqlite"
    path.rename(folder / "away")
    try:
        assert "farm.sqlite" in is_problem(
            client.post("/execute", json={"sql": "SELECT name FROM cow"}), "database-unavailable"
        )
        is_problem(client.post("/ask", json={"question": "Name the cows, please."}), "database-unavailable")
        is_problem(client.post("/databases/farm/refresh"), "database-unavailable")
        # What needs no database is answered still.
        assert client.post("/text2sql", json={"question": "Name the cows, please."}).json["allowed"]
    finally:
        (folder / "away").rename(path)
    assert len(post(client, "/ask", {"question": "Name the cows, please."})["result"]["rows"]) == 2


def test_feedback_is_kept_a_line_each(connected):
    _, client, folder = connected
    lines = folder / "review.jsonl"
    before = len(lines.read_text(encoding="utf-8").splitlines()) if lines.exists() else 0
    body = {
        "question": "有几头牛？",
        "verdict": "wrong",
        "sql_query": "SELECT 1",
        "corrected_sql": "SELECT count(*) FROM cow",
    }
    assert post(client, "/feedback", body, 201) == {"entries": before + 1}
    entry = json.loads(lines.read_text(encoding="utf-8").splitlines()[-1])
    assert (entry["question"], entry["corrected_sql"], entry["database"]) == (
        *("有几头牛？", "SELECT count(*) FROM cow"),
        "farm",
    )
    assert "# Table: cow" in entry["schema"]


@pytest.mark.parametrize(
    ("path", "body", "kind", "detail"),
    [
        ("/text2sql", {}, "invalid", "/question"),
        ("/text2sql", {"question": "  "}, "invalid", "/question"),
        ("/text2sql", {"question": 7}, "invalid", "/question"),
        ("/text2sql", {"question": "q" * 4001}, "invalid", "/question"),
        ("/text2sql", {"question": "q", "db_shema": "x"}, "invalid", "/db_shema"),
        ("/text2sql", {"question": "q", "dialect": "oracle"}, "invalid", "/dialect"),
        ("/text2sql", {"question": "q"}, "no-schema", "--enable-mschema"),
        ("/text2sql", {"question": "q", "db_schema": "three tables"}, "bad-schema", "CREATE TABLE"),
        ("/text2sql", {"question": "q", "database": "farm"}, "no-database", "--enable-mschema"),
        ("/ask", {"question": "q"}, "no-database", "--enable-mschema"),
        ("/execute", {"sql": "SELECT 1"}, "no-database", "--enable-mschema"),
        ("/text2sql", [], "bad-request", "object"),
        ("/text2sql", None, "bad-request", "object"),
    ],
)
def test_a_body_that_does_not_fit(alone, path, body, kind, detail):
    response = alone.post(path, data=json.dumps(body), content_type="application/json")
    assert detail in is_problem(response, kind)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"data": b"{", "content_type": "application/json"}, "bad-request"),
        ({"data": b'{"question": NaN}', "content_type": "application/json"}, "bad-request"),
        ({"data": b'{"question": "\xff"}', "content_type": "application/json"}, "bad-request"),
        ({"data": b"[" * 100_000, "content_type": "application/json"}, "bad-request"),
        ({"data": b"question=x"}, "unsupported-media-type"),
        ({"data": b'{"question": "x"}', "content_type": "text/plain"}, "unsupported-media-type"),
        ({"data": b" " * (17 << 20), "content_type": "application/json"}, "too-large"),
    ],
)
def test_a_body_that_is_no_json(alone, options, kind):
    is_problem(alone.post("/text2sql", **options), kind)


def test_what_is_not_there_and_what_cannot_be_done(alone):
    is_problem(alone.get("/text3sql"), "not-found")
    response = alone.get("/text2sql")
    is_problem(response, "method-not-allowed")
    assert "POST" in response.headers["Allow"]


def test_a_full_queue_turns_away_at_once(connected):
    service, client, _ = connected
    places = [service.gate.place() for _ in range(service.gate.most)]
    for place in places:
        place.__enter__()
    try:
        response = client.post("/text2sql", json={"question": "How many cows are there?"})
        assert "try again in" in is_problem(response, "queue-full")
        assert client.get("/healthz").text == "ok\n"
    finally:
        for place in places:
            place.__exit__(None, None, None)
    assert client.post("/text2sql", json={"question": "How many cows are there?"}).status_code == 200


def test_questions_asked_at_once_get_their_own_answers(connected):
    client = connected[1]
    expected = {
        "How many cows are there?": "SELECT count(*) FROM cow",
        "Name the cows, please.": "SELECT name, farm FROM cow ORDER BY name",
    }
    found = []

    def ask(question):
        found.append((question, client.post("/text2sql", json={"question": question}).json["sql_query"]))

    threads = [threading.Thread(target=ask, args=(question,)) for question in [*expected] * 12]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 24 and all(expected[question] == sql for question, sql in found)


def test_a_prompt_longer_than_the_model_reads_is_refused(alone):
    columns = ", ".join(f"column_{number} TEXT" for number in range(1200))
    long = {"question": "长" * 4000, "db_schema": f"CREATE TABLE wide ({columns});", "evidence": "字" * 4000}
    assert "tokens, and the model reads" in is_problem(alone.post("/text2sql", json=long), "prompt-too-long")


def test_a_column_of_years_and_a_date_among_them_is_no_axis(connected):
    sql = "SELECT 2024 AS year, 1 AS n UNION ALL SELECT 2023, 2 UNION ALL SELECT '2024-01-01', 3"
    given = post(connected[1], "/execute", {"sql": sql})
    assert len(given["rows"]) == 3 and given["chart"] is None


def test_a_question_is_stopped_by_its_name(connected):
    service, client, _ = connected
    forward, going = service.engine.network.forward, threading.Event()

    def slow(feeds):
        going.set()
        time.sleep(0.05)
        return forward(feeds)

    service.engine.network.forward = slow
    try:
        found = []
        body = {"question": "Which cow has not been asked for before?", "id": "question-1"}
        asking = threading.Thread(target=lambda: found.append(client.post("/text2sql", json=body)))
        asking.start()
        assert going.wait(10)
        assert client.delete("/executions/question-1").status_code == 204
        asking.join(20)
    finally:
        service.engine.network.forward = forward
    is_problem(found[0], "sql-stopped")


@pytest.mark.parametrize(
    ("host", "kind"), [("localhost:4060", ""), ("127.0.0.1", ""), ("[::1]:4060", ""), ("evil.example", "bad-request")]
)
def test_by_another_name_the_app_is_not_called(farm, tmp_path, host, kind):
    app = create_app(Service(*services.load(farm)), review_file=tmp_path / "r.jsonl", hosts=LOCAL_HOSTS)
    response = app.test_client().get("/databases", headers={"Host": host})
    assert is_problem(response, kind) if kind else response.status_code == 200


def test_made_up_methods_are_one_label(connected):
    client = connected[1]
    for method in ("FOO", "BAR"):
        client.open("/databases", method=method)
    text = client.get("/metrics").text
    assert 'method="other"' in text and "FOO" not in text


def test_a_schema_that_the_model_cannot_take_ahead_is_no_end(farm, tmp_path, capsys):
    engine, template = services.load(farm)
    engine.network.context = 20
    with services.running(engine, template, [("farm", farm / "farm.sqlite")], review_file=tmp_path / "r") as (_, app):
        assert app.test_client().get("/readyz").status_code == 200
    assert "warning: farm: its schema is not computed ahead: the prompt has" in capsys.readouterr().err


def test_feedback_that_cannot_be_kept_is_said(farm, tmp_path):
    (tmp_path / "file").touch()
    app = create_app(Service(*services.load(farm)), review_file=tmp_path / "file" / "r.jsonl")
    is_problem(app.test_client().post("/feedback", json={"question": "q", "verdict": "right"}), "feedback-unavailable")


def test_metrics_count_questions_tokens_and_prefixes(connected):
    client = connected[1]
    client.post("/text2sql", json={"question": "How many cows are there?"})
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[:1] != "#")
    assert float(lines['sqlfocus_requests_total{method="POST",route="/text2sql",status="200"}']) >= 1
    assert float(lines["sqlfocus_engine_prefix_hits_total"]) >= 1
    assert float(lines["sqlfocus_engine_prefix_bytes"]) > 0
    assert float(lines['sqlfocus_prompt_tokens_total{how="kept"}']) > 0
    assert float(lines["sqlfocus_questions_under_way"]) == 0


def test_it_is_ready_when_the_schemas_have_gone_through_the_model(farm, tmp_path):
    engine, template = services.load(farm)
    databases = [("farm", farm / "farm.sqlite")]
    with services.running(engine, template, databases, review_file=tmp_path / "review.jsonl") as (service, app):
        assert app.test_client().get("/readyz").text == "ready\n"
        assert engine.counters()["prefixes"] == 1
        service.ready.clear()
        is_problem(app.test_client().get("/readyz"), "not-ready")


def test_every_operation_is_in_the_document_and_every_problem_has_a_title(connected):
    document = connected[1].get("/openapi.json").json
    paths = {(path, method) for path, one in document["paths"].items() for method in one}
    assert {("/text2sql", "post"), ("/v1/chat/completions", "post"), ("/metrics", "get")} <= paths
    described = "".join(json.dumps(one) for one in document["paths"].values())
    # What no operation gives is what is no operation.
    assert [kind for kind in TITLES if f"`{kind}`" not in described] == ["method-not-allowed"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/app.js",
        "/static/vendor/aggrid/index.js",
        "/static/nothing.js",
        "/databases",
        "/nothing",
        "/healthz",
    ],
)
def test_every_answer_is_protected(connected, path):
    with connected[1].get(path) as response:
        headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] in ("no-store", "no-cache")
    assert not [name for name, _ in headers if name.startswith("Access-Control")]
