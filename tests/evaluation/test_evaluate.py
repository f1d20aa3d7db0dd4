import json
import threading
import time

import pytest

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.prompt import template_named
from sqlfocus.errors import UserError
from sqlfocus.evaluation.evaluate import engine_predictor, evaluate
from sqlfocus.evaluation.report import database_table, labels, layout, notes, table
from sqlfocus.evaluation.saved import read_predictions, write_predictions
from sqlfocus.evaluation.score import Evaluation, Score
from sqlfocus.evaluation.verdict import Verdict
from sqlfocus.execution.runner import Limits
from sqlfocus.inference.engine import Completion
from zoo import EXAMPLES, make_zoo


@pytest.fixture
def databases(tmp_path):
    return make_zoo(tmp_path / "databases")


@pytest.fixture
def examples():
    return list(EXAMPLES)


WRITTEN = {
    "How many animals are there?": "```sql\nSELECT COUNT(id) FROM animal;\n```",
    "Names by legs?": "SELECT legs, name FROM animal ORDER BY legs, id",
    "Which animals have 4 legs?": "SELECT name FROM animal",
    "Which keepers?": "SELECT id FROM keeper WHERE name = 'x'",
    "What do they weigh?": "I do not know.",
    "Which things?": "SELECT colour FROM thing",
    "Colours?": "SELECT 1",
}


def predict(examples, tell):
    for place, example in reversed(list(enumerate(examples))):
        tell(place, [Completion(WRITTEN[example.question], 1, True)])


def always(*texts):
    return lambda examples, tell: [
        tell(place, [Completion(texts[place % len(texts)], 1, True)]) for place in range(len(examples))
    ]


def test_each_question_gets_its_verdict(databases, examples):
    told = []
    evaluation = evaluate(examples, databases, predict, model="m", on_judged=told.extend)
    verdicts = {one.example.question: one.verdict.value for one in evaluation.predictions}
    assert verdicts == {
        "How many animals are there?": "right",
        "Names by legs?": "right",
        "Which animals have 4 legs?": "wrong",
        "Which keepers?": "right",
        "What do they weigh?": "unparsable",
        "Which things?": "error",
    }
    assert [(one.example.question, one.reason) for one in evaluation.gold_failed] == [
        ("Colours?", "no such column: colour")
    ]
    assert (evaluation.score.right, evaluation.score.questions) == (3, 6)
    assert (evaluation.parsed, evaluation.permitted, evaluation.ran) == (5, 5, 4)
    assert evaluation.resting_on_empty == 1
    assert evaluation.empty_databases == ["bare"]
    assert sorted(one.example.question for one in told) == sorted(example.question for example in examples)
    reasons = {one.example.question: one.reason for one in evaluation.predictions}
    assert reasons["Which things?"] == "no such column: colour"
    assert reasons["What do they weigh?"] == "the answer holds no SQL"


def test_what_the_guard_refuses_is_counted_apart_and_not_run(databases, examples):
    evaluation = evaluate(examples[:1], databases, always("SELECT * FROM sqlite_master"))
    assert evaluation.predictions[0].verdict is Verdict.REFUSED
    assert evaluation.predictions[0].answer.result is None
    assert (evaluation.parsed, evaluation.permitted) == (1, 0)


def test_a_slow_prediction_times_out_and_a_long_one_is_wrong(databases, examples):
    slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    long = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    evaluation = evaluate(
        examples[:2], databases, always(slow, long), limits=Limits(seconds=0.3, rows=50, memory=1 << 29)
    )
    assert [one.verdict for one in evaluation.predictions] == [Verdict.TIMEOUT, Verdict.WRONG]


def test_the_model_goes_on_while_an_answer_is_judged(databases, examples):
    all_written = threading.Event()

    def goes_on(asked, tell):
        always("SELECT 1")(asked, tell)
        all_written.set()

    def judged(_):
        assert all_written.wait(30)  # would be waited for in vain if writing waited for judging

    assert evaluate(examples, databases, goes_on, on_judged=judged).score.questions


def test_what_goes_wrong_in_judging_is_raised_at_a_next_answer(databases, examples):
    written, failed = [], threading.Event()

    def slowly(asked, tell):
        for place in range(len(asked)):
            written.append(place)
            tell(place, [Completion("SELECT 1", 1, True)])
            assert failed.wait(30)
            time.sleep(0.1)

    def failing(_):
        failed.set()
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        evaluate(examples, databases, slowly, on_judged=failing)
    assert len(written) < len(examples)


def test_a_gold_result_that_is_cut_is_a_gold_failure(databases, examples):
    evaluation = evaluate(examples[2:3], databases, predict, limits=Limits(rows=1))
    assert evaluation.predictions == []
    assert evaluation.gold_failed[0].reason == "the gold result is cut at 1 rows"


def test_questions_come_database_by_database(databases):
    mixed = [Example(f"q{n}", "SELECT 1", ("zoo", "bare")[n % 2]) for n in range(6)]
    asked = []

    def predict(examples, tell):
        asked.extend(one.question for one in examples)
        always("SELECT 1")(examples, tell)

    evaluation = evaluate(mixed, databases, predict)
    assert asked == ["q0", "q2", "q4", "q1", "q3", "q5"]
    assert [one.example.question for one in evaluation.predictions] == asked


def test_excluded_databases_are_left_out_and_counted(databases, examples):
    evaluation = evaluate(examples, databases, predict, exclude=["bare"])
    assert evaluation.excluded == 1
    assert evaluation.empty_databases == []
    assert "bare" not in {one.example.db_id for one in evaluation.predictions}


@pytest.mark.parametrize(
    ("example", "folder", "message"),
    [
        (Example("q", "SELECT 1", "moon"), ".", r"no database moon there .* --exclude_databases moon"),
        (Example("q", "SELECT 1", "zoo"), "nowhere", "no such folder of databases; check --databases"),
        (Example("q", "SELECT 1", "zoo", dialect="mysql"), ".", "its questions are in mysql"),
        (Example("q", "SELECT 1", "gone"), ".", "no questions are left"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(databases, example, folder, message):
    with pytest.raises(UserError, match=message) as caught:
        evaluate([example], databases / folder, predict, exclude=["gone"])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(databases):
    (databases / "text.sqlite").write_text("this is a text, and long enough to be taken for a header: " * 9)
    with pytest.raises(UserError, match=r"text\.sqlite: cannot be read as a database"):
        evaluate([Example("q", "SELECT 1", "text")], databases, predict)


class Recorded:
    name = "recorded"

    def complete(self, prompts, *, max_new_tokens=256, databases=None, temperatures=None, on_done=None, stop=None):
        self.prompts, self.longest, self.databases = prompts, max_new_tokens, databases
        completions = [Completion("SELECT 3<|im_end|>", 4, True) for _ in prompts]
        for place, completion in enumerate(completions):
            on_done(place, completion)
        return completions


def test_an_engine_is_asked_with_the_schema_and_the_evidence(databases):
    engine = Recorded()
    example = Example("How many?", "SELECT count(*) FROM animal", "zoo", evidence="all of them")
    predict = engine_predictor(
        engine,
        template_named("schema-first"),
        "# Table: {}\n[\n(legs:INTEGER)\n]".format,
        max_new_tokens=9,
    )
    evaluation = evaluate([example], databases, predict)
    assert evaluation.score.right == 1
    assert engine.prompts[0].user == "# Table: zoo\n[\n(legs:INTEGER)\n]\n\nHint: all of them\nQuestion: How many?"
    assert engine.longest == 9
    assert [database.tables[0].name for database in engine.databases] == ["zoo"]


def test_an_answer_cannot_be_held_to_a_text_that_is_no_schema(databases):
    example = Example("How many?", "SELECT count(*) FROM animal", "zoo")
    predict = engine_predictor(Recorded(), template_named("schema-first"), "schema of {}".format)
    with pytest.raises(UserError, match="pass --free"):
        evaluate([example], databases, predict)
    free = engine_predictor(Recorded(), template_named("schema-first"), "schema of {}".format, constrained=False)
    assert evaluate([example], databases, free).score.right == 1


def test_a_databases_questions_are_asked_in_mixed_order_and_each_gets_its_own_answer():
    class Echo(Recorded):
        def complete(self, prompts, *, on_done, **options):
            super().complete(prompts, on_done=lambda place, _: on_done(place, Completion(prompts[place].user, 1, True)))

    engine = Echo()
    predict = engine_predictor(engine, template_named("schema-first"), "of {}".format, constrained=False)
    asked = [Example(f"No. {number}.", "SELECT 1", db_id) for db_id in ("zoo", "bare") for number in range(8)]
    told = {}
    predict(asked, told.__setitem__)
    assert {place: texts[0].text.splitlines()[-1] for place, texts in told.items()} == {
        place: f"Question: {one.question}" for place, one in enumerate(asked)
    }
    order = [prompt.user for prompt in engine.prompts]
    assert order != [told[place][0].text for place in range(len(asked))]
    assert ["of zoo" in text for text in order] == [True] * 8 + [False] * 8


def test_predictions_are_saved_and_give_the_same_score_again(databases, examples, tmp_path):
    doubled = [*examples, examples[0]]
    first = evaluate(doubled, databases, predict, model="first")
    second = evaluate(examples, databases, always("SELECT 1"), model="二")
    path = tmp_path / "saved" / "predictions.jsonl"
    assert write_predictions(path, [first, second]) == 15
    row = json.loads(path.read_text(encoding="utf-8").splitlines()[1])
    assert row["gold_result"]["rows"] == [["hen", 2], ["cat", 4], ["狗", 4]]
    assert (row["verdict"], row["hardness"], row["result"]["row_count"]) == ("right", "medium", 3)

    again = [
        evaluate(saved.examples, databases, saved.predictor(), model=saved.model) for saved in read_predictions(path)
    ]
    assert [one.model for one in again] == ["first", "二"]
    for before, after in zip((first, second), again, strict=True):
        assert after.score == before.score
        assert [one.verdict for one in after.predictions] == [one.verdict for one in before.predictions]


def test_predictions_without_gold_are_scored_with_the_questions_given(databases, examples, tmp_path):
    path = tmp_path / "model-a.jsonl"
    rows = [{"db_id": one.db_id, "question": one.question, "sql": one.sql} for one in examples]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (saved,) = read_predictions(path, examples)
    assert (saved.model, saved.examples) == ("model-a", list(examples))
    again = Example(examples[0].question, "SELECT 'other'", examples[0].db_id)
    path.write_text((json.dumps(rows[0]) + "\n") * 2)
    (saved,) = read_predictions(path, [examples[0], again])
    assert saved.examples == [examples[0], again]
    with pytest.raises(UserError, match=r"model-a.jsonl:1: the question is not in --data"):
        read_predictions(path, examples[1:])
    with pytest.raises(UserError, match=r'model-a.jsonl:1: the prediction has no "gold"; name the file .* --data'):
        read_predictions(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no predictions"),
        ("[]\n", ":1: a prediction is a JSON object"),
        ('{"db_id": "zoo", "question": "q", "sql": "x"}\n', ':1: the prediction has no "gold"'),
        ('{"db_id": "zoo", "question": "q", "gold": "x"}\n', ':1: the prediction has no text in "sql"'),
        ('{"db_id": "zoo", "gold": "x", "sql": "x"}\n', ':1: the record has no text in "question"'),
        ("{nothing\n", ":1: not JSON"),
    ],
)
def test_a_malformed_predictions_file_names_the_line(tmp_path, text, message):
    path = tmp_path / "predictions.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_predictions(path)


@pytest.mark.parametrize(
    ("right", "questions", "low", "high"),
    # scipy.stats.binomtest(right, questions).proportion_ci(method="wilson") gives these.
    [
        (0, 50, 0.0, 0.0713),
        (25, 50, 0.3664, 0.6336),
        (50, 50, 0.9287, 1.0),
        (214, 972, 0.1952, 0.2473),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_is_wilsons(right, questions, low, high):
    assert Score(right, questions).interval == pytest.approx((low, high), abs=1e-4)


def test_the_tables_show_the_models_side_by_side(databases, examples):
    first = evaluate(examples, databases, predict, model="first")
    second = evaluate(examples, databases, always("SELECT 1"), model="二", exclude=["bare"])
    lines = table([first, second]).splitlines()
    assert lines[0].split() == ["model", "EX", "95", "%", "right", "parse", "allowed", "run", "easy", "medium", "(1)"]
    assert lines[2].split()[:5] == ["first", "0.500", "0.188–0.812", "3/6", "83.3"]
    assert lines[3].startswith("二     0.000")
    markdown = table([first, second], markdown=True).splitlines()
    assert {line.count("|") for line in markdown} == {10}
    assert database_table([first, second]).splitlines()[2:] == [
        "bare              1  0.000      –",
        "zoo               5  0.600  0.000",
    ]
    said = list(notes([first, second]))
    assert said.count("1 questions left out because their gold query fails:") == 1
    assert "  zoo: SELECT colour FROM animal (no such column: colour)" in said
    assert "1 questions left out with their databases." in said
    assert "first: 1 right verdicts rest on two results without rows." in said
    assert any("bare has no rows" in line for line in said)


def test_models_are_called_by_the_last_part_of_their_path_where_that_tells_them_apart():
    assert labels([Evaluation("org/base-7B"), Evaluation("save-model/lora/")]) == ["base-7B", "lora"]
    assert labels([Evaluation("a/lora"), Evaluation("b/lora")]) == ["a/lora", "b/lora"]


def test_wide_characters_are_two_places_wide():
    assert layout(["m", "n"], [["模型", "1"], ["ab", "22"]]).splitlines() == [
        "m      n",
        "----  --",
        "模型   1",
        "ab    22",
    ]
