"""How many threads compute."""

from __future__ import annotations

import os
import re

import psutil


def threads() -> int:
    """As many as PyTorch takes: ``$OMP_NUM_THREADS``, else one for each physical core that the process may run on."""
    told = re.match(r"\s*([1-9]\d*)", os.environ.get("OMP_NUM_THREADS", ""))
    if told is not None:
        return int(told[1])
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))
