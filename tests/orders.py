"""A small schema with questions about it, for tests of engines."""

from sqlfocus.corpus.prompt import template_named

SCHEMA = """【DB_ID】 {name}
【Schema】
# Table: {table}
[
(id:INTEGER, Primary Key),
(city:TEXT, Examples: [Oslo, 上海]),
(amount_in_kroner:REAL)
]"""
QUESTIONS = ["How many are there?", "List the cities.", "上海有多少订单？", "Which city has most, and why so?", "Sum?"]
TEMPLATE = template_named("schema-first")


def schema(name="shop", table="orders"):
    return SCHEMA.format(name=name, table=table)


def prompts(text, questions=QUESTIONS):
    return [TEMPLATE.prompt(schema=text, question=question) for question in questions]
