"""The page's files: what is served, with which headers, and that nothing in them needs a network."""

import re
from pathlib import Path

import pytest
from flask import Flask

from sqlfocus.web import pages as module
from sqlfocus.web.pages import VENDOR, bundles, pages

STATIC = Path(module.__file__).parent / "static"


@pytest.fixture
def client():
    app = Flask("sqlfocus", static_folder=None)
    app.register_blueprint(pages)
    return app.test_client()


def test_scripts_come_from_here_alone_and_none_is_inline(client):
    response = client.get("/")
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == "'self'" and policy["default-src"] == "'none'" and policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and "http" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=", response.text)


def test_a_nonce_is_for_one_load(client):
    nonces = set()
    for _ in range(2):
        response = client.get("/")
        assert response.headers["Cache-Control"] == "no-store"
        [nonce] = re.findall(r'data-nonce="([\w-]{22})"', response.text)
        assert f"'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
        nonces.add(nonce)
    assert len(nonces) == 2


@pytest.mark.parametrize("bundle", VENDOR)
def test_a_bundle_comes_with_all_its_parts(client, bundle):
    wanted, seen = ["index.js"], set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        with client.get(f"/static/vendor/{bundle}/{name}") as response:
            assert response.status_code == 200 and response.mimetype == "text/javascript", name
            wanted += re.findall(r"""(?:from|import)\s*\(?\s*["']\./([^"']+\.js)["']""", response.text)
    assert seen == {path.name for path in bundles()[bundle].glob("*.js")}


def test_a_part_with_its_hash_is_kept_and_others_are_asked_for_again(client):
    [part] = [path.name for path in bundles()["codemirror"].glob("sql-*.js")]
    with client.get(f"/static/vendor/codemirror/{part}") as response:
        kept = response.headers["Cache-Control"]
    assert "immutable" in kept and "max-age=31536000" in kept
    with client.get("/static/vendor/codemirror/index.js") as first:
        assert "no-cache" in first.headers["Cache-Control"]
    with client.get("/static/vendor/codemirror/index.js", headers={"If-None-Match": first.headers["ETag"]}) as again:
        assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "plotly/index.js",
        "aggrid/../aggrid.py",
        "aggrid/..%2faggrid.py",
        "aggrid/..%2f..%2f..%2fnicegui.py",
        "aggrid/%2fetc%2fpasswd",
        "codemirror/",
        "../pages.py",
    ],
)
def test_nothing_but_the_bundles_is_served(client, path):
    assert client.get(f"/static/vendor/{path}").status_code in (308, 404)


def test_without_the_bundles_one_line_says_what_to_install(monkeypatch, client):
    from sqlfocus.errors import UserError

    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    bundles.cache_clear()
    try:
        with pytest.raises(UserError, match="pip install nicegui"):
            bundles()
    finally:
        bundles.cache_clear()


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.*")), ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere_and_nothing_is_taken_for_html(path):
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.[a-z]+/|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTML", text)


def test_both_languages_say_everything_that_the_page_needs(client):
    source = (STATIC / "texts.js").read_text(encoding="utf-8")
    english, chinese = source.partition("TEXTS = {")[2].split("  zh: {")
    keys = [re.findall(r'^    "?([\w.]+)"?:', half, re.MULTILINE) for half in (english, chinese)]
    assert keys[0] == keys[1] and len(set(keys[0])) == len(keys[0]) > 80
    needed = set(re.findall(r'data-(?:text|label|placeholder)="([^"]+)"', client.get("/").text))
    for script in STATIC.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        needed |= set(re.findall(r'\b(?:text|announce|showMessage)\("([\w.]+)"', text))
        needed |= set(re.findall(r'\bsay\([^;]*?, "([\w.]+)"', text))
    assert needed - set(keys[0]) == set()
    # Whatever is filled in, is filled in in both.
    fills = [re.findall(r"\{(\w+)\}", half) for half in (english, chinese)]
    assert sorted(fills[0]) == sorted(fills[1])
