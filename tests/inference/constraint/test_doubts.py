from dataclasses import replace

import pytest

from sqlfocus.inference.constraint.doubts import Doubts
from sqlfocus.schema.parse import parse_mschema
from sqlfocus.schema.value_index import ValueIndex

SCHEMA = """【DB_ID】 shop
【Schema】
# Table: customer
[
(id:INTEGER, Primary Key),
(name:TEXT),
(age:INTEGER)
]
# Table: orders
[
(id:INTEGER, Primary Key),
(customer_id:INTEGER),
(town:TEXT),
(total:NUMERIC)
]
【Foreign keys】
orders.customer_id=customer.id"""
JOIN = "FROM customer AS T1 JOIN orders AS T2 ON T1.id = T2.customer_id"


@pytest.fixture(scope="module")
def doubts():
    return Doubts(parse_mschema(SCHEMA))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM customer",
        f"SELECT T1.name, sum(T2.total) {JOIN} GROUP BY T1.id ORDER BY count(*) DESC LIMIT 1",
        f"SELECT T2.town {JOIN} GROUP BY T2.town HAVING count(*) > 1",
        "SELECT count(*), avg(age), max(id) FROM customer",
        "SELECT name FROM customer WHERE age > 30 AND age < 40 AND name = 'Ann' OR name = 'Bo'",
        "SELECT name FROM customer WHERE id = '3' OR age = '30-40' OR age LIKE '%3%'",
        "SELECT name FROM customer WHERE id IN (SELECT customer_id FROM orders)",
        "SELECT name FROM customer WHERE id NOT IN (SELECT customer_id FROM orders WHERE total > 3)",
        "SELECT name FROM customer WHERE age > (SELECT avg(age) FROM customer)",
        "SELECT name FROM customer UNION SELECT town FROM orders",
        "SELECT id FROM customer EXCEPT SELECT customer_id FROM orders",
        "SELECT T1.name FROM customer AS T1, orders AS T2 WHERE T1.id = T2.customer_id",
        "SELECT name FROM customer, orders WHERE customer_id = customer.id",
        "SELECT name FROM customer NATURAL JOIN orders",
        "SELECT T1.name FROM customer T1 JOIN orders T2 JOIN orders T3 ON T1.id = T2.customer_id AND T2.town = T3.town",
        "SELECT a.name FROM customer AS a, (SELECT max(age) AS most FROM customer) AS b WHERE a.age >= b.most",
        "SELECT name FROM customer JOIN orders USING (id)",
        "SELECT a.n FROM (SELECT count(*) AS n FROM orders) AS a WHERE a.n = 'x'",
        "SELECT 1",
        "SELECT",
        "",
    ],
)
def test_what_is_meant_often_is_not_doubted(doubts, sql):
    assert doubts.of(sql) == []


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (f"SELECT avg(T2.customer_id) {JOIN}", "a sum or an average of orders.customer_id, which is a key"),
        ("SELECT sum(id) FROM orders", "a sum or an average of orders.id, which is a key"),
        ("SELECT name FROM customer WHERE age = 'old'", "customer.age holds numbers and is compared with a text"),
        ('SELECT name FROM customer WHERE age = "old"', "customer.age holds numbers and is compared with a text"),
        ('SELECT id FROM customer WHERE name = "a" AND name = "b"', "a column is to equal two values at once"),
        ("SELECT name FROM customer WHERE id > 3", "customer.id is a key, of which more and less mean nothing"),
        ("SELECT name FROM customer WHERE age != age", "a column is compared with itself"),
        (
            "SELECT name FROM customer WHERE EXISTS (SELECT 1 FROM orders WHERE orders.total = customer.age)",
            "orders.total and customer.age are compared, and no key relates them",
        ),
        (
            "SELECT name FROM customer WHERE id IN (SELECT total FROM orders)",
            "customer.id is looked for in orders.total, and no key relates them",
        ),
        (
            "SELECT name FROM customer WHERE id IN (SELECT id FROM customer)",
            "customer.id is looked for among its own values",
        ),
        ("SELECT name FROM customer WHERE age = 3 AND AGE = 3", "a condition stands there twice"),
        ("SELECT name FROM customer WHERE age = 3 AND age = 4", "a column is to equal two values at once"),
        ("SELECT name FROM customer JOIN orders", "a join without a condition"),
        ("SELECT name FROM customer AS a, orders AS b WHERE a.age = 3", "a join without a condition"),
        (
            f"SELECT 1 {JOIN} JOIN orders AS T3 ON T1.id = T2.customer_id",
            "a join without a condition",
        ),
        ("SELECT name, Name FROM customer", "a column is selected twice"),
        ("SELECT name, count(*) FROM customer", "a column beside an aggregate, without GROUP BY"),
        ("SELECT name FROM customer ORDER BY count(*)", "an order by an aggregate, without GROUP BY"),
        ("SELECT name FROM customer GROUP BY name", "GROUP BY without an aggregate"),
        ("SELECT name FROM customer UNION SELECT name FROM customer", "two halves that are the same"),
        (
            "SELECT name FROM customer EXCEPT SELECT customer_id FROM orders",
            "customer.name is set against orders.customer_id, and no key relates them",
        ),
        (
            "SELECT 1 FROM customer AS T1 JOIN orders AS T2 ON T1.age = T2.total",
            "two tables are joined on columns that no key relates",
        ),
    ],
)
def test_what_is_hardly_ever_meant_is(doubts, sql, found):
    assert doubts.of(sql) == [found]


def test_in_a_beginning_joins_alone_are_judged(doubts):
    assert (
        doubts.in_beginning("SELECT name, name FROM customer AS T1 JOIN orders AS T2 ON T1.id = T2.customer_id ") == 0
    )
    assert doubts.in_beginning("SELECT name FROM customer AS T1 JOIN orders AS T2 ON T1.age = T2.total W") == 1


def test_a_value_that_stands_elsewhere_is_doubted_and_one_that_is_nowhere_is_not():
    index = ValueIndex({("", "orders", "town"): ["Oslo", "New York"], ("", "customer", "name"): ["Ann", "Bo"]})
    doubts = Doubts(replace(parse_mschema(SCHEMA), values=index))
    for good in ("town = 'Oslo'", 'town != "New York"', "town IN ('Oslo', 'New York')", "town = 'Rome'"):
        assert doubts.of(f"SELECT id FROM orders WHERE {good}") == [], good
    for bad in ("oslo", "Ann", "NEW YORK"):
        said = f"orders.town does not have the value {bad}, which stands elsewhere"
        assert doubts.of(f"SELECT id FROM orders WHERE town = '{bad}'") == [said]
        assert doubts.of(f"SELECT T1.name {JOIN} WHERE T2.town IN ('Oslo', '{bad}')") == [said]
    assert doubts.of("SELECT id FROM orders WHERE town LIKE 'oslo%'") == []


def test_on_mysql_case_does_not_count():
    index = ValueIndex({("", "orders", "town"): ["Oslo"], ("", "customer", "name"): ["Ann"]})
    doubts = Doubts(replace(parse_mschema(SCHEMA), dialect="mysql", values=index))
    assert doubts.of("SELECT id FROM orders WHERE town = 'oslo'") == []
    assert len(doubts.of("SELECT id FROM orders WHERE town = 'ann'")) == 1


def test_values_of_columns_known_in_part_say_nothing():
    index = ValueIndex({("", "orders", "town"): ["Oslo"], ("", "customer", "name"): ["Ann"]}, partial=["orders.town"])
    doubts = Doubts(replace(parse_mschema(SCHEMA), values=index))
    assert doubts.of("SELECT id FROM orders WHERE town = 'Ann'") == []
    assert len(doubts.of("SELECT id FROM customer WHERE name = 'Oslo'")) == 1


def test_a_value_that_the_question_names_is_expected():
    index = ValueIndex({("", "orders", "town"): ["Oslo", "New York", "TOP"], ("", "customer", "name"): ["Ann"]})
    doubts = Doubts(replace(parse_mschema(SCHEMA), values=index))
    named = doubts.named("What did ann order for new york and Oslo, at the top?")
    assert named == (("ann",), ("new york",), ("oslo",))
    assert doubts.unnamed(named, "SELECT 1 FROM orders WHERE town IN ('New  York', 'oslo') AND name = 'Bo'") == 1
    assert doubts.unnamed(named, "SELECT 1 FROM orders WHERE town LIKE '%new york%'") == 2
    assert doubts.unnamed((), "SELECT 1") == 0
    assert Doubts(parse_mschema(SCHEMA)).named("What did Ann order?") == ()
