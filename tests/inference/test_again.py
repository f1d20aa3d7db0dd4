"""Answers that go back to where a model that is refused again and again began badly."""

import math

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from orders import prompts, schema
from sqlfocus.inference import search
from sqlfocus.inference.chat import end_token
from sqlfocus.inference.constraint.guide import Constraint, Vocabulary
from sqlfocus.inference.search import MOST_RETURNS, Search, Way
from sqlfocus.inference.transformers import TransformersEngine
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models.loading import load_model
from sqlfocus.schema.text import read_schema_text

DDL = "CREATE TABLE country (code TEXT, area REAL); CREATE TABLE language (code TEXT, name TEXT);"


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return TransformersTokenizer(AutoTokenizer.from_pretrained(tiny_model))


@pytest.fixture(scope="module")
def model(smollm2):
    """A real one, which was not tuned and is refused often; in float32, so that batches change nothing."""
    loaded, tokenizer, _ = load_model(str(smollm2), dtype=torch.float32)
    return loaded, TransformersTokenizer(tokenizer)


class Rows:
    """Scores at the places of an answer."""

    def __init__(self, rows):
        self.rows = rows
        self.best = [int(row.argmax()) for row in rows]

    def at(self, place):
        return self.rows[place]


def begun(tokenizer, text, rivals):
    """A search whose answer begins with ``text``, and the scores behind its tokens: 10 for the token that was taken.

    ``rivals`` are scores of other texts' first tokens at the places where the answer has gone so far.
    """
    end = end_token(tokenizer)
    size = 1 + max(end, 49_152)
    constraint = Constraint(Vocabulary(tokenizer, end, size), read_schema_text(DDL, dialect="sqlite"))
    job = Search(constraint.guide(), [], 64)
    rows = []
    for token in tokenizer.ids(text):
        row = np.zeros(size, np.float32)
        row[token] = 10
        for other, score in rivals.get(tokenizer.text(job.answer), {}).items():
            row[tokenizer.ids(other)[0]] = score
        rows.append(row)
        assert job.guide.take(token), tokenizer.text(job.answer)
        job.answer.append(token)
    return job, Rows(rows)


TEXT = "SELECT T2.area FROM country AS T1 JOIN country AS"
REFUSED = {"SELECT T2.area FROM country AS T1 JOIN country": {"language": 15}}
"""A table country that has what T2 is to have, where the model wanted another, of a longer name: 5 are lost."""


def test_the_likeliest_other_way_is_taken_where_less_is_lost_on_it(tokenizer):
    others = {"SELECT": {" area": 8.5, " code": 7}, "SELECT T2.area FROM": {" language": 6}}
    job, scores = begun(tokenizer, TEXT, REFUSED | others)
    job._lost = 5.0
    kept = job.review(scores, 0)
    assert tokenizer.text(job.answer) == "SELECT area"
    assert tokenizer.text(job.answer[:kept]) == "SELECT"
    assert (job._lost, job.guide.text) == (1.5, "SELECT area")
    assert [way.lost for way in sorted(job._ways)] == [3.0, 4.0, 5.0]  # the last is the way that was left
    assert max(job._ways).tokens == tuple(tokenizer.ids(TEXT))


def test_an_answer_on_which_less_was_lost_stays(tokenizer):
    job, scores = begun(tokenizer, TEXT, REFUSED | {"SELECT": {" area": 4}})
    job._lost = 5.0
    assert job.review(scores, 0) == len(job.answer)
    assert tokenizer.text(job.answer) == job.guide.text == TEXT


def test_an_answer_that_leads_nowhere_is_left_but_not_for_a_hopeless_way(tokenizer):
    for score, expected in ((5, "SELECT area"), (1, TEXT)):
        job, scores = begun(tokenizer, TEXT, {"SELECT": {" area": score}})
        job._lost = math.inf
        job.review(scores, 0)
        assert tokenizer.text(job.answer) == expected
    assert job._returns == MOST_RETURNS  # it is not looked through again


@pytest.mark.parametrize(("lost", "given"), [(1.5, "SELECT area FROM country"), (0.5, "SELECT name FROM language")])
def test_of_whole_answers_the_one_that_lost_least_is_given(tokenizer, lost, given):
    search, _ = begun(tokenizer, "SELECT name FROM language", {})
    end = search.guide.end
    search._whole = Way(1.0, (*tokenizer.ids("SELECT area FROM country"), end))
    search._lost = search._looked = lost
    scores = np.zeros(1 + max(end, 49_152), np.float32)
    scores[end] = 10
    search.answer += search.next(Rows([scores]), 0)
    assert (tokenizer.text(search.answer[:-1]), search.answer[-1]) == (given, end)
    assert search.guide.text == given and search.guide.ended


@pytest.mark.parametrize("drafts", [True, False])
def test_answers_that_go_back_are_valid_and_the_same_in_any_batch(drafts, model, monkeypatch):
    database = read_schema_text(schema(), dialect="sqlite")
    asked = prompts(schema())[:3]
    found = []
    for size in (1, 4):
        engine = TransformersEngine(*model, name="small", batch_size=size, drafts=drafts)
        found.append(engine.complete(asked, max_new_tokens=48, databases=[database] * len(asked)))
    assert [one.text for one in found[0]] == [one.text for one in found[1]]
    assert all(one.finished for one in found[0])
    monkeypatch.setattr(search, "MOST_RETURNS", 0)
    engine = TransformersEngine(*model, name="small", drafts=drafts)
    before = engine.complete(asked, max_new_tokens=48, databases=[database] * len(asked))
    assert [one.text for one in before] != [one.text for one in found[0]]
    for one, other in zip(before, found[0], strict=True):
        print(one.text, "->", other.text)
