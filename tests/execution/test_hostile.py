from concurrent.futures import ThreadPoolExecutor

import pytest

from hostile_sql import DIALECTS, cases
from sqlfocus.execution.guard import check
from sqlfocus.execution.runner import Limits, open_runner
from sqlfocus.schema.database import read_database

LIMITS = Limits(seconds=0.4, rows=1_000, bytes=1 << 20, memory=400 << 20)
FAR = 30
"""Seconds, far above the limit."""
AT_ONCE = 4
A_LOOK = 24
"""After how many cases the database is looked at: a failure names no more suspects than these."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_are_a_hundred_for_each_dialect_and_none_twice(dialect):
    texts = [case.sql for case in cases(dialect)]
    assert len(texts) >= 100
    assert [text for text in texts if texts.count(text) > 1] == []


@pytest.mark.parametrize(
    ("dialect", "case"),
    [pytest.param(dialect, case, id=f"{dialect}-{case.line}") for dialect in DIALECTS for case in cases(dialect)],
)
def test_the_guard_refuses_it_or_leaves_a_query(dialect, case):
    permit = check(case.text("/tmp"), dialect=dialect)
    assert permit.allowed == (case.mark == "passes"), permit
    if not permit.allowed:
        assert permit.sql == ""
        assert permit.reason and len(permit.reason.splitlines()) == 1
    else:
        assert set(permit.tables) <= {"item"}
        assert check(permit.sql, dialect=dialect).sql == permit.sql


def test_behind_the_guard_everything_is_as_it_was_for_every_role(prey):
    dialect, made = prey
    for role, url in made.urls.items():
        known = read_database(url, max_values=0)
        permits = {case: check(case.text(made.folder), dialect=dialect, database=known) for case in cases(dialect)}
        assert {case.line for case, permit in permits.items() if permit.allowed} == {
            case.line for case in permits if case.mark == "passes"
        }
        _let_loose(made, role, [(case, permit.sql) for case, permit in permits.items() if permit.allowed])


def test_without_the_guard_the_runner_keeps_everything_as_it_was(prey):
    dialect, made = prey
    for role in made.urls:
        _let_loose(
            made,
            role,
            [
                (case, case.text(made.folder))
                for case in cases(dialect)
                if case.mark != "guard only" or role != "all rights"
            ],
        )


def _let_loose(made, role, texts):
    execution = open_runner(made.urls[role], LIMITS, workers=AT_ONCE)
    before = made.state()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for first in range(0, len(texts), A_LOOK):
                some = texts[first : first + A_LOOK]
                results = list(pool.map(lambda pair: execution.run(pair[1]), some))
                suspects = [(case.line, sql) for case, sql in some]
                after = made.state()
                assert {what for what in before if before[what] != after.get(what)} == set(), (role, suspects)
                assert after == before, (role, suspects)
                for (case, sql), result in zip(some, results, strict=True):
                    # No time is measured here; but what is not stopped goes on for hours.
                    assert result.seconds < FAR, (role, case.line, sql, result.error)
                    assert len(result.rows) <= LIMITS.rows, (role, case.line, sql)
                    assert not result.error.startswith(("busy", "the process")), (role, case.line, sql, result.error)
        assert execution.run("SELECT count(*) FROM item").rows == [(60,)]
    finally:
        execution.close()
