"""A process for one job, seen from both sides: it answers no Ctrl-C, and ends when the one that started it does.

Its job is a line of JSON on standard input, which the parent then holds open: when it closes, because the parent has
stopped or is gone, the process ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = filter(None, sys.path); "
    "from {module} import main; sys.exit(main())"
)
"""Ctrl-C is the parent's to answer, and the imports take seconds. Modules are not looked for in the working folder,
which `python -c` puts first: files there may be called like packages."""
_PATIENCE = 10.0
"""Seconds for it to end of itself once it is told to."""


@contextmanager
def started(module: str, job: dict[str, Any], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module's ``main``, which calls :func:`read_job`; the process has ended when the block has.

    ``options`` are :class:`subprocess.Popen`'s.
    """
    command = [sys.executable, "-c", _START.format(module=module)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, **options)
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it ended already, and has said why
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        yield process
    finally:
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def read_job(before_end: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """In the process: take the job, and end with the parent from now on, having called ``before_end``."""
    job: dict[str, Any] = json.loads(sys.stdin.buffer.readline())

    def end_with_parent() -> None:
        while os.read(0, 1024):  # the file descriptor: a lock on sys.stdin would outlive the interpreter
            pass
        before_end()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    return job
