import time

import pytest

from sqlfocus.corpus.reply import extract_sql

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


@pytest.mark.parametrize("sql", ['SELECT date("")', 'SELECT CAST(a AS text("")) FROM t'])
def test_what_the_parser_stumbles_over_stays_as_it_is(sql):
    """sqlglot raises a ValueError at a type's empty size."""
    assert extract_sql(f"```sql\n{sql}\n```") == sql
