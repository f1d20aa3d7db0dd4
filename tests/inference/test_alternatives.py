"""Several different answers to a question, and what weighs them."""

import sqlite3

import pytest
import torch

from orders import prompts, schema
from sqlfocus.inference import search
from sqlfocus.inference.constraint.guide import Guide
from sqlfocus.inference.engine import Weighing
from sqlfocus.inference.local import READING
from sqlfocus.inference.remote import RemoteEngine
from sqlfocus.inference.search import DOUBT
from sqlfocus.inference.transformers import TransformersEngine
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models.loading import load_model
from sqlfocus.schema.text import read_schema_text

QUESTION = "How many orders came from Oslo?"


@pytest.fixture(scope="module")
def model(smollm2):
    """A real one, in float32, so that batches change nothing."""
    loaded, tokenizer, _ = load_model(str(smollm2), dtype=torch.float32)
    return loaded, TransformersTokenizer(tokenizer)


def engine(model, **options):
    return TransformersEngine(*model, name="small", **options)


@pytest.fixture(scope="module")
def written(model):
    """By batch size what is written for the first two questions."""
    database = read_schema_text(schema(), dialect="sqlite")
    asked = prompts(schema())[:2]
    found = {}
    for size in (1, 4):
        answers = found[size] = {}
        engine(model, batch_size=size).alternatives(
            asked,
            databases=[database] * 2,
            wanted=3,
            max_new_tokens=96,
            on_done=lambda place, given, answers=answers: answers.update({place: given}),
        )
    return found


def plain(model, before, after):
    """The logarithm of the probability of ``after`` behind ``before``, as transformers has it."""
    with torch.inference_mode():
        logits = model[0](input_ids=torch.tensor([[*before, *after]])).logits[0].log_softmax(-1)
    return sum(float(logits[len(before) - 1 + place, token]) for place, token in enumerate(after))


def test_a_text_is_as_probable_as_it_is_to_transformers(model):
    made = engine(model)
    jobs = [made._reading("SELECT count(*) FROM orders", QUESTION), made._reading("SELECT 1", "你好 " * 300)]
    made.scheduler.run(jobs)
    differences = [abs(job.log_probability - plain(model, job.tokens, job.read)) for job in jobs]
    print(f"largest difference {max(differences):.2g}")
    assert differences[0] < 1e-3 and differences[1] < 1e-4 * abs(jobs[1].log_probability)


def test_the_question_is_likelier_behind_sql_that_answers_it(model):
    made = engine(model)
    right, other = (
        made._reading(f"SELECT count(*) FROM orders WHERE city = '{city}'", QUESTION) for city in ("Oslo", "Rome")
    )
    made.scheduler.run([right, other])
    assert right.log_probability > other.log_probability + 1


def test_alternatives_are_different_valid_and_the_same_in_any_batch(written):
    shop = sqlite3.connect(":memory:")
    shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, city TEXT, amount_in_kroner REAL)")
    for place in (0, 1):
        texts = [one.text for one in written[1][place]]
        assert texts == [one.text for one in written[4][place]]
        assert 1 <= len(texts) == len({text.lower() for text in texts}) <= 3
        for text in texts:
            shop.execute(f"EXPLAIN {text}")
        assert all(one.finished for one in written[1][place])
    assert max(len(given) for given in written[1].values()) > 1
    shop.close()


def test_the_first_of_them_is_the_greedy_answer(model, written):
    database = read_schema_text(schema(), dialect="sqlite")
    asked = prompts(schema())[:2]
    greedy = engine(model).complete(asked, max_new_tokens=96, databases=[database] * 2)
    whole = [place for place, one in enumerate(greedy) if not one.cut_short]
    assert whole and all(greedy[place].text == written[1][place][0].text for place in whole)


@pytest.mark.parametrize("patience", [search.PATIENCE, 0.0], ids=["patient", "looked through at once"])
def test_an_answer_weighs_what_its_sql_and_the_question_behind_it_do(model, monkeypatch, patience):
    monkeypatch.setattr(search, "PATIENCE", patience)
    monkeypatch.setattr(Guide, "forced", lambda self: [])  # tokens that are forced would weigh nothing
    made = engine(model)
    database = read_schema_text(schema(), dialect="sqlite")
    prompt = prompts(schema(), [QUESTION])[0]
    found = []
    made.alternatives(
        [prompt],
        databases=[database],
        wanted=3,
        max_new_tokens=96,
        on_done=lambda _, given: found.extend(given),
    )
    tokens, _ = made._read(prompt)
    differences = []
    for one in found:
        reading = made._reading(one.text, QUESTION)
        doubts = made._constraint(database).doubts.of(one.text)
        expected = plain(model, tokens, [*made.tokenizer.ids(one.text), made.end])
        expected += READING * plain(model, reading.tokens, reading.read) - DOUBT * len(doubts)
        differences.append(abs(one.score - expected))
    print(f"largest difference {max(differences):.2g}")
    assert len(found) > 1 and max(differences) < 0.01


def test_a_server_cannot_weigh_answers(model):
    assert isinstance(engine(model), Weighing)
    assert not issubclass(RemoteEngine, Weighing)
