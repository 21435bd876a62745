"""Figures in words."""

from __future__ import annotations

import pytest

from collection.analytics.phrases import alike

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
