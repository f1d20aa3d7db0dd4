import sqlite3

import pytest

from sqlfocus.answer import Request, answer_with_repair, choose, complete_all, finish
from sqlfocus.corpus.prompt import template_named
from sqlfocus.execution.runner import Limits, Result, open_runner
from sqlfocus.inference.engine import Completion
from sqlfocus.schema.text import read_schema_text


class Recorded:
    """Writes the texts it was given, one a prompt, and keeps the prompts."""

    name = "recorded"

    def __init__(self, *texts):
        self.texts = texts
        self.prompts = []

    def complete(self, prompts, *, max_new_tokens=256, databases=None, temperatures=None, on_done=None, stop=None):
        self.prompts += prompts
        self.temperatures = temperatures
        completions = [Completion(text, len(text.split()), True) for text in self.texts]
        for place, completion in reversed(list(enumerate(completions))):
            on_done(place, completion)
        return completions


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (id INTEGER, name TEXT)")
        connection.execute("INSERT INTO item VALUES (1, 'pen'), (2, 'ink')")
    connection.close()
    execution = open_runner(path, Limits(seconds=1))
    yield execution
    execution.close()


def test_questions_are_answered_in_their_order_and_one_fault_stops_no_other(shop):
    engine = Recorded(
        "```sql\nselect name from item where id = 1; -- first\n```",
        "I cannot tell.",
        "DELETE FROM item",
        "SELECT colour FROM item",
        "SELECT count(*) FROM item",
    )
    done = {}
    template = template_named("schema-first")
    prompts = [template.prompt(schema="【DB_ID】 shop", question=f"question {n}") for n in range(5)]

    def tell(place, written):
        done[place] = finish(f"question {place}", written[0].text, run=shop.run)

    complete_all(engine, prompts, tell, max_new_tokens=256, databases=[None] * 5)
    answers = [done[place] for place in range(5)]
    assert engine.prompts[0].user.endswith("question 0")

    first, prose, delete, broken, last = answers
    assert first.sql == "select name from item where id = 1"
    assert first.permit.sql == "SELECT name FROM item WHERE id = 1"
    assert first.result.rows == [("pen",)]
    assert (prose.sql, prose.permit.reason, prose.result) == ("", "the answer holds no SQL", None)
    assert "DELETE" in delete.permit.reason
    assert delete.result is None
    assert broken.result.error == "no such column: colour"
    assert last.result.rows == [(2,)]


def test_the_prompt_carries_evidence_and_dialect():
    engine = Recorded("SELECT 1")
    request = Request("How many?", "【DB_ID】 shop", evidence="count rows", dialect="postgres")
    given = answer_with_repair(engine, template_named("schema-first"), request).answer
    assert "PostgreSQL" in engine.prompts[0].system
    assert "count rows" in engine.prompts[0].user
    assert given.permit.allowed
    assert given.result is None


def test_what_the_guard_wrote_is_what_runs():
    seen = []

    def run(sql):
        seen.append(sql)
        return Result()

    finish("q", "SELECT /*! evil */ a FROM t WHERE b REGEXP 'x' -- c", dialect="mysql", run=run)
    finish("q", "SELECT load_file('x')", dialect="mysql", run=run)
    assert seen == ["SELECT a FROM t WHERE b REGEXP 'x'"]


@pytest.mark.parametrize(
    ("written", "chosen"),
    [
        # Two agree against the greedy one; of these the shorter.
        (
            ["SELECT 9", "SELECT count(*) FROM item WHERE 1 = 1", "SELECT count(*) FROM item"],
            "SELECT count(*) FROM item",
        ),
        # None agree: the greedy one.
        (["SELECT 9", "SELECT 8", "SELECT 7"], "SELECT 9"),
        # What does not run, or may not, has no voice.
        (["SELECT colour FROM item", "DROP TABLE item", "SELECT name FROM item"], "SELECT name FROM item"),
        # An empty result has none where there is another.
        (["SELECT 1 WHERE 0", "SELECT 2 WHERE 0", "SELECT 7"], "SELECT 7"),
        (["SELECT 1 WHERE 0", "SELECT 1234 WHERE 0", "no"], "SELECT 1 WHERE 0"),
        # The order of rows and the last digits of a number make no difference.
        (
            ["SELECT 7", "SELECT id / 3.0 FROM item ORDER BY id DESC", "SELECT 0.33333333 UNION SELECT 2 / 3.0"],
            "SELECT 0.33333333 UNION SELECT 2 / 3.0",
        ),
        (["nothing", "nothing else", "I cannot"], ""),
    ],
)
def test_what_most_candidates_return_is_answered(shop, written, chosen):
    engine = Recorded(*written)
    request = Request("How many?", "【DB_ID】 shop", run=shop.run)
    trace = answer_with_repair(engine, template_named("schema-first"), request, candidates=3)
    assert trace.answer.sql == trace.attempts[0].sql == chosen
    assert engine.temperatures == [0.0, 0.7, 0.7]
    assert len(engine.prompts) == 3 * len(trace.attempts)


@pytest.mark.parametrize(
    ("written", "chosen"),
    [
        ([("SELECT 9", -5.0), ("SELECT 8", -4.0), ("SELECT 8 + 0", -6.0)], "SELECT 8"),
        # What does not run is not chosen, and what finds nothing where another is not much less likely.
        ([("SELECT 9", -5.0), ("SELECT colour FROM item", -1.0)], "SELECT 9"),
        (
            [("SELECT 9", -5.0), ("SELECT 1 WHERE 0", -4.5), ("SELECT count(*) FROM item WHERE id > 9", -4.2)],
            "SELECT 9",
        ),
        ([("SELECT 9", -5.0), ("SELECT 1 WHERE 0", -2.0)], "SELECT 1 WHERE 0"),
        ([("SELECT colour FROM item", -5.0), ("DROP TABLE item", -1.0)], "SELECT colour FROM item"),
    ],
)
def test_of_weighed_answers_the_likeliest_that_runs_is_given(shop, written, chosen):
    answers = [finish("q", sql, run=shop.run) for sql, _ in written]
    assert choose(answers, [score for _, score in written]).sql == chosen


class Weighed(Recorded):
    """Writes its texts for the one prompt, the last of them with the highest score."""

    def alternatives(self, prompts, *, databases, wanted, max_new_tokens=256, on_done, stop=None):
        self.prompts, self.wanted = prompts, wanted
        on_done(0, [Completion(text, 3, True, score=float(score)) for score, text in enumerate(self.texts)])


def test_candidates_of_an_engine_that_weighs_them_are_different_answers(shop):
    database = read_schema_text("CREATE TABLE item (id INTEGER, name TEXT)", dialect="sqlite")
    engine = Weighed("SELECT id FROM item", "SELECT name FROM item")
    request = Request("Which?", "【DB_ID】 shop", run=shop.run, database=database)
    trace = answer_with_repair(engine, template_named("schema-first"), request, candidates=2)
    assert trace.answer.sql == "SELECT name FROM item"
    assert (engine.wanted, engine.prompts[0].question, len(trace.completions)) == (2, "Which?", 2)


class Retold(Recorded):
    """Writes one text a call."""

    def complete(self, prompts, *, on_done=None, **_):
        self.prompts += prompts
        completion = Completion(self.texts[len(self.prompts) - 1], 3, True, prompt_tokens=9, cached_tokens=4)
        on_done(0, completion)
        return [completion]


def test_a_faulty_answer_goes_back_once_with_what_is_wrong_with_it(shop):
    engine = Retold("SELECT colour FROM item", "SELECT name FROM item WHERE id = 1")
    request = Request("Which?", "【DB_ID】 shop", run=shop.run)
    trace = answer_with_repair(engine, template_named("schema-first"), request)
    assert trace.answer.result.rows == [("pen",)]
    assert [one.sql for one in trace.attempts] == ["SELECT colour FROM item", "SELECT name FROM item WHERE id = 1"]
    assert [one.fault for one in trace.attempts] == ["no such column: colour", ""]
    *_, wrong, said = engine.prompts[1].messages()
    assert wrong == {"role": "assistant", "content": "SELECT colour FROM item"}
    assert "no such column: colour" in said["content"] and said["role"] == "user"
    assert engine.prompts[1].messages()[:2] == engine.prompts[0].messages()
    assert sum(one.prompt_tokens for one in trace.completions) == 18


def test_where_the_second_answer_is_no_better_the_first_stays(shop):
    engine = Retold("SELECT colour FROM item", "I cannot")
    trace = answer_with_repair(
        engine, template_named("schema-first"), Request("Which?", "【DB_ID】 shop", run=shop.run)
    )
    assert trace.answer.sql == "SELECT colour FROM item"
    assert trace.attempts[1].fault == "the answer holds no SQL"


def test_what_is_not_run_is_held_to_the_names_that_are_there(shop):
    database = read_schema_text("CREATE TABLE item (id INTEGER, name TEXT);", dialect="sqlite")
    engine = Retold("SELECT i.colour FROM item AS i", "SELECT name FROM item")
    trace = answer_with_repair(
        engine, template_named("schema-first"), Request("Which?", database.mschema(), database=database)
    )
    assert trace.answer.sql == "SELECT name FROM item" and trace.answer.result is None
    assert "colour" in trace.attempts[0].fault


@pytest.mark.parametrize(
    ("second", "taken"),
    [
        ("SELECT id FROM item WHERE name = 'pen'", True),
        ("SELECT id FROM item WHERE name = 'PEN'", False),
        ("No.", False),
    ],
)
@pytest.mark.parametrize(
    "first", ["SELECT id FROM item WHERE name = 'Pen'", "SELECT count(*), max(id) FROM item WHERE name = 'Pen'"]
)
def test_where_nothing_is_found_the_question_is_asked_again_with_the_values_it_names(shop, first, second, taken):
    engine = Retold(first, second)
    request = Request("Which is the Pen?", "【DB_ID】 shop", hint="item.name = 'pen'", run=shop.run)
    trace = answer_with_repair(engine, template_named("schema-first"), request)
    assert engine.prompts[1].user.endswith("Question: Which is the Pen? (item.name = 'pen')")
    assert trace.answer is trace.attempts[taken]
    assert trace.reason == "it finds nothing"


def test_in_place_of_what_fails_what_finds_nothing_is_taken(shop):
    engine = Retold("SELECT ids FROM item", "SELECT id FROM item WHERE name = 'Pen'")
    request = Request("Which is the Pen?", "【DB_ID】 shop", hint="item.name = 'pen'", run=shop.run)
    trace = answer_with_repair(engine, template_named("schema-first"), request)
    assert trace.answer is trace.attempts[1] and trace.reason == "no such column: ids"


def test_what_is_found_is_not_asked_for_again(shop):
    engine = Retold("SELECT id FROM item WHERE name = 'pen'")
    request = Request("Which is the pen?", "【DB_ID】 shop", hint="item.name = 'pen'", run=shop.run)
    assert len(answer_with_repair(engine, template_named("schema-first"), request).attempts) == 1
    # Not run, nobody knows.
    engine = Retold("SELECT id FROM item WHERE name = 'Pen'")
    request = Request("Which is the pen?", "【DB_ID】 shop", hint="item.name = 'pen'")
    assert len(answer_with_repair(engine, template_named("schema-first"), request).attempts) == 1


def test_what_another_query_would_not_mend_does_not_go_back():
    engine = Retold("SELECT name FROM item")
    request = Request("Which?", "", run=lambda sql: Result(error="unavailable: shop (it is not there)"))
    trace = answer_with_repair(engine, template_named("schema-first"), request)
    assert len(trace.attempts) == 1 and trace.answer.fault == "unavailable: shop (it is not there)"


def test_a_right_answer_does_not_go_back(shop):
    engine = Retold("SELECT name FROM item")
    trace = answer_with_repair(engine, template_named("schema-first"), Request("Which?", "", run=shop.run))
    assert len(engine.prompts) == len(trace.attempts) == 1 and trace.model_seconds >= 0
