import time

import pytest
from sqlglot.errors import ParseError

from sqlfocus.corpus.reply import extract_sql
from sqlfocus.execution.guard import check
from sqlfocus.sql import MOST_NESTED_TYPES, parse, parse_one


def nested(name, depth):
    return f"SELECT {f'{name}(' * depth}1{')' * depth} FROM t"


@pytest.mark.parametrize(
    ("dialect", "name"), [("sqlite", "time"), ("sqlite", "DATE"), ("mysql", "BINARY"), ("postgres", "regclass")]
)
def test_what_would_take_hours_to_read_is_refused_at_once(dialect, name):
    begun = time.perf_counter()
    with pytest.raises(ParseError, match="nested too deeply"):
        parse(nested(name, 40), dialect)
    permit = check(nested(name, 40), dialect=dialect)
    assert (permit.allowed, permit.parsed) == (False, False) and "nested too deeply" in permit.reason
    extract_sql(nested(name, 40), dialect=dialect)
    assert time.perf_counter() - begun < 5  # a second or less; hours without


def test_what_is_not_a_type_or_not_that_deep_is_read():
    assert parse_one(nested("abs", 20), "sqlite").sql(dialect="sqlite").count("ABS") == 20
    assert parse_one(nested("time", MOST_NESTED_TYPES), "sqlite")
    many = "SELECT " + ", ".join(["date(d, date('now'))"] * 100)
    assert len(parse_one(many, "sqlite").selects) == 100


def test_the_statements_of_a_text_are_those_of_sqlglot():
    assert [one.sql() for one in parse("SELECT 1; SELECT 2", "sqlite")] == ["SELECT 1", "SELECT 2"]
    for text in ("", " -- nothing"):
        with pytest.raises(ParseError):
            parse_one(text, "sqlite")
