"""Two-way intervals, against closed forms, statsmodels and hand-made cases."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student

from collection.analytics.contrasts import contrast, contrasts, fewer, fewer_each
from collection.analytics.metrics import share
from collection.analytics.two_way import (
    ONE_CLUSTER,
    ONE_SEED,
    balanced,
    cluster_indices,
    cluster_sums,
    crossed_ratios,
    level,
    ratios,
    spread,
    ways_of,
)


def sums(answers: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return cluster_sums(answers.astype(float), clusters), cluster_sums(np.ones(len(clusters)), clusters)


def test_the_error_over_equal_clusters_is_that_of_the_mean_of_their_means() -> None:
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(12), 5)
    answers = random.random((1, 60)) < 0.7
    found = spread(ratios(*sums(answers, clusters), np.zeros(1, dtype=int)), np.ones(1))
    means = answers[0].reshape(12, 5).mean(axis=1)
    assert found.error == pytest.approx(means.std(ddof=1) / np.sqrt(12))
    assert found.freedom == pytest.approx(11)
    assert found.limit == ONE_SEED


def test_the_difference_is_near_the_cluster_robust_regression_of_statsmodels() -> None:
    random = np.random.default_rng(2)
    clusters = random.integers(0, 200, 1000)
    answers = np.stack([random.random(1000) < 0.8, random.random(1000) < 0.7])
    found, p = contrast(ratios(*sums(answers, clusters), np.arange(2)), np.array([1.0, -1.0]))
    change = answers[0].astype(float) - answers[1]
    fit = sm.OLS(change, np.ones(1000)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    assert found.value == pytest.approx(fit.params[0])
    assert p == pytest.approx(fit.pvalues[0], rel=0.2)
    assert (found.high or 0) - (found.low or 0) == pytest.approx(np.diff(fit.conf_int()[0])[0], rel=0.02)


def test_seeds_alone_give_the_t_interval_of_welch() -> None:
    # Every cluster is answered alike, so that only seeds differ: no variance over clusters, none in residuals.
    rows = np.full(50, 10.0)
    first, second = np.array([7.0, 8.0, 9.0]), np.array([5.0, 6.0, 5.0, 4.0])
    hits = np.repeat(np.concatenate([first, second])[:, None], 50, axis=1)
    group = np.array([0, 0, 0, 1, 1, 1, 1])
    found, p = contrast(ratios(hits, rows, group), np.array([1.0, -1.0]))
    one, other = first.var(ddof=1) / 3, second.var(ddof=1) / 4
    freedom = (one + other) ** 2 / (one**2 / 4 + other**2 / 5) - 2
    reach = student.ppf(0.975, freedom) * np.sqrt(one + other) / 10
    assert found.high == pytest.approx((first.mean() - second.mean()) / 10 + reach)
    assert p == pytest.approx(2 * student.sf(3 / np.sqrt(one + other), freedom))


def test_a_version_of_several_seeds_is_less_sure_than_one_taken_alone() -> None:
    random = np.random.default_rng(3)
    clusters = np.arange(400)
    answers = random.random((3, 400)) < np.array([0.6, 0.7, 0.8])[:, None]
    several = level(ratios(*sums(answers, clusters), np.zeros(3, dtype=int)), 0)
    single = level(ratios(*sums(answers[1:2], clusters), np.zeros(1, dtype=int)), 0)
    assert (several.high or 0) - (several.low or 0) > 2 * ((single.high or 0) - (single.low or 0))
    assert several.limit == ""
    assert single.limit == ONE_SEED


def _kinds(contexts: int, writers: int, each: int) -> dict[str, np.ndarray]:
    """Every writer has ``each`` rows in every context."""
    context, writer, _ = np.indices((contexts, writers, each)).reshape(3, -1).astype(str).astype(object)
    return {"context": context, "writer": writer}


def test_the_variance_over_contexts_and_writers_is_the_sum_less_that_over_their_pairs() -> None:
    random = np.random.default_rng(4)
    kinds, hard = _kinds(8, 6, 4), random.normal(0, 1, (8, 6))
    wrong = (
        hard.mean(axis=1)[:, None, None] + hard.mean(axis=0)[:, None] + random.normal(0, 0.5, (8, 6, 4)) > 0
    ).astype(float)
    ways = ways_of(np.ones((1, 192)), kinds)
    found = crossed_ratios(wrong.reshape(1, -1), np.ones((1, 192)), np.zeros(1, dtype=int), ways)
    of_context, of_writer, of_pair = wrong.mean(axis=(1, 2)), wrong.mean(axis=(0, 2)), wrong.mean(axis=2).ravel()
    expected = sum(
        sign * means.var(ddof=1) / len(means) for means, sign in ((of_context, 1), (of_writer, 1), (of_pair, -1))
    )
    told = spread(found, np.ones(1))
    assert tuple(ways.kinds) == ("context", "writer")
    assert told.error**2 == pytest.approx(expected)
    assert told.freedom >= 5
    assert told.clusters == pytest.approx(6)
    assert told.limit == ONE_SEED
    assert "writers" in level(found, 0).method


@pytest.mark.parametrize(
    ("contexts", "writers", "kept", "limit"),
    [
        (1, 6, ("writer",), "with one context alone, the interval is not about other contexts"),
        (6, 1, ("context",), "with one writer alone, the interval is not about other writers"),
        (1, 1, (), "with one context and one writer alone, the interval takes rows as independent"),
    ],
)
def test_a_single_context_or_writer_tells_nothing_of_others(
    contexts: int, writers: int, kept: tuple[str, ...], limit: str
) -> None:
    kinds = _kinds(contexts, writers, 12)
    rows = contexts * writers * 12
    wrong = (np.random.default_rng(5).random((2, rows)) < 0.4).astype(float)
    ways = ways_of(np.ones((2, rows)), kinds)
    found = crossed_ratios(wrong, np.ones((2, rows)), np.arange(2), ways)
    clusters = np.arange(rows) if not kept else cluster_indices(kinds[kept[0]])[0]
    alone = ratios(*sums(wrong, clusters), np.arange(2), found.limit)
    assert tuple(ways.kinds) == kept
    assert found.limit.startswith(limit)
    assert level(found, 1) == replace(level(alone, 1), method=found.method)


@pytest.mark.parametrize("right", [0, 1])
def test_all_right_and_all_wrong_have_an_interval_that_is_no_point(right: int) -> None:
    clusters = np.repeat(np.arange(30), 4)
    found = level(ratios(*sums(np.full((1, 120), right), clusters), np.zeros(1, dtype=int)), 0)
    wilson = share(30 * right, 30)
    assert found.value == right
    assert found.low == pytest.approx(wilson.low, abs=0.01)
    assert found.high == pytest.approx(wilson.high, abs=0.01)
    assert (found.high or 0) - (found.low or 0) > 0.1


def test_versions_that_say_the_same_are_not_proven_equal() -> None:
    answers = np.tile(np.random.default_rng(4).random(90) < 0.8, (2, 1))
    found, p = contrast(ratios(*sums(answers, np.arange(90)), np.arange(2)), np.array([1.0, -1.0]))
    assert (found.value, p) == (0.0, 1.0)
    assert found.low is not None
    assert -0.1 < found.low < -0.01
    assert "told the two apart" in found.limit


@pytest.mark.parametrize("rows", [2, 3, 5, 6, 7, 40])
def test_rows_that_one_side_gets_right_all_have_the_p_and_the_interval_of_the_sign_test(rows: int) -> None:
    answers = np.array([[True] * rows, [False] * rows])
    rates = ratios(*sums(answers, np.arange(rows)), np.arange(2))
    found, p = contrast(rates, np.array([1.0, -1.0]))
    sign = binomtest(rows, rows)
    assert p == pytest.approx(sign.pvalue)
    assert (found.low, found.high) == (pytest.approx(2 * sign.proportion_ci(0.95).low - 1), 1)
    assert found.limit.endswith("all contexts differ alike")
    spared = fewer(ratios(*sums(~answers, np.arange(rows)), np.arange(2)), 0, 1)
    assert (spared.low, spared.high) == (pytest.approx(found.low), 1)


@pytest.mark.parametrize("only", [1.0, 0.5, 0.2, 0.05, -0.2])
@pytest.mark.parametrize("contexts", [2, 4, 6, 12, 40, 200])
def test_an_interval_is_beside_zero_only_where_p_is_small_also_if_no_context_differs(
    only: float, contexts: int
) -> None:
    hits = np.zeros((2, contexts))
    hits[int(only < 0)] = 20 * abs(only)
    found, p = contrast(ratios(hits, np.full(contexts, 20.0), np.arange(2)), np.array([1.0, -1.0]))
    assert found.value == pytest.approx(only)
    assert found.low is not None
    assert found.high is not None
    assert (found.low > 0 or found.high < 0) == (p <= 0.05)


@pytest.mark.parametrize("each_side", [0.1, 0.25, 0.4, 0.5])
@pytest.mark.parametrize("rows", [2, 3, 4, 5, 6])
def test_arms_that_do_not_differ_are_seldom_told_apart_by_a_handful_of_rows(rows: int, each_side: float) -> None:
    # Exact: the chances of every outcome of rows that tell for one side as often as for the other.
    chance = {1: each_side, 0: 1 - 2 * each_side, -1: each_side}
    alarms = 0.0
    for outcome in product((1, 0, -1), repeat=rows):
        answers = np.stack([np.array(outcome) > 0, np.array(outcome) < 0])
        found, _ = contrast(ratios(*sums(answers, np.arange(rows)), np.arange(2)), np.array([1.0, -1.0]))
        assert found.low is not None
        assert found.high is not None
        if found.low > 0 or found.high < 0:
            alarms += float(np.prod([chance[side] for side in outcome]))
    assert alarms < 0.07


def test_errors_spared_have_no_interval_that_reaches_beyond_ten_times_the_errors() -> None:
    few = np.array([[0.0, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    found = fewer(ratios(few, np.ones(5), np.arange(2)), 0, 1)
    assert (found.n, found.value, found.low, found.high) == (5, 0, None, None)
    assert found.limit == "too few errors: the interval would reach beyond ten times as many"
    none = np.array([[0.0, 0, 0, 0], [1, 0, 0, 0]])
    perfect = fewer(ratios(none, np.ones(4), np.arange(2)), 0, 1)
    assert (perfect.value, perfect.low, perfect.high) == (1, None, None)
    more = np.array([[1.0] * 60 + [0] * 40, [1] * 4 + [0] * 96])
    told = fewer(ratios(more, np.ones(100), np.arange(2)), 0, 1)
    assert told.low is not None
    assert told.low < -20


def test_fewer_errors_is_one_less_the_ratio_with_the_interval_of_katz() -> None:
    # Independent rows, disjoint errors: the closed form for two proportions, here with their covariance.
    first, second = np.zeros((2, 2000))
    first[:200], second[100:400] = 1, 1
    rates = ratios(np.stack([first, second]), np.ones(2000), np.arange(2))
    found = fewer(rates, 0, 1)
    one, other, both = 0.1, 0.15, 0.05
    variance = (1 / one + 1 / other - 2 * both / (one * other)) / 2000
    ends = 1 - one / other * np.exp(np.array([1, -1]) * student.ppf(0.975, 1999) * np.sqrt(variance))
    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high) == pytest.approx(tuple(ends), rel=1e-3)


def test_fewer_errors_cannot_be_told_of_a_reference_without_errors_and_can_of_a_perfect_arm() -> None:
    errors = np.zeros((2, 100))
    errors[1, :20] = 1
    rates = ratios(errors, np.ones(100), np.arange(2))
    none = fewer(rates, 1, 0)
    assert none.value is None
    assert none.limit == "not enough data: the reference made no errors"
    perfect = fewer(rates, 0, 1)
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low is not None
    assert 0.5 < perfect.low < 0.95


def test_balanced_accuracy_is_the_mean_of_recalls_of_labels_that_occur() -> None:
    rows = np.array([[4.0, 4, 0], [0, 1, 1], [0, 0, 0]])
    hits = np.array([[[3.0, 3, 0], [0, 1, 0], [0, 0, 0]]])
    found = balanced(hits, rows, np.zeros(1, dtype=int))
    assert found.rates[0] == pytest.approx((6 / 8 + 1 / 2) / 2)


def test_one_context_is_said_to_be_one_and_no_contexts_are_rows() -> None:
    clusters, limit = cluster_indices(np.array(["a", "a", "a"], dtype=object))
    assert (len(set(clusters)), limit) == (3, ONE_CLUSTER)
    clusters, limit = cluster_indices(np.array(["", "", "a", "a"], dtype=object))
    assert (len(set(clusters)), limit) == (3, "")
    assert cluster_indices(np.array([], dtype=object))[1] == ""


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 4), st.floats(0.0, 1.0))
def test_no_figure_is_beyond_its_bounds_and_rows_may_be_in_any_order(
    seed: int, contexts: int, seeds: int, skill: float
) -> None:
    random = np.random.default_rng(seed)
    clusters = np.unique(random.integers(0, contexts, 40), return_inverse=True)[1]
    answers = random.random((2 * seeds, 40)) < skill
    group = np.repeat([0, 1], seeds)
    made = ratios(*sums(answers, clusters), group)
    order = random.permutation(40)
    shuffled = ratios(*sums(answers[:, order], clusters[order]), group)
    one, other = level(made, 0), level(shuffled, 0)
    assert one.value is not None
    assert one.low is not None
    assert one.high is not None
    assert 0 <= one.low <= one.value <= one.high <= 1
    assert one.low < one.high
    assert (one.low, one.high) == pytest.approx((other.low, other.high))
    difference, p = contrast(made, np.array([1.0, -1.0]))
    assert difference.low is not None
    assert difference.high is not None
    assert -1 <= difference.low <= (difference.value or 0) <= difference.high <= 1
    assert p is None or 0 <= p <= 1


def test_many_figures_at_once_are_those_of_each_alone() -> None:
    random = np.random.default_rng(8)
    clusters, group = random.integers(0, 15, 120), np.repeat(np.arange(5), [1, 3, 4, 2, 1])
    answers = random.random((11, 120)) < random.uniform(0.5, 0.9, 5)[group][:, None]
    answers[10] = True
    made = ratios(*sums(~answers, np.unique(clusters, return_inverse=True)[1]), group)
    weights = np.array([[1.0, -1, 0, 0, 0], [0, 1, -1, 0, 0], [0.5, 0.5, 0, -1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, -1]])
    for each, (found, p) in zip(weights, contrasts(made, weights), strict=True):
        alone, p_alone = contrast(made, each)
        assert (found.n, found.limit) == (alone.n, alone.limit)
        assert (found.value, found.low, found.high, p) == pytest.approx((alone.value, alone.low, alone.high, p_alone))
    pairs = [(0, 1), (2, 1), (4, 2), (3, 4)]
    together = [*fewer_each(made, pairs), *made.levels]
    one_by_one = [*(fewer(made, *pair) for pair in pairs), *(level(made, place) for place in range(5))]
    for found, alone in zip(together, one_by_one, strict=True):
        assert (found.n, found.method, found.limit) == (alone.n, alone.method, alone.limit)
        assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high))


@pytest.mark.parametrize(
    ("contexts", "writers", "of_one_seed", "of_several", "trials"),
    [
        (
            8,
            6,
            "two-way (contexts and writers) jackknife",
            "three-way (contexts, writers and training seeds)",
            "writers",
        ),
        (
            6,
            8,
            "two-way (contexts and writers) jackknife",
            "three-way (contexts, writers and training seeds)",
            "contexts",
        ),
        (1, 6, "jackknife over writers", "two-way (writers and training seeds)", "writers"),
        (6, 1, "jackknife over contexts", "two-way (contexts and training seeds)", "contexts"),
        (1, 1, "jackknife over rows", "two-way (rows and training seeds)", "rows"),
    ],
)
def test_the_method_names_what_is_kept_together(
    contexts: int, writers: int, of_one_seed: str, of_several: str, trials: str
) -> None:
    kinds = _kinds(contexts, writers, 12)
    rows = contexts * writers * 12
    some = (np.random.default_rng(5).random((2, rows)) < 0.4).astype(float)
    kept = ways_of(np.ones((2, rows)), kinds)
    found = crossed_ratios(some, np.ones((2, rows)), np.arange(2), kept)
    assert level(found, 0).method == f"{of_one_seed} with a t quantile"
    several = crossed_ratios(some, np.ones((2, rows)), np.zeros(2, dtype=int), kept)
    assert level(several, 0).method == f"{of_several} jackknife with a t quantile"
    none = crossed_ratios(np.zeros((2, rows)), np.ones((2, rows)), np.arange(2), kept)
    assert level(none, 0).method == f"Wilson, with {trials} as trials"
    assert f"no {trials[:-1]} told the two apart" in contrast(none, np.array([1.0, -1.0]))[0].limit


def test_a_part_of_one_cluster_leaves_the_whole_figure_unknown() -> None:
    hits, rows = np.zeros((2, 30)), np.zeros((2, 30))
    hits[0, 0] = rows[0, 0] = 1
    rows[1] = 1
    hits[1, :8] = 1
    made = ratios(hits, rows, np.arange(2))
    found, p = contrast(made, np.array([1.0, -1.0]))
    assert (found.low, found.high, p) == (-1.0, 1.0, 1.0)
    assert fewer(made, 1, 0).value is None
    assert contrast(made, np.array([0.0, 1.0]))[0].low == pytest.approx(0.1, abs=0.05)
