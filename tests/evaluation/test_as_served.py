"""Measuring as the service answers: what is faulty or finds nothing is asked for once more."""

import pytest

from sqlfocus.corpus.prompt import template_named
from sqlfocus.evaluation.as_served import served_predictor
from sqlfocus.evaluation.evaluate import database_file, evaluate
from sqlfocus.inference.engine import Completion
from sqlfocus.schema.database import read_database
from zoo import EXAMPLES, make_zoo

ASKED = [one for one in EXAMPLES if one.question in ("How many animals are there?", "Which animals have 4 legs?")]


class Retold:
    """Names a column that is not there, and answers rightly where it is asked again."""

    name = "retold"

    def __init__(self):
        self.again = 0

    def start(self):
        pass

    def complete(self, prompts, *, on_done, **_):
        (prompt,) = prompts
        self.again += bool(prompt.turns)
        gold = {one.question: one.sql for one in ASKED}[prompt.question]
        on_done(0, Completion(gold if prompt.turns else "SELECT colour FROM animal", 3, True))


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_faulty_answer_is_asked_for_once_more(tmp_path, at_once):
    databases = make_zoo(tmp_path / "databases")
    engine = Retold()

    def schema_of(db_id):
        return read_database(str(database_file(databases, db_id))).mschema()

    predict = served_predictor(engine, template_named("schema-first"), schema_of, databases=databases, at_once=at_once)
    evaluation = evaluate(ASKED, databases, predict)
    assert (evaluation.score.right, evaluation.score.questions) == (2, 2)
    assert engine.again == 2
