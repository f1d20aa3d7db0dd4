import re

import pytest
import sqlglot
from sqlglot import exp

from library import make_library
from sqlfocus.corpus.example import Example
from sqlfocus.corpus.synthesis.split import signature, split
from sqlfocus.corpus.synthesis.synthesis import synthesize
from sqlfocus.errors import UserError
from sqlfocus.execution.runner import open_runner
from sqlfocus.schema.database import read_database


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    path = make_library(tmp_path_factory.mktemp("library") / "library.sqlite")
    runner = open_runner(str(path))
    try:
        return synthesize(read_database(str(path)), runner, count=1500, languages=("en", "zh")).examples
    finally:
        runner.close()


def masked(sql):
    """The query with its values, comparisons, directions and limits blank: a second opinion on what one shape is."""
    tree = sqlglot.parse_one(sql, dialect="sqlite")
    for node in list(tree.find_all(exp.Literal)):
        node.replace(exp.Literal.number(0))
    text = tree.sql(dialect="sqlite")
    return re.sub(r"<=|>=|<>|!=|[<>]", "=", text.replace(" DESC", ""))


def test_no_shape_with_the_same_columns_in_both_halves(examples):
    train, test = split(examples, 0.1)
    assert len(train) + len(test) == len(examples)
    assert 0.06 * len(examples) < len(test) < 0.14 * len(examples)
    assert not {signature(example.sql) for example in train} & {signature(example.sql) for example in test}
    assert not {masked(example.sql) for example in train} & {masked(example.sql) for example in test}
    assert not {example.question for example in train} & {example.question for example in test}


def test_both_halves_have_the_common_shapes(examples):
    train, test = split(examples, 0.15)

    def features(half):
        return {
            word
            for word in ("JOIN", "GROUP BY", "ORDER BY", "WHERE", "HAVING", "NOT IN", "DISTINCT", "LIMIT")
            for e in half
            if word in e.sql
        }

    assert features(test) == features(train)


def test_order_is_kept_and_the_seed_decides(examples):
    train, test = split(examples, 0.1, seed=1)
    assert [example for example in examples if example in set(train)] == train
    assert (train, test) == split(examples, 0.1, seed=1)
    assert test != split(examples, 0.1, seed=2)[1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE b <= 2.5", True),
        ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b != 'y z'", True),
        ("SELECT a FROM t ORDER BY b DESC LIMIT 1", "SELECT a FROM t ORDER BY b LIMIT 5", True),
        ("SELECT max(a) FROM t", "SELECT avg(a) FROM t", True),
        ("SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b IN (3, 4, 5)", True),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE c = 1", False),
        ("SELECT a FROM t", "SELECT a FROM u", False),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t ORDER BY b", False),
        ("SELECT a FROM t WHERE b = 1 AND c = 2", "SELECT a FROM t WHERE b = 1 OR c = 2", False),
    ],
)
def test_signatures(one, other, same):
    assert (signature(one) == signature(other)) is same


def test_what_cannot_be_parted():
    same = [Example(f"How many over {n}?", f"SELECT count(*) FROM t WHERE a > {n}", "d") for n in range(20)]
    with pytest.raises(UserError, match="20 examples cannot be parted into train and test"):
        split(same, 0.1)
    with pytest.raises(UserError, match=r"the test share is 1.5; it is between 0 and 1"):
        split(same, 1.5)
