"""Feedback that the service keeps: entries that a reviewer can decide on while more come in."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from sqlfocus.corpus.feedback import prepare_feedback
from sqlfocus.corpus.review import add_decision, read_reviews
from sqlfocus.web.config import DatabaseSettings
from sqlfocus.web.feedback import ReviewFile
from sqlfocus.web.live import LiveDatabase
from sqlfocus.web.messages import Feedback


@pytest.fixture
def database(tmp_path):
    with sqlite3.connect(tmp_path / "farm.sqlite") as connection:
        connection.execute("CREATE TABLE cow (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO cow (name) VALUES ('花花')")
    connection.close()
    live = LiveDatabase(DatabaseSettings("farm", str(tmp_path / "farm.sqlite")), look_values_up=False)
    yield live
    live.close()


def test_from_a_verdict_to_a_training_row(database, tmp_path):
    path = tmp_path / "new" / "feedback.jsonl"
    kept = ReviewFile(path)
    wrong = Feedback(
        question="有几头牛？", verdict="wrong", sql_query="SELECT 1", corrected_sql="SELECT count(*) FROM cow"
    )
    assert kept.add(wrong, database, "tiny") == 1
    assert kept.add(Feedback(question="Who?", verdict="right", sql_query="SELECT 1"), None, "tiny") == 2
    first, second = read_reviews(path).entries
    assert first.id != second.id and (first.review, second.lack[:9]) == ("", "no schema")
    add_decision(path, first.id, "accept")
    # Decisions are no entries, for those who counted before and those who count now.
    assert kept.add(wrong, database, "tiny") == 3
    assert ReviewFile(path).add(wrong, database, "tiny") == 4
    prepared = prepare_feedback(read_reviews(path), tmp_path)
    [row] = prepared.rows["train"]
    assert (row.question, row.sql, row.db_id) == ("有几头牛？", "SELECT count(*) FROM cow", "farm")
    assert prepared.schemas == {"farm": database.known.database.mschema()}


def test_many_at_a_time_are_all_kept(database, tmp_path):
    kept = ReviewFile(tmp_path / "feedback.jsonl")
    said = [Feedback(question=f"{number}?", verdict="right", sql_query="SELECT 1") for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda one: kept.add(one, database, "tiny"), said))
    assert sorted(counts) == list(range(1, 101))
    reviews = read_reviews(kept.path)
    assert reviews.unreadable == [] and {one.question for one in reviews.entries} == {one.question for one in said}
