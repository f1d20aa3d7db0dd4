"""Files are whole or not there, and a line at fault is named."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_folder, atomic_write, read_json_lines, sha256, write_json_lines, writing_failed


def test_a_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as file:
        file.write("第一行\n")
        assert not path.exists()
    assert path.read_bytes() == "第一行\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_an_error_in_the_block_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="in between"), atomic_write(path) as file:
        file.write("half")
        raise RuntimeError("in between")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "file.jsonl"
    assert write_json_lines(path, [1], force=False) == 1
    with pytest.raises(UserError, match=r"file\.jsonl: the file exists; name another, or pass --force"):
        write_json_lines(path, [2], force=False)
    assert path.read_text() == "1\n"
    write_json_lines(path, [2], force=True)
    assert path.read_text() == "2\n"


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), atomic_write(tmp_path / "file" / "inner"):
        pytest.fail("the block must not run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_is_one_clear_line(tmp_path):
    """The part file is made to be one that has no room: /dev/full refuses every byte, as a full disk does."""
    (tmp_path / f".file.txt.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"file\.txt: the disk is full"), atomic_write(tmp_path / "file.txt") as file:
        file.write("x" * 100_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.EIO, "cannot be written")],
)
def test_the_remedy_depends_on_the_cause(code, words):
    assert words in str(writing_failed(Path("x"), OSError(code, os.strerror(code))))


def test_lines_are_read_with_their_numbers(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('﻿{"a": "é"}\r\n\r\n  \n[1]\n'.encode())
    assert list(read_json_lines(path)) == [(1, {"a": "é"}), (4, [1])]


def test_a_malformed_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 1,}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl:2: not JSON: .* at column \d+"):
        list(read_json_lines(path))


def test_what_is_not_utf8_is_said(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps({"a": "订单"}, ensure_ascii=False).encode("gb18030"))
    with pytest.raises(UserError, match=r"rows\.jsonl: not UTF-8 text .* save it as UTF-8"):
        list(read_json_lines(path))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match=r"rows\.jsonl: no such file"):
        list(read_json_lines(tmp_path / "rows.jsonl"))


def test_sha256_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_appears_whole_and_readable_in_the_place_of_the_old(tmp_path):
    path = tmp_path / "made" / "model"
    for text in ("old", "new"):
        with atomic_folder(path) as part:
            file = part / "weights"
            file.touch(mode=0o600)
            file.write_text(text)
            assert part.parent == path.parent  # so that the renaming stays on one disk
        assert (path / "weights").read_text() == text
        assert (path / "weights").stat().st_mode & 0o666 == path.stat().st_mode & 0o666
    with pytest.raises(RuntimeError, match="in between"), atomic_folder(path) as part:
        (part / "weights").write_text("half")
        raise RuntimeError("in between")
    assert (path / "weights").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]
