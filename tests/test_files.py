"""Files are whole or not there, and a line at fault is named."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sqlfocus.errors import UserError
from sqlfocus.files import (
    atomic_folder,
    atomic_path,
    atomic_write,
    disk_errors,
    is_file_name,
    read_json_lines,
    remove_left_overs,
    sha256,
    write_json_lines,
    writing_failed,
)


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
    """The file is made to be one that has no room: /dev/full refuses every byte, as a full disk does."""
    with pytest.raises(UserError, match=r"file\.txt: the disk is full"), atomic_write(tmp_path / "file.txt") as file:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, file.fileno())
        os.close(full)
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


def test_json_that_is_nested_too_deep_is_not_json(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"rows\.jsonl:1: not JSON: nested too deep"):
        list(read_json_lines(path))


def test_a_name_that_no_file_can_have_is_none():
    assert is_file_name("shop") and is_file_name("店" * 60)
    assert not is_file_name("店" * 100) and not is_file_name("../shop")


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
            assert path.parent in part.parents  # so that the renaming stays on one disk
        assert (path / "weights").read_text() == text
        assert (path / "weights").stat().st_mode & 0o666 == path.stat().st_mode & 0o666
    with pytest.raises(RuntimeError, match="in between"), atomic_folder(path) as part:
        (part / "weights").write_text("half")
        raise RuntimeError("in between")
    assert (path / "weights").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_and_a_folder_take_each_others_place_only_where_nothing_more_is_lost(tmp_path):
    path = tmp_path / "new"  # as our own folders are called
    path.write_text("a file")
    with atomic_folder(path) as part:
        (part / "weights").write_text("new")
    assert [file.name for file in path.iterdir()] == ["weights"]
    with pytest.raises(UserError, match=r"new: cannot be written \(Is a directory\)"), atomic_write(path) as file:
        file.write("text")
    assert (path / "weights").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["file", "file/inner", "x" * 300])
def test_a_place_that_is_taken_or_cannot_be_is_one_clear_line_for_folders_too(name, tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"cannot be written \(.*\); choose another place"),
        disk_errors(tmp_path / name),
    ):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlfocus.files import atomic_folder
path = Path(sys.argv[1])
class Deadly(type(path)):
    def rename(self, target):
        renamed = super().rename(target)
        if sys.argv[2] == "renaming" and self == path:
            os.kill(os.getpid(), signal.SIGKILL)
        return renamed
with atomic_folder(Deadly(path)) as part:
    (part / "weights").write_text("half")
    if sys.argv[2] == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks on folders, and what is left stays")
@pytest.mark.parametrize("when", ["writing", "renaming"])
def test_what_a_killed_run_left_is_removed_and_the_old_folder_is_not_lost(when, tmp_path):
    path = tmp_path / "model"
    with atomic_folder(path) as part:
        (part / "weights").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), when], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.exists() == (when == "writing")
    assert len(list(tmp_path.glob(".*"))) == 1
    with atomic_write(tmp_path / "other") as file:
        file.write("text")
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "other"]
    assert (path / "weights").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks on folders, and what is left stays")
def test_what_a_run_is_at_is_left_alone(tmp_path):
    with atomic_path(tmp_path / "file") as part:
        part.write_text("half")
        remove_left_overs(tmp_path)  # what another run does, of whatever process
        with atomic_path(tmp_path / "file") as other:
            other.write_text("of another")
        assert part.read_text() == "half"
    assert (tmp_path / "file").read_text() == "half"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_ctrl_c_between_the_two_renamings_brings_the_old_folder_back(tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.mkdir()
    (path / "weights").write_text("old")
    rename = Path.rename

    def interrupted(self, target):
        if self.parent.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as part:
        (part / "weights").write_text("new")
    assert (path / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
