"""The sample database and the questions that are asked of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from sqlfocus.demo.shop import build_shop, read_questions
from sqlfocus.errors import UserError


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = build_shop(tmp_path_factory.mktemp("shop") / "shop.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def content(connection: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for table in tables(connection):
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid"):
            digest.update(repr((table, row)).encode())
    return digest.hexdigest()


def test_eight_related_tables_and_a_few_thousand_rows(shop):
    counts = {table: shop.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables(shop)}
    assert len(counts) == 8
    assert 3000 < sum(counts.values()) < 6000
    assert all(counts.values())
    keys = [(table, key[2]) for table in tables(shop) for key in shop.execute(f"PRAGMA foreign_key_list({table})")]
    assert ("employees", "employees") in keys  # refers to itself
    assert {table for key in keys for table in key} == set(counts)  # none stands alone
    assert shop.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_rows_are_the_same_on_every_machine(shop):
    # The gold results, and with them every published EX, depend on these rows: change them knowingly.
    assert content(shop) == "a3ed80af43d8195b2482ec5dd86c98e5356115fb738018179be9de8817df86b5"


def test_a_seed_gives_the_same_bytes_and_another_seed_other_rows(tmp_path):
    first, second, other = (build_shop(tmp_path / name, seed) for name, seed in (("a", 7), ("b", 7), ("c", 8)))
    assert first.read_bytes() == second.read_bytes()
    with closing(sqlite3.connect(first)) as a, closing(sqlite3.connect(other)) as c:
        assert content(a) != content(c)


def test_dates_follow_one_another(shop):
    early = "SELECT count(*) FROM orders JOIN customers ON customer_id = customers.id WHERE ordered_on < joined_on"
    assert shop.execute(early).fetchone() == (0,)
    reviewed_unbought = """SELECT count(*) FROM reviews AS r WHERE NOT EXISTS (
        SELECT 1 FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
        WHERE o.customer_id = r.customer_id AND i.product_id = r.product_id AND o.ordered_on < r.written_on)"""
    assert shop.execute(reviewed_unbought).fetchone() == (0,)


def test_comments_in_both_languages_are_kept_with_the_tables(shop):
    ddl = "\n".join(sql for (sql,) in shop.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
    assert "status TEXT NOT NULL -- N = new, P = paid, S = shipped, C = cancelled / N 新" in ddl


def test_building_replaces_what_is_there_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "shop.sqlite"
    build_shop(path)
    build_shop(path)
    assert [file.name for file in path.parent.iterdir()] == ["shop.sqlite"]


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"shop\.sqlite: cannot be written"):
        build_shop(tmp_path / "file" / "shop.sqlite")


def test_enough_questions_in_both_languages_and_none_twice():
    english, chinese = read_questions("en"), read_questions("zh")
    assert len(english) >= 70
    assert len(chinese) >= 30
    assert read_questions() == english + chinese
    assert len({example.question.lower() for example in read_questions()}) == len(english) + len(chinese)
    for examples in (english, chinese):
        assert len({example.sql.lower() for example in examples}) == len(examples)
    assert {example.db_id for example in english + chinese} == {"shop"}


@pytest.mark.parametrize("example", read_questions(), ids=lambda example: example.question)
def test_the_gold_query_returns_rows(shop, example):
    rows = shop.execute(example.sql).fetchall()
    assert rows
    assert rows not in ([(None,)], [(0,)])  # an answer that a wrong query would give as well


LIMITED = [example for example in read_questions() if " LIMIT " in example.sql]


@pytest.mark.parametrize("example", LIMITED, ids=lambda example: example.question)
def test_a_limit_cuts_between_different_values(shop, example):
    """A tie at the limit, or within an order that was asked for, would make the gold result one of several."""
    query, limit = example.sql.rsplit(" LIMIT ", 1)
    key = query.rsplit("ORDER BY ", 1)[1].removesuffix(" DESC")
    ranked = [row[-1] for row in shop.execute(query.replace(" FROM ", f", {key} FROM ", 1))][: int(limit) + 1]
    assert len(ranked) == int(limit) + 1
    assert len(set(ranked)) == len(ranked)
