"""Differences on few test rows: no winner that chance among the rows that differ could make."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from collection.analytics.contrasts import contrast, fewer
from collection.analytics.two_way import Rates, ratios
from tests.collection.analytics.sections_compare import made, rows
from tests.collection.analytics.studies_compare import study, with_accuracy

_APART = np.array([1.0, -1.0])


def _errors(first: np.ndarray, second: np.ndarray) -> Rates:
    wrong = np.stack([first, second]).astype(float)
    return ratios(wrong, np.ones(wrong.shape[1]), np.arange(2))


@pytest.mark.parametrize("count", [5, 6, 7, 8])
def test_of_arms_that_are_alike_few_are_told_apart(count: int) -> None:
    # Each row speaks for the one or the other as a coin falls, or ties.
    chance = {1: 0.25, -1: 0.25, 0: 0.5}
    alarms = 0.0
    for outcome in product(chance, repeat=count):
        found, p = contrast(_errors(np.array(outcome) == 1, np.array(outcome) == -1), _APART)
        assert found.low is not None
        assert found.high is not None
        assert (p <= 0.05) == (found.low > 0 or found.high < 0)
        alarms += (p <= 0.05) * float(np.prod([chance[each] for each in outcome]))
    assert alarms <= 0.07


@pytest.mark.parametrize(("count", "ahead", "behind"), [(5, 4, 0), (6, 5, 0), (7, 6, 1), (100, 4, 0), (766, 5, 0)])
def test_p_is_not_below_mcnemars_where_few_rows_differ(count: int, ahead: int, behind: int) -> None:
    place = np.arange(count)
    errors = _errors((place >= ahead) & (place < ahead + behind), place < ahead)
    found, p = contrast(errors, _APART)
    assert p == pytest.approx(binomtest(ahead, ahead + behind).pvalue)
    assert found.high == 0
    assert "so few rows differ" in found.limit
    spared = fewer(errors, 0, 1)
    assert spared.low is None or spared.low <= 0


def test_where_enough_rows_differ_p_is_that_of_the_jackknife() -> None:
    place = np.arange(200)
    found, p = contrast(_errors(place < 10, (place >= 10) & (place < 40)), _APART)
    assert p < binomtest(10, 40).pvalue
    assert found.high is not None
    assert found.high < 0
    assert found.limit == "the interval is about test rows only: there is one training seed"


@pytest.mark.parametrize(("count", "clear"), [(1, False), (2, False), (3, False), (5, False), (6, True)])
def test_a_handful_of_rows_makes_no_winner_that_a_sign_test_does_not(count: int, clear: bool) -> None:
    two = {"a": "static", "b": "dynamic"}
    given = with_accuracy(study(arms=two, rounds=1, test_rows=count, test_contexts=0), {"b/1": 1.0, "a/1": 0.0})
    found = made("comparison", given)
    row = rows(found, "comparison-last")[0]
    assert (row["p"] <= 0.05) == (row["difference"].low > 0) == clear
    assert row["p"] == pytest.approx(row["mcnemar_exact"])
    assert ("cannot tell" in found.findings[0]) != clear


def test_a_difference_that_no_row_speaks_against_is_adjusted_as_all_others_are() -> None:
    given = with_accuracy(study(rounds=1, test_rows=6, test_contexts=0), {"dynamic/1": 1.0, "static/1": 0.0})
    found = made("comparison", given)
    row = next(row for row in rows(found, "comparison-last") if row["pair"] == "dynamic against static")
    assert row["p"] == pytest.approx(2 / 64)
    assert row["p_adjusted"] == pytest.approx(6 / 64)
    assert any("among 3 comparisons it may be chance (p = 0.094)" in finding for finding in found.findings)
