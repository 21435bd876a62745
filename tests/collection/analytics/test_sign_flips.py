"""Exact p values of few differences, against the binomial and against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from collection.analytics.sign_flips import MOST, p_values


@pytest.mark.parametrize(("one", "other"), [(1, 0), (4, 0), (5, 0), (6, 0), (6, 1), (5, 5), (7, 2)])
def test_of_rows_it_is_mcnemars_exact_test(one: int, other: int) -> None:
    differences = np.array([[1.0] * one + [-1.0] * other + [0.0] * 3])
    assert p_values(differences)[0] == pytest.approx(binomtest(one, one + other).pvalue)


def test_larger_differences_weigh_more() -> None:
    # Of eight ways to choose signs two, all alike, are as far from 0; where the largest is turned two more are nearer.
    assert p_values(np.array([[3.0, 1.0, 1.0], [3.0, -1.0, -1.0]])).tolist() == [0.25, 1.0]


def test_nothing_is_said_where_many_differ_and_1_where_none_does() -> None:
    many, none = np.ones(MOST + 1), np.zeros(MOST + 1)
    of_one_cluster = np.array([MOST + 1.0, *np.zeros(MOST)])
    found = p_values(np.stack([many, of_one_cluster, none]))
    assert np.isnan(found[:2]).all()
    assert found[2] == 1
