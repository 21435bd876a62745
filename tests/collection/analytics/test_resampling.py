"""Draws of contexts and seeds, against the formulas that they stand in for."""

from __future__ import annotations

import numpy as np
import pytest

from collection.analytics.resampling import drawn_errors
from collection.analytics.two_way import cluster_sums, ratios, spread

ROWS = 20  # of each context


def made(contexts: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Which rows two groups of versions get wrong [2, seeds, rows], and the contexts of rows."""
    random = np.random.default_rng(5)
    skill = random.normal(0.7, 0.05, (2, seeds, 1)) + random.normal(0, 0.1, contexts)
    clusters = np.repeat(np.arange(contexts), ROWS)
    return random.random((2, seeds, len(clusters))) > np.clip(skill, 0, 1)[..., clusters], clusters


@pytest.mark.parametrize(("contexts", "seeds"), [(40, 1), (200, 1), (200, 8)])
def test_draws_spread_as_far_as_the_two_way_error(contexts: int, seeds: int) -> None:
    wrong, clusters = made(contexts, seeds)
    errors, drawn = drawn_errors(list(wrong), clusters, 4000, 1)
    sums = cluster_sums(wrong.astype(float), clusters).reshape(-1, contexts)
    rates = ratios(sums, np.full(contexts, float(ROWS)), np.repeat([0, 1], seeds))
    assert errors == pytest.approx(rates.means())
    assert drawn.mean(axis=0) == pytest.approx(errors, abs=0.01)
    assert np.std(drawn[:, 0] - drawn[:, 1]) == pytest.approx(spread(rates, np.array([1.0, -1.0])).error, rel=0.12)


def test_draws_are_paired_and_repeatable() -> None:
    wrong, clusters = made(40, 1)
    wrong[1] = wrong[0]
    drawn = drawn_errors(list(wrong), clusters, 300, 7)[1]
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn == drawn_errors(list(wrong), clusters, 300, 7)[1]).all()
    assert (drawn != drawn_errors(list(wrong), clusters, 300, 8)[1]).any()
