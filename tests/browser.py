"""What tests of the page in a browser stand on: the real service in a thread, and Chromium."""

import os
import shutil
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

HOSTILE = """
CREATE TABLE "<img src=x onerror=window.hacked=1>" ( -- <script>window.hacked=2</script>
  "<b onclick=window.hacked=3>name</b>" TEXT, -- "><svg onload=window.hacked=4>
  "order" INTEGER
);
CREATE TABLE plain (id INTEGER PRIMARY KEY, "=1+1" TEXT, negative INTEGER);
"""
"""Names and comments that mean harm to a page that takes them for HTML."""
HARM = ["<img src=x onerror=window.hacked=5>", "{a|b}<script>window.hacked=6</script>", "javascript:window.hacked=7"]


def make_hostile(path: Path) -> Path:
    """An SQLite file with hostile names and values."""
    connection = sqlite3.connect(path)
    connection.executescript(HOSTILE)
    for number, harm in enumerate(HARM):
        connection.execute('INSERT INTO "<img src=x onerror=window.hacked=1>" VALUES (?, ?)', (harm, 10 + number))
    cells = [('=cmd|"/c calc"!A1', -5), ("a,b", 2), ("", None), (None, 10), ("two\nlines", 9), ("-12.5", 1)]
    connection.executemany('INSERT INTO plain ("=1+1", negative) VALUES (?, ?)', cells)
    connection.commit()
    connection.close()
    return path


class _Silent(WSGIRequestHandler):
    def log(self, *_args):
        pass


def _closed_at_its_end(app):
    """Werkzeug leaves a file that it has sent open where the browser goes away just then."""

    def served(environ, start_response):
        body = app(environ, start_response)
        try:
            yield from body
        finally:
            body.close()

    return served


class Server:
    """An app on a port of its own, which can be stopped and started again on the same port."""

    def __init__(self, app):
        self.app, self.port, self._server = _closed_at_its_end(app), 0, None
        self.start()

    def start(self):
        self._server = make_server("127.0.0.1", self.port, self.app, threaded=True, request_handler=_Silent)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def chromium():
    """The system's Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def shoot(page, name: str) -> None:
    """A screenshot into the folder that SQLFOCUS_SHOTS names, for a person to look at; none where it names none."""
    if folder := os.environ.get("SQLFOCUS_SHOTS"):
        time.sleep(0.4)  # what moves has come to rest
        page.screenshot(path=Path(folder) / f"{name}.png")
