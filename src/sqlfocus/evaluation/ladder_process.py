"""A rung's process, seen from both sides: what it has to tell is a line on standard output."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import Any

from sqlfocus import child

_POLL = 1.0
"""Seconds between looks, since a wait without end cannot be stopped on Windows."""


def run_job(job: dict[str, Any]) -> tuple[int, str]:
    """Run a job to its end in a process of its own; return its exit status and what it told, maybe nothing.

    Raises:
        KeyboardInterrupt: Ctrl-C; the process has ended.
    """
    with child.started("sqlfocus.evaluation.rung", job, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
    assert process.stdout is not None
    with process.stdout:
        return process.returncode, process.stdout.read().decode().strip()


def read_job() -> tuple[dict[str, Any], int]:
    """In the process: take the job, and where to :func:`tell` of it."""
    told = os.dup(1)
    os.dup2(2, 1)  # what libraries print is not for the parent, which reads nothing before the end
    return child.read_job(), told


def tell(told: int, line: str) -> None:
    """In the process: say a line to the parent."""
    os.write(told, line.encode())
