"""Training rows of reviewed feedback: which entries become rows, and what is said of the others."""

import pytest

from feedback_entries import SCHEMA, decision, entry, write
from sqlfocus.corpus.example import Example, read_examples
from sqlfocus.corpus.feedback import contradictions, prepare_feedback, write_feedback
from sqlfocus.corpus.review import read_reviews
from sqlfocus.errors import UserError


def prepared(tmp_path, *lines):
    return prepare_feedback(read_reviews(write(tmp_path / "review.jsonl", *lines)), tmp_path / "data")


def test_accepted_entries_become_rows_with_the_schema_beside_them(tmp_path):
    mysql = SCHEMA.replace("music", "radio")
    found = prepared(
        tmp_path,
        entry(1, review="accept", sql_query="SELECT name ,  id FROM singer ;", evidence="a hint"),
        entry(2, verdict="wrong", corrected_sql="SELECT count(*) FROM singer"),
        entry(3, database="radio", dialect="mysql", schema=mysql, sql_query="SELECT `name` FROM singer"),
        *(decision(number, "accept") for number in (2, 3)),
    )
    assert not found.left_out["train"] and not found.notes
    write_feedback(found, tmp_path / "data" / "rows.jsonl")
    assert read_examples(tmp_path / "data" / "rows.jsonl") == [
        Example("Which singer is number 1?", "SELECT name, id FROM singer", "music", "a hint"),
        Example(
            *("Which singer is number 2?", "SELECT count(*) FROM singer", "music"),
            rejected="SELECT name FROM singer WHERE id = 2",
        ),
        Example("Which singer is number 3?", "SELECT `name` FROM singer", "radio", dialect="mysql"),
    ]
    assert (tmp_path / "data" / "schemas" / "music.txt").read_text(encoding="utf-8") == SCHEMA + "\n"
    assert (tmp_path / "data" / "schemas" / "radio.txt").read_text(encoding="utf-8") == mysql + "\n"


def test_what_is_left_out_is_counted_by_reason_and_named(tmp_path):
    path = tmp_path / "review.jsonl"
    accept = {"review": "accept"}
    found = prepared(
        tmp_path,
        entry(1, **accept),
        entry(2),
        entry(3, review="reject"),
        entry(4, verdict="wrong", **accept),
        entry(5, database="", dialect="", schema="", **accept),
        entry(6, sql_query="SELECT FROM WHERE", **accept),
        entry(7, sql_query="DELETE FROM singer", **accept),
        entry(8, sql_query="SELECT * FROM staff", **accept),
        entry(9, question=" WHICH singer is  number 1?", sql_query="select NAME from singer where ID=1", **accept),
        {"neither": "one nor the other"},
    )
    assert [row.question for row in found.rows["train"]] == ["Which singer is number 1?"]
    assert dict(found.left_out["train"]) == {
        "lines that cannot be read": 1,
        "not reviewed yet": 1,
        "rejected": 1,
        "no SQL that would be right": 1,
        "no schema: asked without a connected database": 1,
        "SQL that cannot be parsed": 1,
        "SQL that the guard refuses": 2,
        "says the same as a row before it": 1,
    }
    assert [note.split(": ")[0] for note in found.notes] == [f"{path}:{line}" for line in (10, 6, 7, 8)]
    assert "there is no table staff" in found.notes[-1]


def test_entries_that_contradict_each_other_are_all_left_out(tmp_path):
    asked = {"question": "How many?", "review": "accept"}
    lines = [
        entry(1, sql_query="SELECT count(*) FROM singer", **asked),
        entry(2, sql_query="SELECT count(id) FROM singer", **asked),
        entry(3, sql_query="SELECT  COUNT(*)  FROM Singer", **asked),
        entry(4, sql_query="SELECT count(id) FROM singer", **{**asked, "evidence": "ids only"}),
        entry(5, sql_query="SELECT 1", **{**asked, "review": "reject"}),
    ]
    found = prepared(tmp_path, *lines)
    assert [row.evidence for row in found.rows["train"]] == ["ids only"]
    assert found.left_out["train"]["contradict each other: one question, accepted with different SQL"] == 3
    path = tmp_path / "review.jsonl"
    assert found.notes[0] == f"{path}:1 contradicts {path}:2" and len(found.notes) == 3
    against = contradictions(read_reviews(path).entries)
    assert {one: [other.id for other in others] for one, others in against.items()} == {
        "id-1": ["id-2"],
        "id-2": ["id-1", "id-3"],
        "id-3": ["id-2"],
    }


def test_case_within_quotes_is_no_matter_of_form(tmp_path):
    asked = {"question": "Who?", "review": "accept"}
    with pytest.raises(UserError, match=r"contradict each other: .*: 2"):
        prepared(
            tmp_path,
            entry(1, sql_query="SELECT id FROM singer WHERE name = 'a'", **asked),
            entry(2, sql_query="SELECT id FROM singer WHERE name = 'A'", **asked),
        )


def test_a_schema_text_that_is_there_stays_and_judges(tmp_path):
    folder = tmp_path / "data" / "schemas"
    folder.mkdir(parents=True)
    theirs = SCHEMA.replace("singer", "artist")
    (folder / "music.txt").write_text(theirs, encoding="utf-8")
    lines = [entry(1, review="accept"), entry(2, review="accept", sql_query="SELECT name FROM artist")]
    found = prepared(tmp_path, *lines)
    assert [row.sql for row in found.rows["train"]] == ["SELECT name FROM artist"]
    assert found.schemas == {} and found.schema("music") == theirs
    assert f"{folder}/music.txt differs from the schema that feedback was given on" in found.notes[0]
    (folder / "music.txt").write_text("It has singers.", encoding="utf-8")
    found = prepare_feedback(read_reviews(tmp_path / "review.jsonl"), tmp_path / "data")
    assert len(found.rows["train"]) == 2 and "neither M-Schema nor DDL" in found.notes[1]


def test_the_newest_schema_of_a_database_is_taken(tmp_path):
    newer = SCHEMA.replace("Ann", "Bo")
    found = prepared(tmp_path, entry(1, review="accept"), entry(2, review="accept", schema=newer), entry(3))
    assert found.schemas == {"music": newer}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([entry(1), entry(2)], r"no training row is left \(not reviewed yet: 2\); nothing was written. .*--review"),
        ([], r"no training row is left \(there were no entries\)"),
        ([entry(1, review="accept", database="a:b")], "a:b: a database's name names the file"),
        ([entry(1, review="accept", schema="singers")], r"review\.jsonl:1: its schema cannot be read"),
    ],
)
def test_where_there_is_nothing_to_write_it_says_why(tmp_path, lines, said):
    (tmp_path / "review.jsonl").touch()
    with pytest.raises(UserError, match=said):
        prepared(tmp_path, *lines)
    assert not (tmp_path / "data").exists()
