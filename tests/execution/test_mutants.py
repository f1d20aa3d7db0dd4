"""No text whatever changes anything, runs on after its time or takes more memory than it may.

``SQLFOCUS_MUTANTS=100000`` tries so many for each dialect; docs/trust.md has what that gave.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from hostile_sql import victim
from mutants import mutants
from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Limits, open_runner
from sqlfocus.schema.database import read_database

COUNT = int(os.environ.get("SQLFOCUS_MUTANTS", "1500"))
LIMITS = Limits(seconds=1.0, rows=1_000, bytes=1 << 20, memory=400 << 20)
PATIENCE = 0.5
"""Seconds beyond the limit."""
A_LOOK = 2_000
"""After how many mutants the database is looked at."""
AT_ONCE = 2


def test_no_mutant_that_the_guard_lets_through_does_harm(prey):
    dialect, made = prey
    url = made.urls["all rights"]
    known = read_database(url, max_values=0)
    tried, passed = 0, []
    source = mutants(dialect, COUNT, seed=1)
    while texts := list(islice(source, A_LOOK)):
        permits = [check(text, dialect=dialect, database=known) for text in texts]
        for permit in permits:
            assert permit.allowed or (permit.sql == "" and len(permit.reason.splitlines()) == 1), permit
        tried += len(texts)
        passed += [permit.sql for permit in permits if permit.allowed]
    # It is no test where hardly any passes, nor where all do.
    assert 0.02 * tried < len(passed) < 0.6 * tried
    longest, ran = let_loose(made, url, passed)
    print(f"{dialect}: {tried} mutants, {len(passed)} allowed, {ran} ran, {longest:.2f} s beyond the limit at most")


def test_no_mutant_does_harm_without_the_guard_either():
    with victim("sqlite") as made:
        texts = list(mutants("sqlite", COUNT, seed=2))
        longest, ran = let_loose(made, made.urls["all rights"], texts)
        print(f"sqlite without the guard: {len(texts)} mutants, {ran} ran, {longest:.2f} s beyond the limit at most")


def let_loose(made, url, texts):
    """Run all of them; the longest time beyond the limit, in seconds, and how many ran without an error."""
    before = made.state()
    longest, ran = 0.0, 0
    execution = open_runner(url, LIMITS, workers=AT_ONCE)
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for first in range(0, len(texts), A_LOOK):
                some = texts[first : first + A_LOOK]
                for text, result in zip(some, pool.map(execution.run, some), strict=True):
                    longest = max(longest, result.seconds - LIMITS.seconds)
                    ran += not result.error
                    assert result.seconds < LIMITS.seconds + PATIENCE, (text, result.error)
                    assert len(result.rows) <= LIMITS.rows, text
                    assert not result.error.startswith(("busy", "unavailable", "the process")), (text, result.error)
                assert made.state() == before
    finally:
        execution.close()
    return longest, ran
