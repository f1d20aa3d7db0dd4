"""Fetching from a server that misbehaves: it really listens, on this machine."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sqlfocus.corpus.download import download_spider, fetch, unpack
from sqlfocus.errors import UserError


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


SPIDER = archive(
    {
        "spider_data/database/shop/shop.sqlite": bytes(range(256)) * 3000,
        "spider_data/train_spider.json": b"[]",
        "spider_data/dev.json": b"[]",
        "__MACOSX/spider_data/._dev.json": b"litter",
        "spider_data/.DS_Store": b"litter",
    }
)


class Server(ThreadingHTTPServer):
    """Serves ``content`` under any path; the path says how it misbehaves. ``ranges`` are the Range headers it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = SPIDER
        self.ranges: list[str | None] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        kind = self.path.strip("/")
        content = self.server.content
        if kind == "missing":
            self.send_error(404)
        elif kind == "page":
            body = b"<!DOCTYPE html><title>Google Drive - Virus scan warning</title>"
            self.respond(200, body, {"Content-Type": "text/html; charset=utf-8"})
        elif kind == "chunks":  # of unknown length, and never ended
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nabcde\r\n")
            self.close_connection = True
        else:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            start = int(found[1]) if found and kind != "norange" else 0
            if start and start >= len(content):
                self.respond(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            rest = content[start:]
            sent = {"drops": rest[: len(content) // 3], "silent": b"", "dies": rest[:1000] if not start else b""}
            headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
            self.respond(206 if start else 200, sent.get(kind, rest), headers, length=len(rest))

    def respond(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server():
    with Server() as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def test_a_file_is_fetched_and_only_it_is_left(server, tmp_path):
    target = fetch(server.url("whole"), tmp_path / "new" / "spider.zip")
    assert target.read_bytes() == SPIDER
    assert list(target.parent.iterdir()) == [target]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, tmp_path):
    assert fetch(server.url("drops"), tmp_path / "spider.zip").read_bytes() == SPIDER
    third = len(SPIDER) // 3
    assert server.ranges[:3] == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_what_has_arrived_is_kept_for_the_next_call(server, tmp_path):
    target = tmp_path / "spider.zip"
    with pytest.raises(
        UserError, match=r"the connection broke off after 0\.0 MB, which are kept in .*spider\.zip\.part"
    ):
        fetch(server.url("dies"), target)
    assert not target.exists()
    assert (tmp_path / "spider.zip.part").read_bytes() == SPIDER[:1000]
    assert fetch(server.url("whole"), target).read_bytes() == SPIDER
    assert server.ranges[-1] == "bytes=1000-"


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    (tmp_path / "spider.zip.part").write_bytes(b"something old")
    assert fetch(server.url("norange"), tmp_path / "spider.zip").read_bytes() == SPIDER


def test_a_whole_part_is_not_fetched_again(server, tmp_path):
    (tmp_path / "spider.zip.part").write_bytes(SPIDER)
    assert fetch(server.url("whole"), tmp_path / "spider.zip").read_bytes() == SPIDER


def test_a_part_longer_than_the_file_is_given_up(server, tmp_path):
    (tmp_path / "spider.zip.part").write_bytes(SPIDER + b"more")
    with pytest.raises(UserError, match="the file has changed since"):
        fetch(server.url("whole"), tmp_path / "spider.zip")
    assert fetch(server.url("whole"), tmp_path / "spider.zip").read_bytes() == SPIDER


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("page", "a web page came in place of the file .*; open the link in a browser"),
        ("missing", "the server answers 404 Not Found; is the link still right"),
        ("silent", r"the connection broke off after 0\.0 MB"),
        ("chunks", r"the connection broke off after 0\.0 MB"),
    ],
)
def test_each_failure_is_one_clear_line(server, tmp_path, path, message):
    with pytest.raises(UserError, match=message) as caught:
        fetch(server.url(path), tmp_path / "spider.zip")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "spider.zip").exists()


def test_no_network_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as once:
        url = f"http://127.0.0.1:{once.getsockname()[1]}/"
    (tmp_path / "spider.zip.part").write_bytes(b"x" * 2_000_000)
    with pytest.raises(UserError, match=r"cannot be reached \(.*refused\).*2\.0 MB are kept in"):
        fetch(url, tmp_path / "spider.zip")


def test_spider_is_unpacked_without_its_outer_folder(server, tmp_path):
    download_spider(tmp_path / "spider", server.url("drops"))
    names = sorted(path.relative_to(tmp_path / "spider").as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["database/shop/shop.sqlite", "dev.json", "train_spider.json"]
    assert json.loads((tmp_path / "spider" / "dev.json").read_text()) == []


def test_an_archive_that_is_there_is_used(tmp_path):
    (tmp_path / "spider.zip").write_bytes(SPIDER)
    download_spider(tmp_path, "http://127.0.0.1:9/never-asked")
    assert (tmp_path / "train_spider.json").is_file()


def damaged() -> bytes:
    content = bytearray(SPIDER)
    content[1000] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SPIDER[: len(SPIDER) // 2], r"spider\.zip: not a whole ZIP archive .* remove it and run the command again"),
        (damaged(), r"spider\.zip: not a whole ZIP archive \(Bad CRC-32"),
        (archive({"ok.json": b"[]", "../outside": b"x"}), r"the archive names a file outside of it \(\.\./outside\)"),
        (archive({"/etc/outside": b"x"}), "names a file outside of it"),
        (archive({"a/../../outside": b"x"}), "names a file outside of it"),
        (archive({"..\\outside": b"x"}), "names a file outside of it"),
        (archive({"C:\\outside": b"x"}), "names a file outside of it"),
    ],
)
def test_a_bad_archive_leaves_nothing_behind(server, tmp_path, content, message):
    server.content = content
    with pytest.raises(UserError, match=message):
        download_spider(tmp_path / "in" / "spider", server.url("whole"))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["spider.zip"]


def test_files_that_are_there_are_not_replaced(tmp_path):
    (tmp_path / "archive.zip").write_bytes(SPIDER)
    (tmp_path / "dev.json").write_text("mine")
    with pytest.raises(UserError, match=r"dev\.json: is there already"):
        unpack(tmp_path / "archive.zip", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.zip", "dev.json"]
    assert (tmp_path / "dev.json").read_text() == "mine"
