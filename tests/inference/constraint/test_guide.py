"""Whatever a model thinks, what comes out is SQL that the database takes."""

import sqlite3

import numpy as np
import pytest

from sqlfocus.inference.chat import end_token
from sqlfocus.inference.constraint.guide import Constraint, Vocabulary
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models.loading import find_model, load_tokenizer
from sqlfocus.schema.database import read_database

DDL = """
CREATE TABLE student (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, home TEXT);
CREATE TABLE pet (id INTEGER PRIMARY KEY, kind TEXT, weight REAL);
CREATE TABLE has_pet (student_id INTEGER, pet_id INTEGER);
CREATE TABLE "order" ("group" TEXT, "unit price" REAL, 数量 INTEGER);
"""
LIKELY = """SELECT T1.name, count(*) FROM student AS T1 JOIN has_pet AS T2 ON T1.id = T2.student_id WHERE T1.age > 3 AND
T1.home = 'x' GROUP BY T1.name HAVING count(*) > 1 ORDER BY T1.age DESC LIMIT 1 UNION SELECT max(weight) FROM pet"""


@pytest.fixture(scope="module")
def tokenizer(smollm2):
    return TransformersTokenizer(load_tokenizer(find_model(str(smollm2))))


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return Vocabulary(tokenizer, end_token(tokenizer), size(tokenizer))


def size(tokenizer):
    return len(tokenizer.tokenizer)


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    made = sqlite3.connect(tmp_path_factory.mktemp("school") / "school.sqlite")
    made.executescript(DDL)
    yield made
    made.close()


@pytest.fixture(scope="module")
def constraint(vocabulary, connection):
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    return Constraint(vocabulary, read_database(file, max_values=0))


def scores_of(tokenizer, sql, count):
    """Scores that want this text, token by token, whatever the guide says."""
    for token in [*tokenizer.ids(sql), end_token(tokenizer)]:
        scores = np.zeros(count, dtype=np.float32)
        scores[token] = 1
        yield scores


def test_what_is_valid_is_left_alone(tokenizer, constraint):
    sql = "SELECT T1.name FROM student AS T1 JOIN has_pet AS T2 ON T1.id = T2.student_id"
    guide = constraint.guide()
    chosen = [guide.choose(scores) for scores in scores_of(tokenizer, sql, size(tokenizer))]
    assert chosen == [*tokenizer.ids(sql), end_token(tokenizer)]
    assert guide.text == sql
    assert not guide.stuck


@pytest.mark.parametrize(
    "sql", ["SELECT pet_age FROM pet", "I would select the name.", "DROP TABLE pet", "", "SELECT * FROM pet WHERE"]
)
def test_what_is_not_valid_becomes_so(sql, tokenizer, constraint, connection):
    guide = constraint.guide()
    end = end_token(tokenizer)
    wanted = [*scores_of(tokenizer, sql, size(tokenizer))]
    chance = np.random.default_rng(0)
    likely = likely_scores(tokenizer)
    for place in range(200):
        noise = likely + chance.gumbel(size=size(tokenizer)).astype(np.float32)
        if guide.choose(noise + 50 * wanted[place] if place < len(wanted) else noise) == end:
            connection.execute(f"EXPLAIN {guide.text}")
            break
    assert not guide.stuck


def likely_scores(tokenizer):
    """Scores that prefer the tokens of SQL, and an end."""
    scores = np.full(size(tokenizer), -5, dtype=np.float32)
    for token in tokenizer.ids(LIKELY):
        scores[token] += 1
    scores[end_token(tokenizer)] = 4
    return scores


@pytest.mark.parametrize("seed", range(24))
def test_chance_writes_sql_that_sqlite_takes(seed, tokenizer, constraint, connection):
    chance = np.random.default_rng(seed)
    guide, likely = constraint.guide(), likely_scores(tokenizer)
    for _ in range(150):
        if guide.choose(likely + chance.gumbel(size=len(likely)).astype(np.float32)) == end_token(tokenizer):
            connection.execute(f"EXPLAIN {guide.text}")
            break
    assert not guide.stuck, guide.text


def test_a_fence_may_close_the_answer(tokenizer, constraint):
    guide = constraint.guide()
    for scores in scores_of(tokenizer, "\nSELECT name FROM student\n```", size(tokenizer)):
        guide.choose(scores)
    assert guide.text == "\nSELECT name FROM student\n```"
