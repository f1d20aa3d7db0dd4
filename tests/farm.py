"""A farm's database, and a tiny adapter that has learnt answers about it by heart: a model whose answers are known."""

import json
import sqlite3

import pytest

from sqlfocus.cli import run_verb
from sqlfocus.schema.database import read_database

ROWS = {
    "How many cows are there?": "SELECT count(*) FROM cow",
    "Name the cows, please.": "SELECT name, farm FROM cow ORDER BY name",
    "Throw the cows away!": "DELETE FROM cow",
    "Who sings?": "SELECT singer FROM cow",
}


@pytest.fixture(scope="session")
def farm(tiny_model, tmp_path_factory):
    """A folder with ``farm.sqlite`` and the adapter ``adapter/tiny-llama-lora``."""
    folder = tmp_path_factory.mktemp("farm")
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
