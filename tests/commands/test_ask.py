"""`sqlfocus ask` on a real database, with a model whose answers are fixed by an adapter trained on the spot."""

import json
import sqlite3

import pytest

from sqlfocus.cli import main, run_verb
from sqlfocus.schema.database import read_database

ROWS = {
    "How many cows are there?": "SELECT count(*) FROM cow",
    "Name the cows, please.": "SELECT name, farm FROM cow ORDER BY name",
    "Throw the cows away!": "DELETE FROM cow",
    "Who sings?": "SELECT singer FROM cow",
}


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """A database, and an adapter that has learnt four answers about it by heart."""
    folder = tmp_path_factory.mktemp("ask")
    with sqlite3.connect(folder / "farm.sqlite") as connection:
        connection.execute("CREATE TABLE cow (id INTEGER PRIMARY KEY, name TEXT, farm TEXT)")
        connection.executemany("INSERT INTO cow (name, farm) VALUES (?, ?)", [("Bella", "北山"), ("花花", None)])
    connection.close()
    (folder / "schemas").mkdir()
    (folder / "schemas" / "farm.txt").write_text(read_database(str(folder / "farm.sqlite")).mschema(), encoding="utf-8")
    rows = [{"question": question, "sql": sql, "db_id": "farm"} for question, sql in ROWS.items()]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--model_name", str(tiny_model), "--train_file", str(folder / "train.jsonl"), "--use_cpu"]
    words += ["--num_train_epochs", "250", "--learning_rate", "2e-2", "--lora_dropout", "0", "--lora_rank", "32"]
    words += ["--output_dir", str(folder / "output"), "--save_dir", str(folder / "adapter"), "--save_strategy", "no"]
    words += ["--tracking", "disabled", "--disable_tqdm", "true", "--logging_steps", "100"]
    assert run_verb("finetune", words) == 0
    return folder


def ask(trained, capsys, question, *flags):
    words = ["--model", str(trained / "adapter" / "tiny-llama-lora"), "--database", str(trained / "farm.sqlite")]
    capsys.readouterr()
    status = main(["ask", *words, question, *flags])
    return status, *capsys.readouterr()


def test_sql_and_rows_are_printed_and_chinese_keeps_the_columns_straight(trained, capsys):
    status, out, _ = ask(trained, capsys, "Name the cows, please.")
    assert status == 0
    assert out == ("SELECT name, farm FROM cow ORDER BY name\n\nname   farm\n-----  ----\nBella  北山\n花花   NULL\n")


def test_rows_beyond_the_limit_are_said(trained, capsys):
    status, out, err = ask(trained, capsys, "Name the cows, please.", "--rows", "1")
    assert status == 0
    assert "花花" not in out
    assert "… and 1 more rows; --rows shows more" in err


def test_what_the_guard_refuses_is_shown_and_not_run(trained, capsys):
    status, out, err = ask(trained, capsys, "Throw the cows away!", "--free")
    assert (status, out) == (1, "DELETE FROM cow\n")
    assert "Not run: " in err
    assert ask(trained, capsys, "How many cows are there?")[1].endswith("\n2\n")


def test_an_error_of_the_database_is_one_line(trained, capsys):
    status, _, err = ask(trained, capsys, "Who sings?", "--free")
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
def test_what_is_missing_is_said_in_one_line(trained, capsys, flags, message):
    status, _, err = ask(trained, capsys, "How many cows are there?", *flags)
    assert status == 2
    (line,) = [line for line in err.splitlines() if line.startswith("sqlfocus: error:")]
    assert message in line
    assert "hushhush" not in err


def test_an_empty_question_is_refused(trained, capsys):
    assert ask(trained, capsys, "  ")[0] == 2


def test_held_to_the_schema_it_answers_with_a_query(trained, capsys):
    _, out, _ = ask(trained, capsys, "Throw the cows away!")
    assert out.lstrip().upper().startswith(("SELECT", "WITH"))
