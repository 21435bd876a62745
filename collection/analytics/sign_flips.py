"""An exact test for where few rows tell two sides apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Of more rows that differ, a jackknife with a t quantile raises false alarms no more often than it should.
MOST = 10
_ROUNDING = 1e-9


def p_values(differences: Floats) -> Floats:
    """The two-sided p value of each figure of ``differences`` [figures, clusters], in rows, if the difference of a
    cluster is as likely to be of the one sign as of the other: the share of all ways to choose signs whose sum is as
    far from 0 (Fisher 1935, "The Design of Experiments", section 21; where each row is a cluster it is McNemar's exact
    test). NaN where differences add up to more than ``MOST`` rows, or more clusters differ.
    """
    found = np.full(len(differences), np.nan)
    differ = np.abs(differences) > _ROUNDING
    few = (np.abs(differences).sum(axis=1) <= MOST + _ROUNDING) & (differ.sum(axis=1) <= MOST)
    for place in np.flatnonzero(few):
        own = differences[place, differ[place]]
        chosen = (np.arange(2 ** len(own))[:, None] >> np.arange(len(own))) & 1
        sums = np.abs((2 * chosen - 1) @ own)
        found[place] = np.mean(sums >= abs(own.sum()) - _ROUNDING)
    return found
