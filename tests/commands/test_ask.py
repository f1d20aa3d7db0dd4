"""`sqlfocus ask` on a real database, with a model whose answers are known."""

import pytest

from sqlfocus.cli import main


def ask(farm, capsys, question, *flags):
    words = ["--model", str(farm / "adapter" / "tiny-llama-lora"), "--database", str(farm / "farm.sqlite")]
    capsys.readouterr()
    status = main(["ask", *words, question, *flags])
    return status, *capsys.readouterr()


def test_sql_and_rows_are_printed_and_chinese_keeps_the_columns_straight(farm, capsys):
    status, out, _ = ask(farm, capsys, "Name the cows, please.")
    assert status == 0
    assert out == ("SELECT name, farm FROM cow ORDER BY name\n\nname   farm\n-----  ----\nBella  北山\n花花   NULL\n")


def test_rows_beyond_the_limit_are_said(farm, capsys):
    status, out, err = ask(farm, capsys, "Name the cows, please.", "--rows", "1")
    assert status == 0
    assert "花花" not in out
    assert "… and 1 more rows; --rows shows more" in err


def test_what_the_guard_refuses_is_shown_and_not_run(farm, capsys):
    status, out, err = ask(farm, capsys, "Throw the cows away!", "--free")
    assert (status, out) == (1, "DELETE FROM cow\n")
    assert "Not run: " in err
    assert ask(farm, capsys, "How many cows are there?")[1].endswith("\n2\n")


def test_an_error_of_the_database_is_one_line(farm, capsys):
    status, _, err = ask(farm, capsys, "Who sings?", "--free")
    assert status == 1
    assert "It does not run: no such column: singer" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--database", "nowhere.sqlite"], "nowhere.sqlite"),
        (["--database", "mysql://root:hushhush@127.0.0.1:9/shop"], "127.0.0.1"),
        (["--model", "./nowhere"], "./nowhere: no such model"),
    ],
)
def test_what_is_missing_is_said_in_one_line(farm, capsys, flags, message):
    status, _, err = ask(farm, capsys, "How many cows are there?", *flags)
    assert status == 2
    (line,) = [line for line in err.splitlines() if line.startswith("sqlfocus: error:")]
    assert message in line
    assert "hushhush" not in err


def test_an_empty_question_is_refused(farm, capsys):
    assert ask(farm, capsys, "  ")[0] == 2


def test_held_to_the_schema_it_answers_with_a_query(farm, capsys):
    _, out, _ = ask(farm, capsys, "Throw the cows away!")
    assert out.lstrip().upper().startswith(("SELECT", "WITH"))
