import pytest

from sqlfocus.inference import drafts
from sqlfocus.inference.drafts import Followers, History, draft


def followers(*sequences):
    made = Followers()
    for sequence in sequences:
        made.add(sequence)
    return made


def test_the_longest_context_has_its_say_and_leaves_the_rest_to_shorter_ones():
    made = followers([1, 2, 3], [1, 2, 3], [9, 2, 4], [9, 2, 4], [9, 2, 4])
    assert made.likely([2]) == {3: 2 / 7, 4: 3 / 7}
    assert made.likely([1, 2]) == pytest.approx({3: 2 / 3 + 1 / 3 * 2 / 7, 4: 1 / 3 * 3 / 7})
    assert made.likely([7, 2]) == made.likely([2])
    assert made.likely([8]) == {}
    assert made.likely([]) == {}


def test_a_draft_ends_where_it_is_no_longer_likely():
    made = followers([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 5])
    # 2 after 1 with 0.75, then 3 with 0.94, then 4 with 0.62; each trusted to 0.9.
    assert draft([1], [made], least=0.25, most=16) == [2, 3, 4]
    assert draft([1], [made], least=0.5, most=16) == [2, 3]
    assert draft([1], [made], least=0.6, most=16) == [2]
    assert draft([1], [made], least=0.7, most=16) == []
    assert draft([1], [made], least=0.1, most=1) == [2]
    assert draft([5], [made], least=0.1, most=16) == []


def test_the_surer_of_several_sources_says_what_follows():
    rare, common = followers([1, 2]), followers([1, 3], [1, 3], [3, 4])
    assert draft([1], [rare, common], least=0.1, most=2) == [3, 4]
    assert draft([1], [rare], least=0.1, most=2) == [2]


def test_an_old_answer_is_forgotten(monkeypatch):
    monkeypatch.setattr(drafts, "ANSWERS_KEPT", 2)
    history = History()
    for answer in ([1, 10], [1, 11], [1, 12], [1, 12]):
        history.add(answer)
    assert history.followers.likely([1]) == {12: 2 / 3}
