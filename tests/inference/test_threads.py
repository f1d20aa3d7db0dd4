"""How many threads llama.cpp is given."""

import os

import pytest

from sqlfocus.inference.threads import threads


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("5,2", 5), (" 2 ", 2)])
def test_omp_num_threads_is_obeyed(told, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads() == expected


@pytest.mark.parametrize("told", [None, "", "0", "many"])
def test_else_there_is_one_a_core_at_most(told, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert 1 <= threads() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system ties no process to cores")
def test_cores_that_the_process_may_not_use_do_not_count(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert threads() == 1
    finally:
        os.sched_setaffinity(0, before)
