"""Draws of contexts and seeds, against the formulas that they stand in for."""

from __future__ import annotations

import numpy as np
import pytest

from collection.analytics.resampling import drawn_means
from collection.analytics.two_way import ratios, spread


def made(contexts: int, seeds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    skill = random.normal(0.7, 0.05, (2 * seeds, 1)) + random.normal(0, 0.1, contexts)
    return random.binomial(20, np.clip(skill, 0, 1)).astype(float), np.full(contexts, 20.0), np.repeat([0, 1], seeds)


@pytest.mark.parametrize(("contexts", "seeds"), [(10, 1), (200, 1), (200, 8)])
def test_draws_spread_as_far_as_the_two_way_error(contexts: int, seeds: int) -> None:
    hits, rows, group = made(contexts, seeds)
    drawn = drawn_means(hits, rows, group, 4000, 1)
    rates = ratios(hits, rows, group)
    assert drawn.mean(axis=0) == pytest.approx(rates.means(), abs=0.01)
    assert np.std(drawn[:, 0] - drawn[:, 1]) == pytest.approx(spread(rates, np.array([1.0, -1.0])).error, rel=0.12)


def test_draws_are_paired_and_repeatable() -> None:
    hits, rows, group = made(40, 1)
    hits[1] = hits[0]
    drawn = drawn_means(hits, rows, group, 300, 7)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn == drawn_means(hits, rows, group, 300, 7)).all()
    assert (drawn != drawn_means(hits, rows, group, 300, 8)).any()
