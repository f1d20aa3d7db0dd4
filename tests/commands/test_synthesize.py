"""``sqlfocus synthesize`` as a user calls it."""

import json

import pytest

from library import make_library
from sqlfocus.cli import main
from sqlfocus.corpus.example import read_examples


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return make_library(tmp_path_factory.mktemp("library") / "library.sqlite")


def call(capsys, *words):
    """Exit status, and what was printed on both streams."""
    status = main(["synthesize", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_two_files(tmp_path, library, capsys):
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    words = (library, "--count", 400, "--languages", "en", "zh", "--output", train, "--test_output", test)
    status, out, err = call(capsys, *words)
    assert (status, out) == (0, "")
    assert "400 pairs from " in err
    assert "note: members: every query leaves out deleted rows (deleted = 0)" in err
    assert "by shape: " in err
    assert "by table: " in err
    both = [read_examples(train), read_examples(test)]
    assert len(both[0]) + len(both[1]) == 400
    assert 20 < len(both[1]) < 60
    assert f"wrote {len(both[1])} to {test}" in err

    before = train.read_bytes()
    status, _, err = call(capsys, *words)
    assert status == 2
    assert err == f"sqlfocus: error: {train}: the file exists; name another, or pass --force to replace it\n"
    assert call(capsys, *words, "--force")[0] == 0
    assert train.read_bytes() == before
    assert call(capsys, *words, "--force", "--seed", 43)[0] == 0
    assert train.read_bytes() != before


def test_standard_output_and_tables(library, capsys):
    status, out, _ = call(capsys, library, "--count", 30, "--tables", "authors", "publishers")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 30
    assert not any("books" in row["sql"] for row in rows)
    status, out, _ = call(capsys, library, "--count", 30, "--exclude", "members", "loans", "reviews")
    assert status == 0
    assert not any("members" in json.loads(line)["sql"] for line in out.splitlines())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--languages", "fr"], "fr: no such language; known are en, zh"),
        (["--count", "0"], "count is 0 and phrasings 2; both are at least 1"),
        (["--test_output", "t.jsonl"], "--test_output needs --output, the file for the other pairs"),
        (
            ["--output", "a.jsonl", "--test_output", "./a.jsonl"],
            "a.jsonl: --output and --test_output are the same file",
        ),
        (["--tables", "nothing"], "no table fits 'nothing'"),
    ],
)
def test_errors(library, capsys, words, message):
    status, out, err = call(capsys, library, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_database_that_is_not_there(tmp_path, capsys):
    status, _, err = call(capsys, tmp_path / "none.sqlite")
    assert status == 2
    assert "none.sqlite: no such" in err


def test_fewer_than_asked_for(tmp_path, library, capsys):
    output = tmp_path / "few.jsonl"
    status, _, err = call(capsys, library, "--tables", "publishers", "--count", 3000, "--output", output)
    assert status == 0
    assert "3000 were asked for: the database gives no more without repeating itself" in err
    assert 30 < len(read_examples(output)) < 3000
