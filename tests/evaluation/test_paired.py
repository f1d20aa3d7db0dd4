"""How far apart two models are: against published values, a bootstrap, and what must hold for all counts."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfocus.evaluation.paired import Paired, pair


@st.composite
def counts(draw):
    questions = draw(st.integers(1, 400))
    gained = draw(st.integers(0, questions))
    return Paired(gained, draw(st.integers(0, questions - gained)), questions)


def test_published_values():
    # Response before and after consolidation therapy (Cavo et al., 2012): 59, 6, 16, 80. Interval and test as the R
    # package contingencytables has them, which goes with Fagerland, Lydersen and Laake's book of 2017.
    found = Paired(gained=6, lost=16, questions=161)
    assert found.difference == pytest.approx(-0.0621, abs=5e-5)
    assert found.interval() == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert found.p == pytest.approx(0.052479, abs=5e-7)


def test_without_a_question_that_differs_it_is_the_closed_form():
    # The score is then n d / √(n d (1 − d)) for d > 0, which is z where d = z² / (n + z²).
    z = 1.959964
    for questions in (5, 100, 1034):
        end = z * z / (questions + z * z)
        assert Paired(0, 0, questions).interval() == pytest.approx((-end, end), rel=1e-5)


@settings(deadline=None)
@given(counts())
def test_the_interval_has_the_difference_and_lies_within_the_possible(found):
    low, high = found.interval()
    assert -1 <= low <= found.difference <= high <= 1
    assert low < high


@settings(deadline=None)
@given(counts())
def test_swapping_the_two_turns_the_sign(found):
    other = Paired(found.lost, found.gained, found.questions)
    low, high = found.interval()
    assert other.interval() == pytest.approx((-high, -low), abs=1e-9)
    assert other.p == found.p


@settings(deadline=None)
@given(counts())
def test_a_higher_level_is_a_wider_interval(found):
    (low, high), (lower, higher) = found.interval(0.9), found.interval(0.99)
    assert lower <= low
    assert high <= higher


@settings(deadline=None)
@given(counts())
def test_p_is_a_probability_and_one_for_an_even_split(found):
    assert 0 < found.p <= 1
    assert Paired(found.gained, found.gained, 2 * found.questions).p == 1


def test_a_bootstrap_agrees():
    found = Paired(gained=20, lost=40, questions=600)
    outcomes = [1] * 20 + [-1] * 40 + [0] * 540
    dice = random.Random(0)
    drawn = sorted(sum(dice.choices(outcomes, k=600)) / 600 for _ in range(4000))
    assert found.interval() == pytest.approx((drawn[100], drawn[3899]), abs=0.004)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # Few questions differ, as between a model and its quantized copy, where simpler intervals fail.
    gained, lost, questions = 0.01, 0.03, 300
    dice = random.Random(1)
    covered = 0
    for _ in range(2000):
        drawn = [dice.random() for _ in range(questions)]
        found = Paired(sum(one < gained for one in drawn), sum(one > 1 - lost for one in drawn), questions)
        low, high = found.interval()
        covered += low <= gained - lost <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_questions_for_a_loss_find_it_four_times_in_five():
    asked = Paired(gained=6, lost=18, questions=300)
    loss, differing = 0.03, 24 / 300
    questions = asked.questions_for(loss)
    dice = random.Random(2)
    better, worse = (differing - loss) / 2, (differing + loss) / 2
    seen = 0
    for _ in range(400):
        drawn = [dice.random() for _ in range(questions)]
        found = Paired(sum(one < better for one in drawn), sum(one > 1 - worse for one in drawn), questions)
        seen += found.interval()[1] < 0
    assert seen / 400 == pytest.approx(0.8, abs=0.06)


def test_fewer_differing_questions_need_fewer_in_all():
    assert Paired(1, 1, 300).questions_for(0.01) < Paired(9, 10, 300).questions_for(0.01)
    assert math.isfinite(Paired(0, 0, 0).questions_for(0.01))


def test_verdicts_are_counted_in_pairs():
    assert pair([True, True, False, False], [True, False, True, False]) == Paired(1, 1, 4)
    with pytest.raises(ValueError, match="longer"):
        pair([True], [True, False])
