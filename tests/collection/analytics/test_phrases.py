"""Figures in words."""

from __future__ import annotations

import pytest

from collection.analytics.metrics import Estimate, missing
from collection.analytics.phrases import alike, figure, percent, points

ARMS = ("static", "non-static", "dynamic")


def test_what_is_said_alike_of_several_arms_is_one_sentence() -> None:
    said = [
        "We cannot tell how static ends.",
        "We cannot tell how non-static ends.",
        "We cannot tell how dynamic ends.",
    ]
    assert alike(said[:2], ARMS) == ["We cannot tell how static and non-static ends."]
    assert alike(said, ARMS) == ["We cannot tell how static, non-static and dynamic ends."]


def test_sentences_that_differ_in_more_than_the_arm_stay_in_their_order() -> None:
    said = [
        "static won 3.",
        "On plain we know nothing.",
        "dynamic won 4.",
        "dynamic beat static.",
        "static beat dynamic.",
    ]
    assert alike(said, ARMS) == said


def test_a_sentence_about_no_arm_is_said_once() -> None:
    assert alike(["Read with care.", "static won.", "Read with care."], ARMS) == ["Read with care.", "static won."]
    assert alike(["Nobody wrote."], ()) == ["Nobody wrote."]


@pytest.mark.parametrize(
    "sentence",
    [
        "In the arm {}, 0% of 60 texts fooled the model.",
        "We cannot tell whether {} helps: 12 % did.",
        "We cannot tell whether {} helps in 60 texts.",
        "We cannot tell whether {} helps by 2 percentage points.",
        "{} is made of the errors of one model.",
        "In {} texts give labels away.",
    ],
)
def test_sentences_with_figures_or_claims_are_never_folded(sentence: str) -> None:
    said = [sentence.format(arm) for arm in ARMS]
    assert alike(said, ARMS) == said


def test_a_sentence_that_may_be_about_a_test_set_is_not_folded() -> None:
    said = ["static: we cannot tell.", "non-static: we cannot tell.", "dynamic: we cannot tell."]
    assert alike(said, ARMS, ["errors of static"]) == [
        "static: we cannot tell.",
        "non-static and dynamic: we cannot tell.",
    ]
    assert alike(said, ARMS, ["plain"]) == ["static, non-static and dynamic: we cannot tell."]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        ((0.26, 0.12, 0.38), "26% (95% interval 12% to 38%)"),
        ((0.008, 0.001, 0.03), "0.8% (95% interval 0.1% to 3.0%)"),
        ((0.5, 0.002, 0.9), "50% (95% interval <1% to 90%)"),
        ((0.0, 0.0, 0.2), "0% (95% interval 0% to 20%)"),
        ((0.3, 0.1, None), "30% (95% interval 10% to no limit)"),
        ((0.3, None, None), "30% (no interval can be given)"),
    ],
)
def test_a_share_in_a_sentence_has_the_digits_that_its_interval_bears(share: tuple[float, ...], said: str) -> None:
    assert percent(Estimate(9, *share)) == said


def test_a_clear_effect_never_reads_as_if_its_interval_held_zero() -> None:
    assert points(Estimate(9, 0.0004, 0.0001, 0.0007)) == "+0.040 percentage points (95% interval +0.010 to +0.070)"
    assert points(Estimate(9, 0.0, -0.1, 0.1)) == "0.0 percentage points (95% interval -10.0 to +10.0)"
    assert points(Estimate(9, 0.01, 0.0003, 0.1)) == "+1.0 percentage points (95% interval <+0.1 to +10.0)"
    assert points(Estimate(9, -0.01, -0.1, -0.0003)) == "-1.0 percentage points (95% interval -10.0 to >-0.1)"


def test_figures_have_their_unit_and_nothing_is_said_of_those_that_are_missing() -> None:
    assert figure(Estimate(9, 90.0, 60.0, 150.0), " min", 1, times=1 / 60) == (
        "1.5 min (95% interval 1.0 min to 2.5 min)"
    )
    assert figure(Estimate(9, 1234.0, 1000.0, 2000.0)) == "1,234 (95% interval 1,000 to 2,000)"
    assert [told(missing(0, "why")) for told in (figure, percent, points)] == ["", "", ""]
