"""The Chinese questions that own databases are measured by: each has SQL that runs and finds something."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from sqlfocus.corpus.example import read_examples
from sqlfocus.evaluation.evaluate import database_file

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "benchmarks" / "own_database_cases"
DATABASES = ROOT / "../shared/spider/database"
DEV = "chinese_questions.jsonl"
HELD_OUT = "chinese_held_out.jsonl"


@pytest.mark.parametrize(("name", "databases", "at_least"), [(DEV, 5, 30), (HELD_OUT, 5, 20)])
def test_there_are_enough_of_each_database_and_none_twice(name, databases, at_least):
    examples = read_examples(CASES / name)
    counts = Counter(example.db_id for example in examples)
    assert len(counts) == databases and min(counts.values()) >= at_least
    assert len({(example.db_id, example.question) for example in examples}) == len(examples)
    assert all(any("\u3400" <= letter <= "\u9fff" for letter in example.question) for example in examples)


@pytest.mark.skipif(not DATABASES.is_dir(), reason="Spider's databases are not in ../shared")
@pytest.mark.parametrize("name", [DEV, HELD_OUT])
def test_the_sql_of_each_finds_something(name):
    for example in read_examples(CASES / name):
        file = database_file(DATABASES, example.db_id)
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            assert connection.execute(example.sql).fetchone() is not None, example.question
