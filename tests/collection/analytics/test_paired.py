"""McNemar, Holm, areas and crossovers, against statsmodels, numpy and cases worked by hand."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy.integrate import trapezoid
from statsmodels.stats.contingency_tables import mcnemar as reference
from statsmodels.stats.multitest import multipletests

from collection.analytics.paired import McNemar, crossover, holm, mcnemar, mean_height


@pytest.mark.parametrize(("one", "other"), [(1, 0), (1, 1), (2, 2), (5, 5), (5, 6), (12, 4), (3, 20)])
def test_mcnemar_is_that_of_statsmodels_and_mid_p_counts_outcomes_as_extreme_by_half(one: int, other: int) -> None:
    first = np.array([True] * one + [False] * other + [True] * 10)
    second = np.array([False] * one + [True] * other + [True] * 10)
    found, count = mcnemar(first, second), one + other
    assert (found.first_only, found.second_only) == (one, other)
    assert found.exact == pytest.approx(reference([[10, one], [other, 0]], exact=True).pvalue)
    # Of all ways that rows could have fallen: those that part the sides more, and half of those that part them as much.
    apart = [(abs(2 * at - count), comb(count, at)) for at in range(count + 1)]
    more = sum(ways for distance, ways in apart if distance > abs(one - other))
    as_much = sum(ways for distance, ways in apart if distance == abs(one - other))
    assert found.mid_p == pytest.approx((more + as_much / 2) / 2**count)


@pytest.mark.parametrize(("each", "published"), [(1, 0.75), (2, 0.8125), (5, 0.876953125)])
def test_the_mid_p_of_equal_counts_is_one_less_half_the_chance_of_them(each: int, published: float) -> None:
    first = np.array([True] * each + [False] * each)
    assert mcnemar(first, ~first).mid_p == pytest.approx(published)


def test_versions_that_are_right_on_the_same_rows_have_a_p_of_one() -> None:
    same = np.array([True, False, True])
    assert mcnemar(same, same) == McNemar(0, 0, 1.0, 1.0)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_holm_is_that_of_statsmodels() -> None:
    p_values = np.random.default_rng(0).random(40) ** 3
    assert holm(p_values.tolist()) == multipletests(p_values, method="holm")[1].tolist()


def test_the_mean_height_is_the_trapezoid_over_the_width() -> None:
    x, y = np.array([0.0, 10.0, 40.0]), np.array([0.5, 0.7, 0.8])
    assert mean_height(x, 0, 40) @ y == pytest.approx(trapezoid(y, x) / 40)
    # From 5 (0.6) over 10 (0.7) to 25 (0.75): 3.25 + 10.875 over 20.
    assert mean_height(x, 5, 25) @ y == pytest.approx(14.125 / 20)
    assert mean_height(x, 2, 33).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="range"):
        mean_height(x, 0, 50)


def test_the_round_of_overtaking_is_the_first_of_a_lead_that_lasts() -> None:
    differences = np.array([-0.05, 0.01, -0.02, 0.03, 0.06])
    found = crossover([1, 2, 3, 5, 6], differences, np.tile(differences, (50, 1)))
    assert (found.overtakes, found.round.value, found.round.low, found.round.high) == (1, 5, 5, 5)
    assert found.share == 1
    assert found.round.limit == "every draw gave the same round: draws do not tell how far it could be another"
    other = crossover([1, 2, 3, 5, 6], -differences, np.tile(-differences, (50, 1)))
    assert (other.overtakes, other.round.value) == (-1, 5)


def test_no_crossover_is_said_and_a_doubtful_one_is_open() -> None:
    led = crossover([1, 2], np.array([0.1, 0.2]), np.full((9, 2), 0.1))
    assert (led.overtakes, led.round.limit) == (0, "not enough data: no crossover seen")
    draws = np.concatenate([np.tile([-0.1, 0.1], (50, 1)), np.tile([-0.1, -0.1], (50, 1)), np.full((50, 2), 0.1)])
    doubtful = crossover([1, 2], np.array([-0.1, 0.1]), draws)
    assert (doubtful.round.value, doubtful.round.low, doubtful.round.high) == (2, 1, None)
    assert doubtful.share == pytest.approx(1 / 3)
    assert "no upper end" in doubtful.round.limit
    assert crossover([], np.zeros(0), np.zeros((9, 0))).overtakes == 0
