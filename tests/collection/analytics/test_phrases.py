"""Figures in words."""

from __future__ import annotations

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
