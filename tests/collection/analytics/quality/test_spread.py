"""Coverage of contexts and balance of labels."""

from __future__ import annotations

import pytest
from scipy.stats import chisquare

from collection.analytics.quality.spread import coverage, imbalance


def test_even_use_of_all_contexts() -> None:
    found = coverage(["a", "b", "c"] * 4, ["a", "b", "c"])
    assert (found.used, found.known) == (3, 3)
    assert found.evenness == pytest.approx(1)
    assert found.gini == pytest.approx(0)


def test_unused_contexts_and_uneven_use_by_hand() -> None:
    found = coverage(["a", "a", "a", "b"], ["a", "b", "c", "d"])
    assert (found.used, found.known) == (2, 4)
    # Counts 0, 0, 1, 3: (-3*0 - 1*0 + 1*1 + 3*3) / (4 * 4).
    assert found.gini == pytest.approx(10 / 16)
    assert found.evenness == pytest.approx(0.8112781)


def test_one_context_has_no_evenness_and_none_is_refused() -> None:
    assert coverage(["a"], ["a"]).evenness is None
    assert coverage(["a"], []).known == 1
    with pytest.raises(ValueError, match="no examples"):
        coverage([], ["a"])


def test_imbalance_is_pearson_s_test() -> None:
    labels = ["c"] * 30 + ["e"] * 50
    assert imbalance(labels, ["c", "e"]) == pytest.approx(chisquare([30, 50]).pvalue)
    assert imbalance(labels[:9], ["c", "e"]) is None
    assert imbalance(labels, ["c"]) is None
