"""Using the processor well: how many threads, and memory that is not fetched anew for each tensor."""

from __future__ import annotations

import ctypes
import os
import platform

import psutil
import torch

LOOK = 1.0
"""Seconds for which the cores are looked at; a shorter look takes another program's start for its work."""
# Of <malloc.h>.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def choose_threads() -> int:
    """Use as many threads as there are idle cores, at least one; return how many.

    Two threads beside another busy process wait for each other at each operation: on 2 cores with one of them busy a
    step took 42 s with two threads and 22 s with one (docs/log.md). Processes that were started with ``nice`` give way
    and do not count. ``OMP_NUM_THREADS`` is kept where it is set.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        cores = psutil.cpu_times_percent(interval=LOOK, percpu=True)
        busy = sum(core.user + core.system > 0.5 * sum(core) for core in cores)
        torch.set_num_threads(max(1, torch.get_num_threads() - busy))
    return torch.get_num_threads()


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed for the next tensor; return whether it does (glibc on Linux).

    By default it hands each large block back to the system, which then clears every page of the next one: a tenth of a
    step's time on a CPU. (With ``THP_MEM_ALLOC_ENABLE``, which :mod:`sqlfocus.cli` sets: glibc finds what was freed
    again for PyTorch's large alignment, not for its small one.)
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20}
    return all(libc.mallopt(name, value) for name, value in settings.items())
