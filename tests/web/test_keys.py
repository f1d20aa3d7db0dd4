"""Keys: which requests need one, how often one may be used, what becomes of a file of keys that changes."""

import os
import stat
import threading
import time

import pytest

import services
from sqlfocus.cli import main
from sqlfocus.errors import UserError
from sqlfocus.web import keys as module
from sqlfocus.web.app import create_app
from sqlfocus.web.keys import Allowance, Keys, add_key, read_keys, remove_key

QUESTION = {"question": "How many cows are there?"}


@pytest.fixture(scope="module")
def service(farm, tmp_path_factory):
    review = tmp_path_factory.mktemp("keys") / "review.jsonl"
    databases = [("farm", farm / "farm.sqlite")]
    with services.running(*services.load(farm), databases, review_file=review) as (service, _):
        yield service, review


@pytest.fixture
def locked(service, tmp_path):
    """A client of the service, a key of it, and the file."""
    file = tmp_path / "keys.txt"
    key = add_key(file, "ann", 3)
    app = create_app(service[0], review_file=service[1], keys=Keys(file), origins=["https://example.com"])
    return app.test_client(), key, file


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_every_operation_needs_a_key_but_the_probes(locked):
    client = locked[0]
    document = client.get("/openapi.json").json
    opened = set()
    for path, methods in document["paths"].items():
        for method in methods:
            response = client.open(path.replace("{name}", "farm").replace("{id}", "x"), method=method.upper(), json={})
            if response.status_code == 401:
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                assert response.json["type"] == "/problems/unauthorized" and "401" in methods[method]["responses"]
            else:
                opened.add((method, path))
                assert "401" not in methods[method]["responses"]
    assert opened == {("get", "/healthz"), ("get", "/readyz")}
    assert client.get("/nothing").status_code == 401
    # What has no data in it.
    for path in ("/", "/static/app.js", "/static/vendor/aggrid/index.js"):
        with client.get(path) as response:
            assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {hash}",
        "Bearer é",
    ],
)
def test_what_is_no_key_opens_nothing(locked, header):
    client, key, file = locked
    digest = file.read_text().split()[1]
    headers = {} if header is None else {"Authorization": header.format(key=key, hash=digest)}
    assert client.get("/databases", headers=headers).status_code == 401


def test_a_key_opens(locked):
    client, key, _ = locked
    assert client.post("/text2sql", json=QUESTION, headers=bearer(key)).json["sql_query"] == "SELECT count(*) FROM cow"
    assert client.get("/databases", headers={"Authorization": f"bearer  {key} "}).status_code == 200


def test_a_key_may_be_used_so_often_a_minute(locked):
    client, key, file = locked
    other = add_key(file, "bob", None)
    for _ in range(3):
        assert client.post("/execute", json={"sql": "SELECT 1"}, headers=bearer(key)).status_code == 200
    refused = client.post("/execute", json={"sql": "SELECT 1"}, headers=bearer(key))
    assert (refused.status_code, refused.json["type"]) == (429, "/problems/rate-limited")
    assert 15 <= int(refused.headers["Retry-After"]) <= 20
    # To look and to stop is free, and others are not held up.
    assert client.get("/databases", headers=bearer(key)).status_code == 200
    assert client.delete("/executions/none", headers=bearer(key)).status_code == 404
    for _ in range(5):
        assert client.post("/execute", json={"sql": "SELECT 1"}, headers=bearer(other)).status_code == 200


def test_an_allowance_comes_back_with_time_and_never_grows_beyond_a_minutes(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    allowance = Allowance(60)
    assert [allowance.take() for _ in range(61)] == [0] * 60 + [1]
    now[0] += 1
    assert (allowance.take(), allowance.take()) == (0, 1)
    now[0] += 3600
    assert [allowance.take() for _ in range(61)] == [0] * 60 + [1]


def test_an_allowance_is_not_exceeded_by_many_threads():
    allowance, taken = Allowance(100), []
    threads = [
        threading.Thread(target=lambda: taken.extend(allowance.take() == 0 for _ in range(50))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 <= sum(taken) <= 102


def test_the_clock_of_the_wall_does_not_matter(monkeypatch):
    allowance = Allowance(2)
    allowance.take(), allowance.take()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert allowance.take() > 0
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert allowance.take() > 0


def test_a_key_that_is_removed_opens_nothing_more_and_a_new_one_at_once(locked):
    client, key, file = locked
    new = add_key(file, "bob", 60)
    assert client.get("/databases", headers=bearer(new)).status_code == 200
    remove_key(file, "ann")
    assert client.get("/databases", headers=bearer(key)).status_code == 401
    assert client.get("/databases", headers=bearer(new)).status_code == 200


def test_a_change_of_the_file_gives_no_new_allowance(locked):
    client, key, file = locked
    for _ in range(3):
        client.post("/execute", json={"sql": "SELECT 1"}, headers=bearer(key))
    add_key(file, "bob", 60)
    assert client.post("/execute", json={"sql": "SELECT 1"}, headers=bearer(key)).status_code == 429


@pytest.mark.parametrize("damage", ["no line of a key", None])
def test_a_file_that_cannot_be_read_leaves_the_keys_as_they_were(locked, damage, capsys):
    client, key, file = locked
    file.unlink() if damage is None else file.write_text(damage)
    assert client.get("/databases", headers=bearer(key)).status_code == 200
    assert client.get("/databases", headers=bearer("x")).status_code == 401
    assert capsys.readouterr().err.count("the keys stay as they were") == 1


def test_other_sites_may_call_only_where_the_service_names_them(locked):
    client, key, _ = locked
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = client.options("/text2sql", headers={"Origin": "https://example.com", **asks})
    assert allowed.status_code == 200 and allowed.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    answer = client.get("/databases", headers={"Origin": "https://example.com", **bearer(key)})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"
    for other in ("https://example.com.evil.org", "https://evil.org", "http://example.com", "null"):
        for response in (
            client.options("/text2sql", headers={"Origin": other, **asks}),
            client.get("/databases", headers={"Origin": other, **bearer(key)}),
        ):
            assert "Access-Control-Allow-Origin" not in response.headers, other


def test_the_file_has_no_key_and_is_its_owners_alone(tmp_path):
    file = tmp_path / "config" / "keys.txt"
    first, second = add_key(file, "ann", 60), add_key(file, "bob", None)
    assert first != second and len(first) > 40
    text = file.read_text()
    assert (
        first not in text and second not in text and [line.split()[0] for line in text.splitlines()] == ["ann", "bob"]
    )
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert repr(read_keys(file)[0]).count(text.split()[1]) == 0


def test_comments_stay(tmp_path):
    file = tmp_path / "keys.txt"
    add_key(file, "ann", 60)
    file.write_text("# who may ask\n\n" + file.read_text())
    add_key(file, "bob", 5)
    remove_key(file, "ann")
    lines = file.read_text().splitlines()
    assert lines[:2] == ["# who may ask", ""] and lines[2].startswith("bob ") and lines[2].endswith(" 5")


@pytest.mark.parametrize(
    "line",
    [
        "ann",
        "ann secret",
        "ann secret 60",
        f"ann {'A' * 64} 60",
        f"ann {'a' * 64}",
        f"ann {'a' * 64} 0",
        f"ann {'a' * 64} -1",
    ],
)
def test_a_line_that_is_no_keys_is_named_and_not_shown(tmp_path, line):
    file = tmp_path / "keys.txt"
    file.write_text(f"# keys\n{line}\n")
    with pytest.raises(UserError, match=r"keys.txt:2: not a key's line") as caught:
        read_keys(file)
    assert "secret" not in str(caught.value)


def test_the_command(tmp_path, capsys):
    file = tmp_path / "keys.txt"
    assert main(["key", "ann", "--keys", str(file), "--per_minute", "5"]) == 0
    key = capsys.readouterr().out.strip()
    owner = Keys(file).owner(key)
    assert owner is not None and (owner.name, owner.allowance.per_minute) == ("ann", 5)
    assert main(["key", "bob", "--keys", str(file), "--per_minute", "0"]) == 0
    assert Keys(file).owner(capsys.readouterr().out.strip()).allowance is None
    for words in (["ann"], ["not a name"], ["eve", "--per_minute", "-1"], ["eve", "--remove"]):
        assert main(["key", *words, "--keys", str(file)]) == 2
        assert capsys.readouterr().err.startswith("sqlfocus: error: ")
    assert main(["key", "ann", "--keys", str(file), "--remove"]) == 0
    assert main(["key", "bob", "--keys", str(file), "--remove"]) == 0
    with pytest.raises(UserError, match="no key in it"):
        Keys(file)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--keys", "missing.txt"], "missing.txt: no such file; make a key with"),
        (["--origins", "https://example.com/"], "with nothing behind it"),
        (["--origins", "*"], "write https://HOST"),
    ],
)
def test_bad_flags_of_the_service(words, said, farm, capsys):
    model = str(farm / "adapter" / "tiny-llama-lora")
    assert main(["serve", "--port", "0", "--model", model, *words]) == 2
    assert said in capsys.readouterr().err
