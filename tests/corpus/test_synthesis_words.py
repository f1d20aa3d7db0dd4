import doctest
import importlib

import pytest

from sqlfocus.corpus.synthesis import english
from sqlfocus.corpus.synthesis.dictionary import to_chinese, to_english
from sqlfocus.corpus.synthesis.names import column_words, common_prefixes, event_words, split_identifier, table_words
from sqlfocus.corpus.synthesis.quoting import literal, quoted


@pytest.mark.parametrize("name", ["english", "names", "dictionary", "comments", "quoting", "split", "wordlist"])
def test_the_examples_in_docstrings(name):
    module = importlib.import_module(f"sqlfocus.corpus.synthesis.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("customer", "customers"),
        ("category", "categories"),
        ("order item", "order items"),
        ("address", "addresses"),
        ("bus", "buses"),
        ("person", "people"),
        ("staff member", "staff members"),
        ("date of birth", "dates of birth"),
        ("day", "days"),
        ("box", "boxes"),
        ("movie", "movies"),
        ("status", "statuses"),
        ("analysis", "analyses"),
        ("series", "series"),
    ],
)
def test_plurals(one, many):
    assert english.plural(one) == many
    assert english.singular(many) == one
    assert english.plural(many) == many


@pytest.mark.parametrize(
    ("noun", "article"),
    [
        ("order", "an"),
        ("user", "a"),
        ("hour", "an"),
        ("university", "a"),
        ("ISBN", "an"),
        ("unpaid order", "an"),
        ("URL", "a"),
        ("8 GB card", "an"),
    ],
)
def test_articles(noun, article):
    assert english.article(noun) == article


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("order_items", "order items"),
        ("OrderItems", "order items"),
        ("orderItemID", "order item id"),
        ("cust_nm", "customer name"),
        ("customername", "customer name"),
        ("order_no", "order number"),
        ("pay_method", "payment method"),
        ("zip_code", "zip code"),
        ("pub_year", "publication year"),
        ("address2", "address 2"),
        ("订单_日期", "订单 日期"),
    ],
)
def test_identifiers(identifier, words):
    assert split_identifier(identifier) == words.split()


def test_prefixes_and_owners_are_dropped():
    prefixes = common_prefixes(["t_orders", "t_customers", "shop_items"])
    assert prefixes == {"t"}
    assert table_words("t_orders", prefixes) == ["orders"]
    assert common_prefixes(["shop_orders", "shop_items", "shop_users"]) == {"shop"}
    assert common_prefixes(["order", "order_items", "order_notes"]) == frozenset()
    assert column_words("customer_name", ["customer"]) == ["name"]
    assert column_words("loan_date", ["loan"]) == ["loan", "date"]
    assert event_words(["created", "at"]) == ["creation", "date"]


def test_chinese_and_back():
    assert to_chinese("order date") == "订单日期"
    assert to_english("订单日期") == "order date"
    assert to_chinese("frobnicator") is None


@pytest.mark.parametrize(
    ("value", "dialect", "sql"),
    [
        ("O'Neil", "sqlite", "'O''Neil'"),
        ("a\\b", "mysql", "'a\\\\b'"),
        ("a\\b", "postgres", "'a\\b'"),
        (2.0, "sqlite", "2"),
        (2.5, "sqlite", "2.5"),
        (True, "postgres", "TRUE"),
        (True, "sqlite", "1"),
    ],
)
def test_literals(value, dialect, sql):
    assert literal(value, dialect) == sql


@pytest.mark.parametrize(
    ("name", "dialect", "sql"),
    [
        ("orders", "sqlite", "orders"),
        ("order", "sqlite", '"order"'),
        ("rank", "mysql", "`rank`"),
        ("rank", "sqlite", "rank"),
        ("user", "postgres", '"user"'),
        ("OrderId", "postgres", '"OrderId"'),
        ("OrderId", "mysql", "OrderId"),
        ("order date", "sqlite", '"order date"'),
        ("订单", "postgres", "订单"),
        ('a"b', "sqlite", '"a""b"'),
        ("2nd", "mysql", "`2nd`"),
    ],
)
def test_names_are_quoted_where_they_must_be(name, dialect, sql):
    assert quoted(name, dialect) == sql
