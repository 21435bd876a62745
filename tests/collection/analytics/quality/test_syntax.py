"""Mean dependency distance of trees made by hand, and of the parser's where it is installed."""

from __future__ import annotations

import pytest

from collection.analytics.quality.syntax import distances, mean_dependency_distance, parser


def test_distance_of_a_known_tree() -> None:
    # Liu (2008), "The boy holds an apple": the→boy 1, boy→holds 1, an→apple 1, apple→holds 2.
    assert mean_dependency_distance([1, 2, 2, 4, 2], [False] * 5) == pytest.approx(5 / 4)


def test_punctuation_is_neither_counted_nor_walked_over() -> None:
    # "He , she sees ." with "He" and "she" under "sees".
    assert mean_dependency_distance([3, 3, 3, 3, 3], [False, True, False, False, True]) == pytest.approx((2 + 1) / 2)


def test_two_sentences_have_no_distance_between_them() -> None:
    assert mean_dependency_distance([1, 1, 3, 3], [False] * 4) == pytest.approx(1)


@pytest.mark.parametrize(("heads", "left_out"), [([], []), ([0], [False]), ([0, 0], [False, True])])
def test_a_text_without_dependencies_has_no_distance(heads: list[int], left_out: list[bool]) -> None:
    assert mean_dependency_distance(heads, left_out) is None


@pytest.mark.skipif(not parser(), reason="the extra “syntax” is not installed")
def test_a_clause_inside_makes_sentences_more_complex() -> None:
    plain, nested, nothing = distances(["The man saw the dog.", "The man who lives next door saw the dog.", ""])
    assert plain is not None
    assert nested is not None
    assert nested > plain
    assert nothing is None
