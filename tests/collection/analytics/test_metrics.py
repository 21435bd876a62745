"""Shares and accuracies, against hand counts and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from collection.analytics.metrics import accuracy, share


def test_wilson_interval_of_a_known_case() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 by the score method.
    estimate = share(81, 263)
    assert (round(estimate.low or 0, 4), round(estimate.high or 0, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 30), (3, 7), (29, 30), (500, 1000)])
def test_wilson_interval_is_that_of_scipy(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    estimate = share(successes, n)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


def test_no_trials_give_no_figure() -> None:
    estimate = share(0, 0)
    assert (estimate.n, estimate.value, estimate.low, estimate.high) == (0, None, None, None)


def test_accuracy_is_that_of_scikit_learn_and_lies_in_its_interval() -> None:
    random = np.random.default_rng(3)
    gold = random.integers(0, 3, 500)
    guess = np.where(random.random(500) < 0.7, gold, random.integers(0, 3, 500))
    clusters = [f"context {index // 5}" for index in range(500)]
    found = accuracy(gold.tolist(), guess.tolist(), clusters, 3)
    assert found.accuracy.value == pytest.approx(accuracy_score(gold, guess))
    assert found.balanced.value == pytest.approx(balanced_accuracy_score(gold, guess))
    for estimate in (found.accuracy, found.balanced):
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low < (estimate.value or 0) < estimate.high
    assert sum(found.predicted_shares) == pytest.approx(1)
    assert found.majority == pytest.approx(np.bincount(gold).max() / 500)


def test_rows_of_one_context_widen_the_interval() -> None:
    gold = [0] * 400
    guess = [index // 20 % 2 for index in range(400)]
    alone = accuracy(gold, guess, [str(index) for index in range(400)], 2).accuracy
    together = accuracy(gold, guess, [str(index // 20) for index in range(400)], 2).accuracy
    assert (together.high or 0) - (together.low or 0) > 2 * ((alone.high or 0) - (alone.low or 0))


def test_one_label_and_one_context_give_a_figure() -> None:
    found = accuracy([1, 1, 1], [1, 0, 1], ["a", "a", "a"], 2)
    assert found.accuracy.value == found.balanced.value == pytest.approx(2 / 3)
    assert found.majority == 1


def test_no_rows_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        accuracy([], [], [], 2)
    with pytest.raises(ValueError, match="as many"):
        accuracy([0, 1], [0], ["a", "b"], 2)
