"""The training files in the repository are what the project makes of its sample database."""

from pathlib import Path

import pytest

from sqlfocus.cli import main
from sqlfocus.corpus.example import read_examples

DATA = Path(__file__).resolve().parents[1] / "data"
WORDS = [
    "--count",
    "2000",
    "--languages",
    "en",
    "zh",
    "--output",
    "train_data.jsonl",
    "--test_output",
    "dev_data.jsonl",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["sample", "shop.sqlite"]) == 0
        assert main(["synthesize", "shop.sqlite", *WORDS]) == 0
    return folder


@pytest.mark.parametrize("name", ["train_data.jsonl", "dev_data.jsonl"])
def test_a_file_is_what_make_data_makes(made, name):
    assert (DATA / name).read_bytes() == (made / name).read_bytes(), "run `make data` and commit what it gives"


def test_the_schema_text_is_the_databases(made, capsys):
    assert main(["schema", str(made / "shop.sqlite")]) == 0
    assert capsys.readouterr().out == (DATA / "schemas" / "shop.txt").read_text(encoding="utf-8")


def test_no_question_and_no_sql_is_in_both():
    train, dev = (read_examples(DATA / f"{name}_data.jsonl") for name in ("train", "dev"))
    assert not {example.question for example in train} & {example.question for example in dev}
    assert not {example.sql for example in train} & {example.sql for example in dev}
