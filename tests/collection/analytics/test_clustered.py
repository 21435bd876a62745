"""Intervals from clusters, against statsmodels, SciPy and Wilson's own."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import quantile_test, t

from collection.analytics.clustered import (
    Clusters,
    Spread,
    amount_per_event,
    crossed,
    leave_one_out,
    median,
    medians,
    ratio,
    share,
    slope,
)
from collection.analytics.metrics import share as wilson


def _clustered(seed: int = 0, clusters: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Hits of unequally many rows a cluster, and their clusters."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(clusters), random.integers(3, 40, clusters))
    return (random.random(len(codes)) < random.beta(3, 7, clusters)[codes]).astype(float), codes


def test_variance_of_a_mean_is_cr2_and_degrees_of_freedom_are_bell_and_mccaffreys() -> None:
    hits, codes = _clustered()
    n, clusters = len(hits), codes.max() + 1
    # By matrices (Pustejovsky & Tipton 2018): the adjustment (I - H)^(-1/2) of each cluster, identity working variance.
    residual_maker = np.eye(n) - np.full((n, n), 1 / n)
    residuals, columns, variance = hits - hits.mean(), [], 0.0
    for cluster in range(clusters):
        own = codes == cluster
        roots, axes = np.linalg.eigh(residual_maker[np.ix_(own, own)])
        adjusted = (axes / np.sqrt(roots)) @ axes.T @ np.full(own.sum(), 1 / n)
        variance += float(adjusted @ residuals[own]) ** 2
        columns.append(residual_maker[:, own] @ adjusted)
    gram = np.array(columns) @ np.array(columns).T
    sums = np.column_stack([np.bincount(codes, hits), np.bincount(codes)])
    spread = leave_one_out(sums, sums[:, 1], lambda each: each[..., 0] / each[..., 1])
    assert spread is not None
    assert spread.variance == pytest.approx(variance)
    assert spread.df == pytest.approx(np.trace(gram) ** 2 / np.sum(gram**2))


def test_equal_clusters_give_the_jackknife_with_one_degree_of_freedom_less_than_clusters() -> None:
    sums = np.array([[3.0, 10], [5, 10], [2, 10], [7, 10]])
    spread = leave_one_out(sums, sums[:, 1], lambda each: each[..., 0] / each[..., 1])
    assert spread is not None
    assert spread.df == pytest.approx(3)
    assert spread.variance == pytest.approx(np.var([0.3, 0.5, 0.2, 0.7], ddof=1) / 4)
    assert spread.interval() == pytest.approx(t.ppf(0.975, 3) * np.sqrt(spread.variance))


def test_with_independent_rows_the_clustered_interval_comes_to_wilsons() -> None:
    hits = (np.random.default_rng(1).random(40_000) < 0.2).astype(float)
    one, other = share(hits, {"writer": np.arange(40_000)}), wilson(int(hits.sum()), 40_000)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-4)


def test_writers_who_differ_widen_the_interval_of_a_share() -> None:
    hits, codes = np.repeat([1.0, 0, 1, 0, 0, 1], 30), np.repeat(np.arange(6), 30)
    clustered, independent = share(hits, {"writer": codes}), wilson(90, 180)
    assert (clustered.high or 0) - (clustered.low or 0) > 3 * ((independent.high or 0) - (independent.low or 0))
    assert "writer" in clustered.method


def test_contexts_that_differ_widen_the_interval_of_a_share_too() -> None:
    writers, contexts = (each.ravel() for each in np.indices((12, 8)))
    hits = np.random.default_rng(0).random(96) < np.linspace(0.05, 0.95, 8)[contexts]
    by_writer = share(hits.astype(float), {"writer": writers})
    by_both = share(hits.astype(float), {"writer": writers, "context": contexts})
    assert (by_both.high or 0) - (by_both.low or 0) > 2 * ((by_writer.high or 0) - (by_writer.low or 0))
    assert by_both.method == "clustered by writer and context (CR2, Wilson)"


def test_a_variance_over_two_crossed_kinds_is_that_of_multiway_clustering() -> None:
    rows = np.random.default_rng(3)
    writers, contexts = (each.ravel() for each in np.indices((20, 20)))
    values = rows.normal(size=20)[writers] + rows.normal(size=20)[contexts] + rows.normal(size=400)
    residuals = (values - values.mean()) / 400

    def variance(codes: np.ndarray) -> float:
        return float((np.bincount(codes, weights=residuals) ** 2).sum())

    expected = variance(writers) + variance(contexts) - variance(np.arange(400))
    columns = (values, np.ones(400))
    found = Clusters.single({"writer": writers, "context": contexts}).spreads(columns, 1, ratio)[0]
    assert found is not None
    # Both without their corrections for few clusters, which are 20 / 19 here.
    assert found.variance == pytest.approx(expected * 20 / 19, rel=0.01)


def test_with_few_contexts_an_interval_is_about_these_and_says_so() -> None:
    hits, codes = np.repeat([1.0, 0, 1, 0, 0, 1], 30), np.repeat(np.arange(6), 30)
    found, alone = share(hits, {"writer": codes, "context": np.arange(180) % 3}), share(hits, {"writer": codes})
    assert (found.low, found.high, found.method) == (alone.low, alone.high, alone.method)
    assert found.limit == "fewer than 5 contexts: the interval is about these alone"
    assert "fewer than 5 writers or contexts" in share(hits, {"writer": codes % 2, "context": codes % 3}).limit


def test_where_the_spread_over_one_of_two_kinds_cannot_be_told_there_is_none() -> None:
    spread = Spread(0.5, 0.01, 9.0)
    assert crossed(spread, None, None) is crossed(None, spread, spread) is None
    assert crossed(spread, spread, Spread(0.5, 0.019, 90.0)) == Spread(0.5, 0.01, 9.0)


def test_a_trend_from_one_writer_to_others_has_no_interval() -> None:
    random = np.random.default_rng(0)
    rounds, contexts = np.repeat([1.0, 2.0], 60), np.tile(np.arange(12), 10)
    writers = np.where(rounds == 1, 0, random.integers(1, 8, 120))
    found = slope(rounds, (random.random(120) < 0.5).astype(float), {"writer": writers, "context": contexts})
    assert found.value is not None
    assert (found.low, found.limit) == (None, "the spread between clusters cannot be told: no interval")


@pytest.mark.parametrize("writers", [1, 2, 4])
def test_few_writers_give_wilsons_interval_and_say_so(writers: int) -> None:
    hits = np.array([1.0, 0, 0, 1] * 5)
    found = share(hits, {"writer": np.arange(20) % writers})
    assert (found.low, found.high, found.method) == (wilson(10, 20).low, wilson(10, 20).high, "Wilson")
    assert "fewer than 5 writers" in found.limit


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_or_none_keep_an_interval_that_is_no_point(value: float) -> None:
    found = share(np.full(30, value), {"writer": np.arange(30) % 6})
    assert found.value == value
    assert (found.high or 0) - (found.low or 0) > 0.05
    assert "cannot be told" in found.limit


def test_no_rows_have_no_share() -> None:
    assert share(np.array([]), {"writer": np.array([], dtype=int)}).value is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_neither_the_order_of_rows_nor_the_names_of_clusters_matter(seed: int) -> None:
    hits, codes = _clustered(seed)
    order = np.random.default_rng(seed).permutation(len(hits))
    one, other = share(hits, {"writer": codes}), share(hits[order], {"writer": 100 - codes[order]})
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    assert one.low is not None
    assert one.high is not None
    assert 0 <= one.low <= (one.value or 0) <= one.high <= 1


def test_amount_per_event_is_total_over_total_within_a_positive_interval() -> None:
    hits, codes = _clustered()
    amounts = np.random.default_rng(2).gamma(2, 30, len(hits))
    found = amount_per_event(amounts, hits, {"writer": codes})
    assert found.value == pytest.approx(amounts.sum() / hits.sum())
    assert found.n == hits.sum()
    assert found.low is not None
    assert 0 < found.low < (found.value or 0) < (found.high or 0)


def test_a_writer_without_any_event_is_counted_with_what_was_spent() -> None:
    codes = np.repeat(np.arange(6), 10)
    events = ((np.arange(60) % 3 == 0) & (codes > 0)).astype(float)
    found = amount_per_event(np.full(60, 10.0), events, {"writer": codes})
    assert found.value == pytest.approx(600 / events.sum())
    assert found.high is not None


def test_an_amount_that_hangs_on_one_text_has_no_interval() -> None:
    amounts = np.ones(60)
    amounts[0] = 1e6
    found = amount_per_event(amounts, np.ones(60), {"writer": np.repeat(np.arange(6), 10), "context": np.arange(60)})
    assert found.value == pytest.approx(amounts.mean())
    assert (found.low, found.high, found.limit) == (None, None, "a few rows outweigh all others: no interval")


def test_amounts_without_events_or_without_spread_have_limits() -> None:
    codes = np.arange(6).repeat(2)
    assert amount_per_event(np.ones(12), np.zeros(12), {"writer": codes}).value is None
    alike = amount_per_event(np.ones(12), np.ones(12), {"writer": codes})
    assert (alike.value, alike.low) == (1, None)
    assert alike.limit
    nothing = amount_per_event(np.zeros(12), np.ones(12), {"writer": codes})
    assert (nothing.value, nothing.low) == (0, None)
    single = amount_per_event(np.ones(1), np.ones(1), {"writer": np.zeros(1, dtype=int)})
    assert (single.value, single.low) == (1, None)


def test_slope_is_that_of_least_squares_and_its_interval_near_the_clustered_one_of_statsmodels() -> None:
    random = np.random.default_rng(4)
    codes = np.repeat(np.arange(60), 20)
    x = random.integers(1, 8, 1200).astype(float)
    y = 0.1 * x + random.normal(0, 0.5, 60)[codes] + random.normal(size=1200)
    fit = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": codes})
    found = slope(x, y, {"writer": codes})
    assert found.value == pytest.approx(fit.params[1])
    assert found.high is not None
    half = found.high - (found.value or 0)
    assert half == pytest.approx(2 * fit.bse[1], rel=0.08)


def test_one_round_has_no_trend() -> None:
    assert slope(np.ones(20), np.arange(20.0), {"writer": np.arange(20)}).value is None
    assert slope(np.array([]), np.array([]), {"writer": np.array([], dtype=int)}).value is None


@pytest.mark.parametrize("n", [6, 9, 30, 101])
def test_interval_of_a_median_is_that_of_scipys_quantile_test(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    expected = quantile_test(values, q=0, p=0.5).confidence_interval(0.95)
    found = median(values)
    assert (found.low, found.high) == (expected.low, expected.high)


def test_few_values_have_a_median_without_interval_and_unknown_ones_are_left_out() -> None:
    few = median(np.array([3.0, np.nan, 1.0, 2.0]))
    assert (few.n, few.value, few.low) == (3, 2, None)
    assert median(np.array([np.nan])).value is None


def test_figures_of_several_groups_are_those_of_each_alone() -> None:
    random = np.random.default_rng(4)
    # The second group has few writers, the fourth one text, the fifth hits alone, the sixth no text.
    groups = np.repeat([0, 1, 2, 3, 4], [90, 40, 200, 1, 60])
    writers = random.integers(0, np.array([9, 3, 30, 1, 8])[groups])
    contexts = random.integers(0, np.array([3, 9, 7, 1, 8])[groups])
    hits = ((random.random(len(groups)) < 0.4) | (groups == 4)).astype(float)
    amounts = random.exponential(60, len(groups))
    shuffled = random.permutation(len(groups))
    groups, writers, contexts, hits, amounts = (
        column[shuffled] for column in (groups, writers, contexts, hits, amounts)
    )
    rows = Clusters.within(groups, 6, {"writer": writers, "context": contexts})
    assert rows.kinds["writer"].distinct.tolist() == [9, 3, 30, 1, 8, 0]
    shares, ratios = rows.shares(hits), rows.amounts_per_event(amounts, hits)
    middles = medians(amounts, groups, 6)
    for group in range(6):
        own = groups == group
        for found, alone in (
            (shares[group], share(hits[own], {"writer": writers[own], "context": contexts[own]})),
            (
                ratios[group],
                amount_per_event(amounts[own], hits[own], {"writer": writers[own], "context": contexts[own]}),
            ),
            (middles[group], median(amounts[own])),
        ):
            assert (found.n, found.method, found.limit) == (alone.n, alone.method, alone.limit)
            assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high))
