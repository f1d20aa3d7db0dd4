"""One file made by llama.cpp: its process, its progress bar, and the file under its name only when it is whole."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from sqlfocus import child
from sqlfocus.errors import UserError
from sqlfocus.files import atomic_path
from sqlfocus.models.converting import USER_ERROR
from sqlfocus.models.gguf_file import GgufFile, read_gguf

_POLL = 0.2
"""Seconds between looks at the file."""


class _Failed(Exception):
    """llama.cpp ended with an error; the text is its own last words."""


def make_file(target: Path, job: dict[str, Any], *, expected: int) -> GgufFile:
    """Let :mod:`sqlfocus.models.converting` do ``job`` and write ``target``, which gets its name when it is whole.

    Args:
        target: the file to be.
        job: what to do, but for ``output``, which is a temporary place on the same disk.
        expected: its bytes, at most, for the bar.

    Raises:
        UserError: llama.cpp failed, in its own words, or the disk is full. There is no file then.
    """
    try:
        with atomic_path(target) as part:
            _run({**job, "output": str(part)}, part, target.name, expected)
            made = _whole(part)
    except _Failed as error:
        raise UserError(f"{target.name}: llama.cpp cannot make it: {error}") from error
    return GgufFile(target, made.metadata, made.tensors)


def _whole(part: Path) -> GgufFile:
    """Read it again: a full disk may cut a file short with no error from llama.cpp."""
    try:
        return read_gguf(part)
    except UserError as error:
        raise _Failed("what it wrote is no whole GGUF file") from error


def _run(job: dict[str, Any], part: Path, name: str, expected: int) -> None:
    environment = os.environ | {"GGML_NO_BACKTRACE": "1", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryFile() as said:
        streams = {"stdout": said, "stderr": said, "env": environment}
        with child.started("sqlfocus.models.converting", job, **streams) as process:
            _watch(process, part, name, expected)
        if process.returncode:
            words = _last_words(said, process.returncode)
            if process.returncode == USER_ERROR:
                raise UserError(words)
            if "Not enough free space to write" in words:  # numpy's words, and there may be a little room left
                raise OSError(errno.ENOSPC, words)
            raise _Failed(words)


def _watch(process: subprocess.Popen[bytes], part: Path, name: str, expected: int) -> None:
    """Wait for the process, with a bar of the bytes written."""
    form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}]"  # its rate is not the library's
    with tqdm(total=expected, desc=name, unit="B", unit_scale=True, bar_format=form, file=sys.stderr) as bar:
        running = True
        while running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
                running = False
            size = part.stat().st_size if part.exists() else 0
            if size > bar.n:
                bar.update(size - bar.n)
        if process.returncode == 0:
            bar.total = bar.n
            bar.refresh()


def _last_words(said: IO[bytes], status: int) -> str:
    """The last line that tells of an error, else the last at all, or how the process ended if a signal did it."""
    ending = -status if status < 0 else max(status - 128, 0)  # the quantizer's program tells it as shells do
    if ending == 9:  # it had no time for last words
        return "its process was ended by signal 9, as happens when the memory is full"
    said.seek(0)
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if status == USER_ERROR:
        return lines[-1]
    told = [line for line in lines if re.search(r"error|exception|failed|assert|abort", line, re.IGNORECASE)]
    if any("pre-tokenizer was not recognized" in line for line in told):
        return "it does not know the tokenizer; take the base's own, or a newer llama.cpp with --llama_cpp DIR"
    if told or (lines and not ending):
        return (told or lines)[-1]
    return f"its process was ended by signal {ending}" if ending else f"its process ended with status {status}"
