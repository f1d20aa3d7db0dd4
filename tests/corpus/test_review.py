"""The review file: what is added stays whole, the last decision counts, and a bad line stops no other."""

import json
import subprocess
import sys
import threading

import pytest

from feedback_entries import decision, entry, write
from sqlfocus.corpus.review import add_decision, add_line, read_reviews
from sqlfocus.errors import UserError


def test_the_last_decision_counts_wherever_it_stands(tmp_path):
    lines = [entry(1), entry(2, review="accept"), decision(1, "accept"), entry(3), decision(1, "reject")]
    path = write(tmp_path / "new" / "review.jsonl", *lines, decision(2, ""))
    add_decision(path, "id-3", "accept")
    reviews = read_reviews(path)
    assert [(one.id, one.review) for one in reviews.entries] == [("id-1", "reject"), ("id-2", ""), ("id-3", "accept")]
    assert reviews.unreadable == [] and reviews.entries[2].where == f"{path}:4"


def test_what_can_be_learnt_from_an_entry(tmp_path):
    path = write(
        tmp_path / "review.jsonl",
        entry(1, corrected_sql="SELECT 2"),
        entry(2, verdict="wrong", corrected_sql=" SELECT 2 "),
        entry(3, verdict="wrong"),
        entry(4, sql_query=" "),
        entry(5, database="", dialect="", schema=""),
    )
    found = [(one.sql, one.lack) for one in read_reviews(path).entries]
    assert found[:2] == [("SELECT name FROM singer WHERE id = 1", ""), ("SELECT 2", "")]
    assert [lack for _, lack in found[2:4]] == ["no SQL that would be right"] * 2
    assert found[4][1] == "no schema: asked without a connected database"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{half", "not JSON: "),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"7", "not a JSON object"),
        (json.dumps(entry(9, id="")).encode(), 'there is no text in "id"'),
        (json.dumps(entry(9, question=" ")).encode(), 'there is no text in "question"'),
        (json.dumps(entry(9, question=7)).encode(), '"question" is not text'),
        (json.dumps(entry(9, verdict="good")).encode(), '"verdict" is neither right nor wrong'),
        (json.dumps(entry(9, dialect="oracle")).encode(), '"database" is empty, or "dialect" none of sqlite, '),
        (json.dumps(entry(9, review="yes")).encode(), "\"review\" is 'yes'; it is accept, reject or empty"),
        (json.dumps(entry(1)).encode(), "an entry before it has the same id"),
        (json.dumps(decision(9, "accept")).encode(), "reviews an entry that does not stand before it"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_stops_no_other(tmp_path, line, why):
    path = write(tmp_path / "review.jsonl", entry(1))
    with path.open("ab") as file:
        file.write(line + b"\n\n")
    add_line(path, entry(2))
    reviews = read_reviews(path)
    assert [one.id for one in reviews.entries] == ["id-1", "id-2"]
    assert [one.startswith(f"{path}:2: {why}") for one in reviews.unreadable] == [True], reviews.unreadable


def test_half_a_line_at_the_end_waits_and_does_not_spoil_the_next(tmp_path):
    path = write(tmp_path / "review.jsonl", entry(1))
    with path.open("ab") as file:
        file.write(json.dumps(entry(2)).encode()[:50])
    reviews = read_reviews(path)
    assert (len(reviews.entries), reviews.unreadable) == (1, [])
    add_line(path, entry(3))
    reviews = read_reviews(path)
    assert [one.id for one in reviews.entries] == ["id-1", "id-3"]
    assert len(reviews.unreadable) == 1 and reviews.unreadable[0].startswith(f"{path}:2: not JSON")


def test_the_service_and_a_reviewer_write_at_the_same_time(tmp_path):
    """Threads of this process add entries, long ones too, while another process decides on them."""
    path = write(tmp_path / "review.jsonl", *(entry(number) for number in range(200)))
    decide = (
        "import sys; from pathlib import Path; from sqlfocus.corpus.review import add_decision\n"
        "for number in range(200): add_decision(Path(sys.argv[1]), f'id-{number}', 'accept')"
    )

    def add(first):
        for number in range(first, first + 100):
            add_line(path, entry(number, question="长" * (number * 37 % 20_000)))

    with subprocess.Popen([sys.executable, "-c", decide, str(path)]) as other:
        threads = [threading.Thread(target=add, args=(first,)) for first in (1001, 2001, 3001)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert other.returncode == 0
    reviews = read_reviews(path)
    assert reviews.unreadable == [] and len(reviews.entries) == 500
    assert [one.review for one in reviews.entries].count("accept") == 200


def test_a_file_that_is_not_there_or_not_to_be_written(tmp_path):
    with pytest.raises(UserError, match=r"gone\.jsonl: no such file; the service writes it"):
        read_reviews(tmp_path / "gone.jsonl")
    with pytest.raises(UserError, match="feedback cannot be kept"):
        add_line(tmp_path, entry(1))
