"""The grammar takes the queries of its dialect on its schema, and no others."""

import json
from pathlib import Path

import llguidance
import pytest
import sqlglot

from sqlfocus.inference.chat import end_token
from sqlfocus.inference.constraint.grammar import sql_grammar
from sqlfocus.inference.constraint.guide import Vocabulary
from sqlfocus.inference.constraint.names import Names
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models.loading import find_model, load_tokenizer
from sqlfocus.schema.database import read_database
from sqlfocus.schema.mschema import Column, Database, Table

SPIDER = Path(__file__).resolve().parents[3] / "../shared/spider"


@pytest.fixture(scope="module")
def vocabulary(smollm2):
    tokenizer = load_tokenizer(find_model(str(smollm2)))
    own = TransformersTokenizer(tokenizer)
    return Vocabulary(own, end_token(own), len(tokenizer))


def database(dialect="sqlite", schema=""):
    columns = ("id", "name", "Order", "unit price", "数量", 'with"quote', "a/b")
    return Database("shop", (Table("t", tuple(Column(one, "TEXT") for one in columns), schema=schema),), dialect)


def takes(vocabulary, made, sql):
    matcher = llguidance.LLMatcher(vocabulary.tokens, llguidance.LLMatcher.grammar_from_lark(sql_grammar(made)))
    assert not matcher.is_error(), matcher.get_error()
    tokens = vocabulary.tokens.tokenize_str(sql)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


SHARED = """
SELECT * FROM t
select name , id from t where id>=3 and not (name='x' or name is not null);
SELECT count(*), sum(a.id + 1) * 2 FROM t AS a JOIN t AS b ON a.id = b.id GROUP BY a.name HAVING count(*) > 1 LIMIT 3
SELECT 数量 FROM t ORDER BY 数量 DESC, id
WITH x AS (SELECT id FROM t) SELECT id FROM x UNION ALL SELECT id FROM t
SELECT CASE WHEN id BETWEEN 1 AND 2 THEN 'a' ELSE 'it''s' END FROM t WHERE id NOT IN (1, 2) AND EXISTS (SELECT 1 FROM t)
SELECT rank() OVER (PARTITION BY name ORDER BY id DESC) FROM t LIMIT 5 OFFSET 10
"""


@pytest.mark.parametrize("dialect", ["sqlite", "mysql", "postgres"])
@pytest.mark.parametrize("sql", SHARED.strip().splitlines())
def test_all_dialects_have_this(sql, dialect, vocabulary):
    assert takes(vocabulary, database(dialect), sql)
    assert Names(database(dialect)).wrong(sql, whole=True) == ""


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("sqlite", 'SELECT "Order", [unit price], `a/b`, "with""quote" FROM "t"'),
        ("sqlite", "SELECT strftime('%Y', name) FROM t WHERE name GLOB 'a*'"),
        ("sqlite", 'SELECT name || id FROM t WHERE NAME = "it" ORDER BY name COLLATE NOCASE'),
        ("mysql", "SELECT `Order`, `unit price` FROM t WHERE name REGEXP '^a'"),
        ("mysql", "SELECT date_format(name, '%Y') FROM t WHERE name > now() - INTERVAL 3 DAY"),
        (
            "postgres",
            "SELECT id::double precision, round(id::numeric(10, 2), 1) FROM t WHERE name::date > now()",
        ),
        ("postgres", 'SELECT "Order", "数量" FROM t WHERE name ILIKE \'a%\''),
        ("postgres", "SELECT extract(year FROM name) FROM t WHERE name > date '2024-01-01' - interval '1 day'"),
    ],
)
def test_each_dialect_has_its_own(dialect, sql, vocabulary):
    assert takes(vocabulary, database(dialect), sql)
    assert Names(database(dialect)).wrong(sql, whole=True) == ""


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("sqlite", "SELECT id.nam FROM t"),
        ("sqlite", "SELECT Order FROM t"),
        ("sqlite", "SELECT id FROM t WHERE"),
        ("sqlite", "SELECT id FROM t; DROP TABLE t"),
        ("sqlite", "DELETE FROM t"),
        ("sqlite", "SELECTid FROM t"),
        ("sqlite", "SELECT id FROM t WHERE id ILIKE 'x'"),
        ("sqlite", "SELECT load_extension('x') FROM t"),
        ("sqlite", 'SELECT date("") FROM t'),
        ("sqlite", "ſELECT id FROM t"),
        ("postgres", 'SELECT t."order" FROM t'),
        ("postgres", "SELECT [unit price] FROM t"),
        ("mysql", "SELECT 'never closed FROM t"),
    ],
)
def test_what_is_not_a_query_on_the_schema_is_refused(dialect, sql, vocabulary):
    assert not takes(vocabulary, database(dialect), sql)


def test_a_table_of_another_schema_is_named_with_it(vocabulary):
    made = database("postgres", schema="sales")
    assert takes(vocabulary, made, "SELECT id FROM sales.t")
    assert Names(made).wrong("SELECT id FROM t", whole=True) == "there is no table t"
    assert Names(made).wrong("SELECT id FROM sales.t", whole=True) == ""


@pytest.mark.skipif(not SPIDER.is_dir(), reason="Spider is not there (../shared/spider)")
@pytest.mark.parametrize("dialect", ["sqlite", "mysql"])
def test_spiders_gold_queries_are_taken(dialect, vocabulary):
    matchers = {}
    refused = []
    rows = json.loads((SPIDER / "dev.json").read_text(encoding="utf-8"))[::7]
    for row in rows:
        db_id = row["db_id"]
        if db_id not in matchers:
            file = SPIDER / "database" / db_id / f"{db_id}.sqlite"
            read = read_database(str(file), max_values=0)
            made = Database(read.name, read.tables, dialect)
            grammar = llguidance.LLMatcher.grammar_from_lark(sql_grammar(made))
            matchers[db_id] = llguidance.LLMatcher(vocabulary.tokens, grammar)
        sql = row["query"] if dialect == "sqlite" else sqlglot.transpile(row["query"], read="sqlite", write=dialect)[0]
        matcher = matchers[db_id].deep_copy()
        tokens = vocabulary.tokens.tokenize_str(sql)
        if matcher.try_consume_tokens(tokens) < len(tokens) or not matcher.is_accepting():
            refused.append((db_id, sql))
    assert not refused
    assert len(rows) > 100
