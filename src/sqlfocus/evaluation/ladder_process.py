"""A rung's process, seen from both sides: it answers no Ctrl-C of its own, and ends when the one that started it does.

Its job is a line of JSON on standard input, which the parent then holds open; when it closes, because the parent has
stopped or is gone, the process ends. What it has to tell is a line on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = filter(None, sys.path); "
    "from sqlfocus.evaluation.rung import main; sys.exit(main())"
)
"""Ctrl-C is the parent's to answer, and the imports take seconds; modules are not looked for in the working folder."""
_POLL = 1.0
_PATIENCE = 10.0
"""Seconds between looks, since a wait without end cannot be stopped on Windows, and for it to end of itself."""


def run_job(job: dict[str, Any]) -> tuple[int, str]:
    """Run a job to its end in a process of its own; return its exit status and what it told, maybe nothing.

    Raises:
        KeyboardInterrupt: Ctrl-C; the process has ended.
    """
    process = subprocess.Popen([sys.executable, "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        with suppress(BrokenPipeError):  # it ended already
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
    finally:
        _end(process)
    with process.stdout:
        return process.returncode, process.stdout.read().decode().strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read_job() -> tuple[dict[str, Any], int]:
    """In the process: take the job, and where to :func:`tell` of it; end with the parent from now on."""
    told = os.dup(1)
    os.dup2(2, 1)  # what libraries print is not for the parent, which reads nothing before the end
    job: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return job, told


def _end_with_parent() -> None:
    while os.read(0, 1024):  # the file descriptor: a lock on sys.stdin would outlive the interpreter
        pass
    os._exit(1)


def tell(told: int, line: str) -> None:
    """In the process: say a line to the parent."""
    os.write(told, line.encode())
