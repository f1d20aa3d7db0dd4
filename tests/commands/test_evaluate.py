"""``sqlfocus evaluate`` as a user calls it."""

import json
import shutil
import signal

import pytest

from sqlfocus.cli import main
from sqlfocus.corpus.example import write_examples
from sqlfocus.evaluation import evaluate as evaluation_room
from sqlfocus.evaluation.evaluate import engine_predictor, evaluate
from sqlfocus.evaluation.saved import write_predictions
from sqlfocus.inference.engine import Completion
from sqlfocus.models.record import ModelRecord, read_record
from zoo import EXAMPLES, make_zoo


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with databases and a file of questions."""
    monkeypatch.chdir(tmp_path)
    make_zoo(tmp_path / "databases")
    write_examples(tmp_path / "dev.jsonl", EXAMPLES)
    return tmp_path


def call(capsys, *words):
    """Exit status, and what was printed on both streams."""
    status = main(["evaluate", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def saved(folder, name, sql):
    """A predictions file in which a model answers every question with ``sql``."""
    evaluation = evaluate(
        EXAMPLES,
        folder / "databases",
        lambda examples, tell: [tell(place, [Completion(sql, 1, True)]) for place in range(len(examples))],
        model=name,
    )
    write_predictions(folder / f"{name}.jsonl", [evaluation])
    return folder / f"{name}.jsonl"


def test_saved_predictions_are_scored_side_by_side(folder, capsys):
    files = [saved(folder, "three", "SELECT 3"), saved(folder, "none", "-")]
    status, out, err = call(
        capsys,
        "--predictions",
        *files,
        "--databases",
        "databases",
        "--exclude-databases",
        "bare",
        "--output",
        "all.jsonl",
    )
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[2].split()[:2] == ["three", "0.200"]
    assert lines[3].split()[:2] == ["none", "0.000"]
    assert "1 questions left out because their gold query fails:" in out
    assert "zoo               5  0.200  0.000" in out
    rows = [json.loads(line) for line in (folder / "all.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["model"] for row in rows] == ["three"] * 6 + ["none"] * 6


def test_the_table_comes_as_markdown_too(folder, capsys):
    file = saved(folder, "three", "SELECT 3")
    status, out, _ = call(capsys, "--predictions", file, "--databases", "databases", "--format", "markdown")
    assert status == 0
    assert out.startswith("| model |")


def test_birds_rule_ignores_duplicates(folder, capsys):
    file = saved(folder, "twice", "SELECT 3 FROM animal")
    for rule, ex in (("spider", "0.000"), ("bird", "0.167")):
        status, out, _ = call(capsys, "--predictions", file, "--databases", "databases", "--rule", rule)
        assert status == 0
        assert out.splitlines()[2].split()[1] == ex


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--databases", "databases"], "nothing to evaluate; name a model with --model"),
        (["--databases", "databases", "--model", "m"], "which questions? name a JSONL file with --data"),
        (["--databases", "databases", "--model", "m", "--data", "no.jsonl"], "no.jsonl: no such file"),
        (["--databases", "nowhere", "--model", "m", "--data", "dev.jsonl"], "nowhere: no such folder of databases"),
        (["--databases", "databases", "--model", "m", "--data", "dev.jsonl", "--limit", "0"], "--limit 0"),
        (
            ["--databases", "databases", "--model", "m", "--data", "dev.jsonl", "--prompt_template", "x"],
            "x: no such prompt",
        ),
        (["--databases", "databases", "--model", "./m", "--data", "dev.jsonl"], "./m"),
        (["--databases", "databases", "--predictions", "no.jsonl"], "no.jsonl: no such file"),
        (
            ["--databases", "databases", "--predictions", "dev.jsonl"],
            'dev.jsonl:1: the prediction has no "gold"; name the file with the questions',
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, capsys, words, message):
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    errors = [line for line in err.splitlines() if line.startswith("sqlfocus: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in err


def test_a_missing_database_is_said_before_a_model_is_loaded(folder, capsys):
    (folder / "databases" / "bare.db").unlink()
    status, _, err = call(capsys, "--databases", "databases", "--model", "no/such", "--data", "dev.jsonl")
    assert status == 2
    assert err == (
        "sqlfocus: error: databases: no database bare there (neither bare/bare.sqlite nor bare.sqlite); "
        "check --databases, or leave its questions out with --exclude_databases bare\n"
    )


def test_a_flag_that_is_not_there_is_refused(folder, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--databases", "databases", "--modle", "m"])
    assert stop.value.code == 2
    assert "--modle" in capsys.readouterr().err


@pytest.mark.model
def test_a_model_is_asked_and_its_answers_are_kept(folder, capsys, tiny_model):
    words = ["--model", tiny_model, "--data", "dev.jsonl", "--databases", "databases", "--max-new-tokens", 4]
    status, out, err = call(capsys, *words, "--limit", 4)
    assert status == 0
    assert "Schema texts: read from the databases" in err
    assert "4 predictions: output/predictions.jsonl" in err
    assert out.splitlines()[2].startswith("tiny-llama")
    rows = [json.loads(line) for line in (folder / "output/predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["question"] for row in rows] == [EXAMPLES[place].question for place in (0, 1, 3, 5)]
    assert all(row["completion"] for row in rows)


@pytest.mark.model
def test_schema_texts_beside_the_data_are_taken_as_in_training(folder, capsys, tiny_model):
    (folder / "schemas").mkdir()
    (folder / "schemas" / "zoo.txt").write_text("# Table: animal\n[\n(legs:INTEGER)\n]", encoding="utf-8")
    words = ["--model", tiny_model, "--data", "dev.jsonl", "--databases", "databases", "--max_new_tokens", 2]
    status, _, err = call(capsys, *words)
    assert status == 2
    assert "Schema texts: schemas" in err
    assert "schemas/bare.txt: no schema text for the database bare" in err
    assert call(capsys, *words, "--exclude_databases", "bare")[0] == 0


@pytest.mark.model
def test_ctrl_c_keeps_what_was_answered(folder, capsys, tiny_model, monkeypatch):
    from sqlfocus.inference.transformers import TransformersEngine

    complete = TransformersEngine.complete

    def interrupted_after_six(self, prompts, *, on_done, **options):
        def done(place, completion):
            on_done(place, completion)
            told.append(place)
            if len(told) == 6:
                signal.raise_signal(signal.SIGINT)

        told = []
        return complete(self, prompts, on_done=done, **options)

    monkeypatch.setattr(TransformersEngine, "complete", interrupted_after_six)
    words = ["--model", tiny_model, "--data", "dev.jsonl", "--databases", "databases", "--max_new_tokens", 2]
    status, out, err = call(capsys, *words)
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == "Stopped; 6 predictions are kept in output/predictions.jsonl."
    rows = [json.loads(line) for line in (folder / "output/predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 6


@pytest.mark.model
@pytest.mark.parametrize("values", [0, 3])
def test_schemas_read_from_databases_are_those_of_the_models_training(values, folder, capsys, tiny_model, monkeypatch):
    model = folder / "tuned"
    shutil.copytree(tiny_model, model)
    ModelRecord("base", "", "schema-first", ["sqlite"], max_values=values).write(model)
    asked = []

    def spy(engine, template, schema_of, **kwargs):
        asked.append(schema_of("zoo"))
        return engine_predictor(engine, template, schema_of, **kwargs)

    monkeypatch.setattr(evaluation_room, "engine_predictor", spy)
    words = ["--model", "tuned", "--data", "dev.jsonl", "--databases", "databases", "--max_new_tokens", 2]
    assert call(capsys, *words, "--exclude_databases", "bare")[0] == 0
    assert ("Examples: [" in asked[0]) is (values > 0)


@pytest.mark.model
def test_the_measurement_is_noted_in_the_models_own_record(folder, capsys, tiny_model):
    model = folder / "tuned"
    shutil.copytree(tiny_model, model)
    ModelRecord("base", "", "schema-first", ["sqlite"]).write(model)
    words = ["--model", "tuned", "--data", "dev.jsonl", "--databases", "databases", "--max_new_tokens", 2]
    for _ in range(2):
        assert call(capsys, *words, "--exclude_databases", "bare")[0] == 0
    (row,) = read_record(model).evaluations
    assert row["data"] == "dev.jsonl"
    assert (row["questions"], row["ex"], row["low"]) == (5, 0.0, 0.0)
    assert 0 < row["high"] < 1
