import sqlite3
import time

import pytest

from sqlfocus.answer import Request, answer, answer_all, answer_with_repair, extract_sql, finish
from sqlfocus.corpus.prompt import template_named
from sqlfocus.execution.runner import Limits, Result, open_runner
from sqlfocus.inference.engine import Completion
from sqlfocus.schema.text import read_schema_text

Q = "SELECT name FROM singer WHERE age > 20"

ONLY_SQL = [
    Q,
    f"{Q};",
    f"  {Q}  \n",
    f"{Q}<|im_end|>\n<|im_start|>user\nAnd now?",
    f"{Q}<|endoftext|>{Q}",
    f"{Q}</s>",
    f"SQL: {Q}",
    f"SQL:\n{Q}",
    f"sqlite> {Q};",
    f"SQL 语句：{Q}",
    f"**SQL:** {Q}",
    f"### Answer\n\n{Q}",
    f"1. {Q};\n2. SELECT 2;",
    f"```sql\n{Q}\n```",
    f"```sql\n{Q};\n```\n\nThis query lists the names.",
    f"```\n{Q}\n```",
    f"```sqlite\n{Q}",
    f"{Q}\n```",
    f"{Q};\n```\nExplanation: it selects.",
    f"Here is the query you asked for:\n\n```sql\n{Q};\n```",
    f"select the names of the singers:\n```sql\n{Q}\n```",
    f"Sure! The query is {Q}.",
    f"The answer is `{Q}`.",
    f"{Q}; SELECT 2; DROP TABLE singer",
    f"{Q};\nSELECT 2;",
    f"{Q};\n\nThis returns the singers; it's short.",
    f"{Q}\n\nThis query returns the name of every singer.",
    f"{Q}\nExplanation: the age is compared with 20.",
    f"{Q}\n\nNote: select with care.",
    f"<think>\nFirst SELECT count(*) FROM x; no.\n</think>\n{Q}",
    f"-- select the names\n{Q}",
    f"```sql\n-- Names of singers\n{Q}\n```",
    f"```python\nprint('hello')\n```\n```sql\n{Q}\n```",
]


@pytest.mark.parametrize("text", ONLY_SQL)
def test_everything_but_the_sql_is_stripped(text):
    assert extract_sql(text) == Q


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*)\nfrom singer\n\nwhere age > 20",
        "WITH c AS (SELECT 1) SELECT * FROM c",
        "WITH c AS(SELECT 1) SELECT * FROM c",
        'with recursive "c d" (x) as (select 1) select * from "c d"',
        "(SELECT a FROM t) UNION (SELECT b FROM u)",
        "SELECT ';' AS a, 'it''s; fine', \"x;y\" FROM t /* ; */ WHERE b = 1",
        "SELECT 'C:\\' AS a FROM t",
        "SELECT a FROM t -- ; not the end\nWHERE b = 1",
        "SELECT 'Answer: SELECT 1' FROM t",
    ],
)
@pytest.mark.parametrize("form", ["{}", "{};", "```sql\n{}\n```", "SQL: {};\nDone."])
def test_sql_comes_out_as_it_is(sql, form):
    assert extract_sql(form.format(sql)) == sql


def test_a_backslash_in_a_string_is_the_dialects():
    assert extract_sql(r"SELECT 'a\';b' FROM t; x", dialect="mysql") == r"SELECT 'a\';b' FROM t"
    assert extract_sql(r"SELECT 'a\';b FROM t", dialect="sqlite") == r"SELECT 'a\'"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "I do not know.",
        "To find this, you need to look at the table singer and select the name of each row from it.",
        "Select the singer whose age is the highest, then count the concerts.",
        "With this schema, the question cannot be answered.",
        "With the table AS it is, no.",
        "The database has no column for that. Would you like to update it?",
        "```python\ncursor.execute('SELECT 1')\n```",
        "请先选择表。",
        "<|im_end|>SELECT 1",
    ],
)
def test_prose_is_no_sql(text):
    assert extract_sql(text) == ""


@pytest.mark.parametrize(
    "sql",
    ["SELECT name FROM", "SELECT name FROM singer WHERE (age", "select a from t where b = 'open", "DROP TABLE singer"],
)
def test_sql_that_will_not_run_is_returned_to_be_shown(sql):
    assert extract_sql(sql) == sql


def test_an_unfinished_query_is_not_run_as_a_shorter_one():
    cut = "SELECT name\nFROM singer\nWHERE age > (SELECT"
    assert extract_sql(cut) == cut
    cut = "select name\nfrom singer\norder by"
    assert extract_sql(cut) == cut


@pytest.mark.parametrize(
    "text", [" " * 20_000, "\n" * 20_000, "SELECT " * 300, "`" * 5000, "with a " * 2000, "(" * 5000]
)
def test_degenerate_text_takes_no_time(text):
    start = time.perf_counter()
    extract_sql(text)
    extract_sql("SQL" + text + ":")
    assert time.perf_counter() - start < 1


class Recorded:
    """Writes the texts it was given, one a prompt, and keeps the prompts."""

    name = "recorded"

    def __init__(self, *texts):
        self.texts = texts
        self.prompts = []

    def complete(self, prompts, *, max_new_tokens=256, databases=None, temperatures=None, on_done=None):
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
    requests = [Request(f"question {n}", "【DB_ID】 shop", run=shop.run) for n in range(5)]
    answers = answer_all(engine, template_named("schema-first"), requests, on_done=done.__setitem__)
    assert [each.question for each in answers] == [f"question {n}" for n in range(5)]
    assert [done[place] for place in range(5)] == answers
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
    given = answer(engine, template_named("schema-first"), request)
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
    given = answer(engine, template_named("schema-first"), request, candidates=3)
    assert given.sql == chosen
    assert engine.temperatures == [0.0, 0.7, 0.7]
    assert len(engine.prompts) == 3


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


def test_what_another_query_would_not_mend_does_not_go_back():
    engine = Retold("SELECT name FROM item")
    request = Request("Which?", "", run=lambda sql: Result(error="unavailable: shop (it is not there)"))
    trace = answer_with_repair(engine, template_named("schema-first"), request)
    assert len(trace.attempts) == 1 and trace.answer.fault == "unavailable: shop (it is not there)"


def test_a_right_answer_does_not_go_back(shop):
    engine = Retold("SELECT name FROM item")
    trace = answer_with_repair(engine, template_named("schema-first"), Request("Which?", "", run=shop.run))
    assert len(engine.prompts) == len(trace.attempts) == 1 and trace.model_seconds >= 0
