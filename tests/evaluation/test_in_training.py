"""EX measured while a model is trained, through the flags that a user gives."""

import json
import sqlite3

from sqlfocus.cli import run_verb


def test_ex_and_predictions_are_logged_at_each_evaluation(tiny_model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "farm.txt").write_text("【DB_ID】 farm\n【Schema】\n# Table: cow\n[\n(id:INTEGER)\n]")
    with sqlite3.connect(tmp_path / "farm.sqlite") as connection:
        connection.execute("CREATE TABLE cow (id INTEGER)")
        connection.execute("INSERT INTO cow VALUES (1)")
    connection.close()
    row = {"question": "How many cows?", "sql": "SELECT count(*) FROM cow", "db_id": "farm"}
    (tmp_path / "data.jsonl").write_text((json.dumps(row) + "\n") * 8)
    words = ["--model_name", str(tiny_model), "--train_file", "data.jsonl", "--eval_file", "data.jsonl", "--use_cpu"]
    words += ["--eval_databases", ".", "--eval_samples", "3", "--max_steps", "2", "--eval_steps", "1"]
    assert run_verb("finetune", [*words, "--tracking", "offline", "--save_strategy", "no"]) == 0
    error = capsys.readouterr().err
    assert error.count("eval_loss") == 2
    assert error.count("eval_ex 0.000") == 2
    logged = list((tmp_path / "output" / "swanlog").glob("run-*/media/echarts/*.json"))
    assert logged
    assert "How many cows?" in logged[0].read_text(encoding="utf-8")


def test_databases_without_questions_are_refused(tiny_model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.jsonl").write_text('{"question": "q", "sql": "SELECT 1", "db_id": "farm"}\n')
    words = ["--model_name", str(tiny_model), "--train_file", "data.jsonl", "--eval_databases", "."]
    assert run_verb("finetune", words) == 2
    assert "--eval_databases needs the questions" in capsys.readouterr().err
