"""Clustered intervals, against statsmodels, by hand, and by how often they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t as student

from collection.analytics.metrics import Estimate
from collection.analytics.metrics import share as wilson
from collection.analytics.quality.clustered import clearly_apart, difference, jackknife, mean, share


def _interval(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


def _values(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    context, writer = random.integers(0, 20, 400), random.integers(0, 25, 400)
    noise = random.normal(0, 1, 400)
    return random.normal(0, 1, 20)[context] + random.normal(0, 1, 25)[writer] + noise, context, writer


def test_one_clustering_is_that_of_statsmodels() -> None:
    values, context, _ = _values(0)
    fit = sm.OLS(values, np.ones(400)).fit(
        cov_type="cluster", cov_kwds={"groups": context, "use_correction": False}, use_t=True
    )
    half = float(fit.bse[0]) * (20 / 19) ** 0.5 * student.ppf(0.975, 19)
    assert _interval(mean(values, [context])) == pytest.approx((values.mean() - half, values.mean() + half))


def test_two_clusterings_are_the_sum_less_their_crossing() -> None:
    values, context, writer = _values(1)
    both = context * 25 + writer

    def variance(codes: np.ndarray) -> float:
        sums = pd.Series(values - values.mean()).groupby(codes).sum()
        return float((sums**2).sum()) / 400**2 * len(sums) / (len(sums) - 1)

    half = (variance(context) + variance(writer) - variance(both)) ** 0.5 * student.ppf(0.975, 19)
    assert _interval(mean(values, [context, writer])) == pytest.approx((values.mean() - half, values.mean() + half))


def test_a_mean_of_contexts_and_writers_is_covered_nineteen_times_of_twenty() -> None:
    found = [_interval(mean(values, [context, writer])) for values, context, writer in map(_values, range(400))]
    assert 0.92 <= np.mean([low <= 0 <= high for low, high in found]) <= 0.98


def test_unknown_values_are_left_out_and_order_and_names_do_not_matter() -> None:
    values, context, writer = _values(2)
    expected = mean(values, [context, writer])
    order = np.random.default_rng(0).permutation(400)
    longer = np.append(values[order], np.nan)
    names = [np.append([f"x{item}" for item in codes[order]], "new") for codes in (context, writer)]
    found = mean(longer, names)
    assert found.n == 400
    assert (found.value, *_interval(found)) == pytest.approx((expected.value, *_interval(expected)))


def test_a_share_of_unclustered_rows_is_near_wilson_s() -> None:
    hits = np.arange(1000) % 4 == 0
    found, expected = share(hits, [np.arange(1000)]), wilson(250, 1000)
    assert _interval(found) == pytest.approx(_interval(expected), abs=1e-3)


def test_clusters_that_are_all_alike_count_as_one_row_each() -> None:
    codes = np.repeat(np.arange(10), 50)
    found = share((codes % 2).astype(float), [codes])
    low, high = _interval(found)
    assert low < 0.25
    assert high > 0.75


def test_a_share_without_any_has_an_interval_and_says_what_it_rests_on() -> None:
    found = share(np.zeros(50), [np.arange(50) % 5])
    assert found.value == found.low == 0
    assert 0 < (found.high or 0) < 0.2
    assert "independent" in found.limit


def test_a_difference_is_that_of_two_means() -> None:
    hits, of = np.array([1, 1, 1, 0, 0, 0, 1, 0]), np.array([1, 1, 1, 1, 0, 0, 0, 0]) == 1
    found = difference(hits, of, [np.arange(8)])
    assert found.value == pytest.approx(0.5)
    low, high = _interval(found)
    assert -1 <= low < 0.5 < high <= 1


@pytest.mark.parametrize("of", [np.zeros(4, dtype=bool), np.ones(4, dtype=bool)])
def test_a_difference_from_nothing_is_missing(of: np.ndarray) -> None:
    assert difference(np.array([1, 0, 1, 0]), of, [np.arange(4)]).value is None


def test_rows_that_are_all_alike_have_no_interval_of_their_difference() -> None:
    found = difference(np.zeros(6), np.arange(6) < 3, [np.arange(6)])
    assert (found.value, found.low) == (0, None)


def test_two_texts_against_two_are_no_sure_difference_however_far_apart() -> None:
    found = difference([1, 1, 0, 0], np.array([1, 1, 0, 0]) == 1, [np.arange(4), np.arange(4)])
    low, high = _interval(found)
    assert (found.value, high) == (1.0, 1.0)
    assert low < 0
    assert "independent" in found.limit


def test_shares_of_none_and_all_have_newcombe_s_interval() -> None:
    hits, of = np.repeat([1, 0], [30, 40]), np.repeat([True, False], [30, 40])
    low, high = _interval(difference(hits, of, [np.arange(70)]))
    one, other = share(np.ones(30), [np.arange(30)]), share(np.zeros(40), [np.arange(40)])
    assert low == pytest.approx(1 - ((1 - (one.low or 0)) ** 2 + (other.high or 0) ** 2) ** 0.5)
    assert high == 1
    assert low > 0
    turned = difference(1 - hits, of, [np.arange(70)])
    assert _interval(turned) == pytest.approx((-1, -low))


def test_a_side_of_one_text_has_no_interval_of_its_difference() -> None:
    found = difference([1, 0, 0], np.array([True, False, False]), [np.arange(3)])
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert found.limit


@pytest.mark.parametrize("value", [7.0, 0.1, 1 / 3])
def test_what_is_alike_has_no_interval_and_is_not_apart_from_anything(value: float) -> None:
    alike = mean(np.full(40, value), [np.arange(40) % 7, np.arange(40) % 5])
    assert (alike.value, alike.low, alike.high) == (pytest.approx(value), None, None)
    assert alike.limit.startswith("all are alike in this: ")
    assert jackknife(40, value, np.full(7, value)).limit == alike.limit
    assert not clearly_apart(alike, mean(np.full(40, value + 5), [np.arange(40)]))


def test_nothing_and_a_single_cluster_are_said() -> None:
    assert mean([], [[]], "why").limit == "not enough data: why"
    assert share([np.nan], [["a"]]).value is None
    alone = mean([1.0, 2.0], [["a", "a"], ["w", "w"]])
    assert (alone.value, alone.low) == (1.5, None)
    assert "one writer" in alone.limit
    assert jackknife(5, 2.0, np.array([])).low is None


def test_an_interval_of_one_writer_or_one_context_says_whom_it_is_not_about() -> None:
    random = np.random.default_rng(0)
    values, several, one = random.random(40), np.arange(40) % 8, np.full(40, "w")
    hits, of = (values > 0.5).astype(float), np.arange(40) % 2 == 0
    of_one_writer = "all examples are of one writer: the interval is not about other writers"
    for found in (mean(values, [several, one]), share(hits, [several, one]), difference(hits, of, [several, one])):
        assert found.low is not None
        assert found.limit == of_one_writer
    assert mean(values, [one, several]).limit == of_one_writer.replace("writer", "context")
    assert mean(values, [several, several]).limit == ""
    assert mean(values, [np.full(40, ""), several]).limit == "", "a task without contexts lacks none"
    none = share(np.zeros(40), [several, one])
    assert none.limit.startswith("all examples are alike")
    assert none.limit.endswith(of_one_writer)
    known = np.where(several == 0, values, np.nan)
    assert "one context" in mean(known, [several, np.arange(40)]).limit


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0])
    without = np.array([np.delete(values, index).mean() for index in range(4)])
    half = values.std(ddof=1) / 2 * student.ppf(0.975, 3)
    low, high = _interval(jackknife(4, float(values.mean()), without))
    assert high == pytest.approx(values.mean() + half)
    assert low == pytest.approx(max(0, values.mean() - half))


def test_intervals_that_touch_are_not_apart() -> None:
    one, other = Estimate(1, 1, 0.5, 2, ""), Estimate(1, 3, 2, 4, "")
    assert not clearly_apart(one, other)
    assert clearly_apart(one, Estimate(1, 3, 2.1, 4, ""))
    assert not clearly_apart(one, Estimate(1, 3, None, None, ""))
