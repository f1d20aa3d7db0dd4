import os
import platform
import subprocess
import sys
from collections import namedtuple

import psutil
import pytest
import torch

from sqlfocus.cli import SETTINGS
from sqlfocus.training import machine


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


Core = namedtuple("Core", ["user", "nice", "system", "idle"])
IDLE, BUSY, POLITE = Core(2.0, 0.0, 1.0, 97.0), Core(90.0, 0.0, 8.0, 2.0), Core(1.0, 95.0, 1.0, 3.0)


@pytest.mark.parametrize(
    ("cores", "used"), [([IDLE, IDLE], 2), ([BUSY, IDLE], 1), ([BUSY, BUSY], 1), ([POLITE, IDLE], 2)]
)
def test_there_are_as_many_threads_as_idle_cores(cores, used, threads, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(psutil, "cpu_times_percent", lambda **_: cores)
    assert machine.choose_threads() == used
    assert torch.get_num_threads() == used


def test_the_users_own_number_of_threads_is_kept(threads, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(psutil, "cpu_times_percent", lambda **_: [BUSY, BUSY])
    assert machine.choose_threads() == 2


def test_freed_memory_is_kept_for_the_next_tensor():
    if platform.libc_ver()[0] != "glibc":
        assert not machine.keep_freed_memory()
        pytest.skip("not glibc: the C library has no such setting")
    # In a process of its own, since it cannot be undone: pages that the system gives for eight tensors of 64 MB, after
    # a first one, which is to be fetched either way.
    code = """
import resource, torch
from sqlfocus.training.machine import keep_freed_memory

def pages():
    torch.ones(2**24)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

# The least of a few times: a system that is short of memory takes pages away and has them fetched once more.
before = min(pages() for _ in range(3))
assert keep_freed_memory()
print(before, min(pages() for _ in range(3)))
"""
    environment = os.environ | SETTINGS
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    before, after = map(int, found.stdout.split())
    assert after < before / 2
