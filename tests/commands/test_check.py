"""``sqlfocus check`` as a user calls it."""

import io

import pytest

from hostile_sql import DIALECTS, cases
from sqlfocus.cli import main


def test_what_may_run_is_printed_as_it_would_run(capsys):
    assert main(["check", "select count( * ) from singer -- all"]) == 0
    assert capsys.readouterr().out == "allowed: SELECT COUNT(*) FROM singer\n"


def test_what_may_not_run_is_answered_with_the_rule(capsys):
    assert main(["check", "DROP TABLE singer"]) == 1
    assert capsys.readouterr().out == "refused: a query begins with SELECT or WITH, this with 'DROP'\n"


def test_sql_from_standard_input(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1;\nDROP TABLE singer\n"))
    assert main(["check", "-"]) == 1
    assert "one statement" in capsys.readouterr().out


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_list_of_hostile_sql(dialect, capsys):
    for case in cases(dialect):
        if "\0" in case.sql:
            continue  # no shell hands that over
        allowed = main(["check", "--dialect", dialect, "--", case.sql]) == 0
        assert allowed == (case.mark == "passes"), f"hostile.tsv, line {case.line}"
    said = capsys.readouterr()
    assert len(said.out.splitlines()) > 290 and said.err == ""


def test_with_a_database_only_its_tables(farm, capsys):
    file = str(farm / "farm.sqlite")
    assert main(["check", "--database", file, "SELECT name FROM cow"]) == 0
    assert main(["check", "--database", file, "SELECT name FROM pig"]) == 1
    assert "refused: there is no table pig" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--database", "missing.sqlite", "SELECT 1"], "missing.sqlite"),
        (["--schema", "public", "SELECT 1"], "--database"),
    ],
)
def test_bad_flags(words, said, capsys):
    assert main(["check", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_dialect_that_the_database_does_not_speak(farm, capsys):
    assert main(["check", "--database", str(farm / "farm.sqlite"), "--dialect", "mysql", "SELECT 1"]) == 2
    assert "the database speaks sqlite" in capsys.readouterr().err
