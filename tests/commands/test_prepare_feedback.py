"""``sqlfocus prepare feedback`` as a user calls it: the review in the terminal, then the rows."""

import io

import pytest

from feedback_entries import SCHEMA, entry, write
from sqlfocus.cli import main
from sqlfocus.corpus.example import read_examples
from sqlfocus.corpus.review import add_line, read_reviews


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Calls the command in a folder of its own, with what a person types."""
    monkeypatch.chdir(tmp_path)

    def run(*words, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = main(["prepare", "feedback", *map(str, words)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def feedback(tmp_path):
    return tmp_path / "output" / "feedback.jsonl"


def reviewed(feedback):
    return [one.review for one in read_reviews(feedback).entries]


def test_from_feedback_to_rows(call, feedback, tmp_path):
    write(feedback, *(entry(number) for number in range(1, 6)))
    status, out, err = call("--review", typed="a\nReject\nno idea\ns\na\n")
    assert (status, err) == (0, "")
    assert reviewed(feedback) == ["accept", "reject", "", "accept", ""]
    end = "2 accepted, 1 rejected, 1 skipped, 1 left. `sqlfocus prepare feedback` makes training rows of the accepted."
    assert out.splitlines()[-1] == end
    status, out, err = call()
    assert (status, err) == (0, "")
    assert out.splitlines()[:4] == [
        "data/feedback_train.jsonl: 2 rows on 1 databases",
        "  left out 2: not reviewed yet",
        "  left out 1: rejected",
        "data/schemas: 1 schema texts",
    ]
    assert "length of prompt and SQL in characters:" in out
    rows = read_examples(tmp_path / "data" / "feedback_train.jsonl")
    assert [row.question for row in rows] == ["Which singer is number 1?", "Which singer is number 4?"]
    assert (tmp_path / "data" / "schemas" / "music.txt").read_text(encoding="utf-8") == SCHEMA + "\n"


def test_a_file_that_is_there_is_replaced_with_force_alone(call, feedback, tmp_path):
    write(feedback, entry(1, review="accept"))
    output = tmp_path / "mine" / "rows.jsonl"
    assert call("--output", output)[0] == 0
    before = output.read_bytes()
    add_line(feedback, entry(2, review="accept"))
    status, out, err = call("--output", output)
    assert (status, out) == (2, "") and "there already" in err and output.read_bytes() == before
    assert call("--output", output, "--force")[0] == 0
    assert len(read_examples(output)) == 2


def test_nothing_accepted_writes_nothing(call, feedback, tmp_path):
    write(feedback, entry(1))
    status, out, err = call()
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert err.startswith("sqlfocus: error: no training row is left (not reviewed yet: 1); nothing was written.")
    assert not (tmp_path / "data").exists()
    assert call("--feedback-file", "gone.jsonl")[2].startswith("sqlfocus: error: gone.jsonl: no such file")


def test_an_entry_is_shown_with_what_a_reviewer_should_know(call, feedback):
    write(
        feedback,
        entry(1, verdict="wrong", corrected_sql="SELECT name\nFROM singer", evidence="a hint"),
        entry(2, question="Who?\x1b[2J", sql_query="SELECT * FROM staff"),
        entry(3, verdict="wrong"),
        entry(4, review="reject"),
        {"neither": "one nor the other"},
    )
    status, out, err = call("--review", typed="q\n")
    assert status == 0 and err == 'warning: output/feedback.jsonl:5: there is no text in "id"\n'
    assert out == (
        "not shown 1: no SQL that would be right\n"
        "\n"
        "2 left · music (sqlite) · 2026-11-26T01:00:00+00:00 · judged wrong\n"
        "Question   Which singer is number 1?\n"
        "Hint       a hint\n"
        "Answer     SELECT name FROM singer WHERE id = 1\n"
        "Corrected  SELECT name\n"
        "           FROM singer\n"
        "accept, reject, skip, quit [a/r/s/q]? "
        "0 accepted, 0 rejected, 0 skipped, 2 left. `sqlfocus prepare feedback` makes training rows of the accepted.\n"
    )
    out = call("--review", typed="s\ns\n")[1]
    assert "Question   Who?\\x1b[2J\n" in out and "Refused    there is no table staff; there are singer\n" in out
    assert reviewed(feedback) == ["", "", "", "reject"]


def test_entries_that_contradict_each_other_come_up_again(call, feedback):
    asked = {"question": "How many?", "review": "accept"}
    write(
        feedback,
        entry(1, sql_query="SELECT count(*) FROM singer", **asked),
        entry(2, sql_query="SELECT count(id) FROM singer", **asked),
    )
    out = call("--review", typed="r\n")[1]
    assert "Accepted   SELECT count(id) FROM singer\n           (for the same question, output/feedback.jsonl:2)" in out
    # With the first rejected, nothing contradicts the second.
    assert reviewed(feedback) == ["reject", "accept"] and "1 rejected, 0 skipped. " in out


def test_what_comes_in_during_the_review_is_shown_too_and_stays(call, feedback, monkeypatch):
    write(feedback, entry(1))
    answers = iter(["accept", "reject", "accept"])

    def typed(_prompt):
        if len(reviewed(feedback)) < 3:
            add_line(feedback, entry(len(reviewed(feedback)) + 1))
        return next(answers)

    monkeypatch.setattr("builtins.input", typed)
    assert "2 accepted, 1 rejected" in call("--review")[1]
    assert reviewed(feedback) == ["accept", "reject", "accept"]


def test_what_was_decided_before_ctrl_c_is_kept(call, feedback, monkeypatch):
    write(feedback, entry(1), entry(2))
    answers = iter(["a"])

    def typed(_prompt):
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", typed)
    assert call("--review")[0] == 130
    assert reviewed(feedback) == ["accept", ""]
