"""How work is spread and how writers differ, against cases worked by hand and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from collection.analytics.writer_effects import (
    effective_number,
    funnel,
    gini,
    intraclass_correlation,
    practice,
    top_share,
    without_each,
)


def test_concentration_is_the_case_worked_by_hand() -> None:
    # Differences of 1, 2, 3, 4: mean over all 16 pairs 20/16, over twice the mean 2.5 gives 0.25.
    counts = np.array([3.0, 1, 4, 2])
    assert gini(counts) == pytest.approx(0.25)
    assert effective_number(counts) == pytest.approx(100 / 30)
    assert top_share(counts, 1) == pytest.approx(0.4)
    assert top_share(counts, 2) == pytest.approx(0.7)


@given(st.integers(1, 50), st.integers(1, 100))
def test_equal_work_is_not_concentrated(writers: int, texts: int) -> None:
    counts = np.full(writers, float(texts))
    assert gini(counts) == pytest.approx(0, abs=1e-9)
    assert effective_number(counts) == pytest.approx(writers)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_concentration_stays_within_its_bounds(counts: list[int]) -> None:
    values = np.array(counts, dtype=float)
    assert -1e-9 <= gini(values) < 1
    assert 1 - 1e-9 <= effective_number(values) <= len(counts) + 1e-9


def _anova_correlation(groups: list[list[float]]) -> float:
    """The textbook's one-way estimator (Ridout, Demétrio & Firth 1999)."""
    sizes, values = np.array([len(group) for group in groups]), np.concatenate(groups)
    means = np.array([np.mean(group) for group in groups])
    between = np.sum(sizes * (means - values.mean()) ** 2) / (len(groups) - 1)
    within = sum(np.sum((group - np.mean(group)) ** 2) for group in groups) / (len(values) - len(groups))
    size = (len(values) - np.sum(sizes**2) / len(values)) / (len(groups) - 1)
    return float((between - within) / (between + (size - 1) * within))


def test_within_one_round_the_correlation_is_the_anova_estimator() -> None:
    groups = [[1.0, 1, 1, 0], [0.0, 0, 1], [1.0, 1], [0.0, 0, 0, 0, 1]]
    codes = np.repeat(np.arange(4), [4, 3, 2, 5])
    found = intraclass_correlation(np.concatenate(groups), codes, np.zeros(14, dtype=int))
    assert found.value == pytest.approx(_anova_correlation(groups))
    assert found.low is not None
    assert found.low <= (found.value or 0) <= (found.high or 0)


@pytest.mark.parametrize("nested", [False, True])
def test_simulated_differences_between_writers_are_found_whatever_the_rounds_do(nested: bool) -> None:
    random = np.random.default_rng(5)
    found = []
    for _ in range(60):
        chances = random.beta(0.3 * 9, 0.7 * 9, 40)  # a correlation of 0.1
        writers = np.repeat(np.arange(40), random.integers(5, 40, 40))
        rounds = writers % 4 if nested else random.integers(0, 4, len(writers))
        level = np.array([-0.12, -0.04, 0.04, 0.12])[rounds]
        happened = random.random(len(writers)) < np.clip(chances[writers] + level, 0, 1)
        found.append(intraclass_correlation(happened.astype(float), writers, rounds).value)
    assert np.mean(found) == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize(
    ("happened", "writers", "rounds"),
    [
        ([], [], []),
        ([1, 0, 1], [0, 0, 0], [0, 0, 1]),
        ([1, 0, 1], [0, 1, 2], [0, 0, 0]),
        ([1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]),
        ([1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]),
        ([1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]),
    ],
)
def test_what_cannot_tell_writers_apart_has_a_limit(happened: list[int], writers: list[int], rounds: list[int]) -> None:
    found = intraclass_correlation(
        np.array(happened, dtype=float), np.array(writers, dtype=int), np.array(rounds, dtype=int)
    )
    assert found.value is None
    assert found.limit


@pytest.mark.parametrize("each", [10, 20])
def test_writers_who_differ_less_than_by_chance_have_no_interval_of_no_width(each: int) -> None:
    happened, writers = np.tile([0.0, 1.0], 2 * each), np.repeat(np.arange(4), each)
    found = intraclass_correlation(happened, writers, np.zeros(4 * each, dtype=int))
    assert (found.n, found.value, found.low, found.high, found.method) == (4, 0, None, None, "")
    assert found.limit == "writers differ less than chance alone would make them: no interval"


@pytest.mark.parametrize("writers", [2, 3, 5, 7, 12])
@pytest.mark.parametrize("outcome", [0.0, 1.0])
@pytest.mark.parametrize("again", [(0.0, 1.0), (1.0, 0.0, 1.0)])
def test_single_texts_beside_one_writer_s_several_do_not_tell_writers_apart(
    writers: int, outcome: float, again: tuple[float, ...]
) -> None:
    happened = np.array([outcome] * writers + list(again))
    found = intraclass_correlation(
        happened,
        np.array([*range(writers), *[0] * len(again)]),
        np.array([0] * writers + [1] * len(again)),
    )
    assert (found.n, found.value, found.low) == (writers, None, None)
    assert found.limit == "not enough data: hardly any writer wrote two texts in a round"


def test_leaving_out_a_writer_is_the_share_of_the_others() -> None:
    happened, writers = np.array([1.0, 0, 1, 1, 0]), np.array([7, 7, 2, 2, 9])
    assert without_each(happened, writers).tolist() == pytest.approx([1 / 3, 2 / 3, 3 / 4])
    assert np.isnan(without_each(np.ones(2), np.zeros(2, dtype=int))).all()


def test_funnel_leaves_out_at_most_a_fortieth_on_each_side() -> None:
    n = np.array([1.0, 5, 20, 200])
    low, high = funnel(0.3, n)
    assert (low[0], high[0]) == (0, 1)
    for size, below, above in zip(n, low, high, strict=True):
        assert binom.cdf(round(below * size) - 1, size, 0.3) <= 0.025
        assert binom.sf(round(above * size), size, 0.3) <= 0.025
    assert (np.diff(high - low) < 0).all()


def test_practice_is_found_where_there_is_some_and_not_made_of_better_writers_who_write_more() -> None:
    random = np.random.default_rng(8)
    sizes = np.arange(10, 50)
    writers = np.repeat(np.arange(40), sizes)
    ordinals = np.concatenate([np.arange(1, size + 1) for size in sizes]).astype(float)
    better = 0.1 + 0.01 * np.arange(40)[writers]
    none = practice((random.random(len(writers)) < better).astype(float), ordinals, writers, writers)
    some = practice(
        (random.random(len(writers)) < 0.1 + 0.08 * np.log2(ordinals)).astype(float), ordinals, writers, writers
    )
    assert none.low is not None
    assert some.low is not None
    assert none.low <= 0 <= (none.high or 0)
    assert 0 < some.low <= 0.08 <= (some.high or 0)


def test_practice_needs_writers_with_several_texts() -> None:
    each = np.arange(4)
    assert practice(np.ones(4), np.ones(4), each, each).value is None
    assert practice(np.array([]), np.array([]), each[:0], each[:0]).value is None


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_practice_says_that_all_outcomes_were_alike(outcome: float) -> None:
    writers = np.repeat(np.arange(6), 10)
    found = practice(np.full(60, outcome), np.tile(np.arange(1.0, 11), 6), writers, writers)
    assert (found.n, found.value, found.limit) == (60, None, "not enough data: all texts had the same outcome")


def test_practice_says_that_each_writers_outcomes_were_alike_in_a_round() -> None:
    writers = np.repeat(np.arange(6), 10)
    found = practice((writers % 2).astype(float), np.tile(np.arange(1.0, 11), 6), writers, writers)
    assert found.limit == "not enough data: the texts of each writer had all the same outcome in a round"


def test_practice_of_writers_who_change_in_just_the_same_way_has_no_spread() -> None:
    writers = np.repeat(np.arange(6), 10)
    found = practice(np.tile([0.0] * 5 + [1.0] * 5, 6), np.tile(np.arange(1.0, 11), 6), writers, writers)
    assert found.value is None
    assert found.limit == "not enough data: the spread between writers cannot be told"
