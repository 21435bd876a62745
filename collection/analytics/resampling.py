"""Draws of contexts and of training seeds, for figures that no formula gives an interval for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Draws that are multiplied at once: keeps the weights of a test set of 10,000 rows without contexts below 30 MB.
BATCH = 256


def drawn_means(hits: Floats, rows: Floats, group: Ints, draws: int, seed: int) -> Floats:
    """Draws [draws, groups] of the mean rate of each group of versions on one test set.

    ``hits`` [units, clusters] and ``rows`` [clusters] are sums over clusters; ``group`` [units] says what a unit is a
    seed of. A draw takes the same clusters for every version (so differences are paired) and, within each group, as
    many training seeds as there are: the two-way bootstrap (Owen 2007, Annals of Applied Statistics 1). Weights are
    spread by the root of n / (n - 1), so that few clusters or seeds do not vary too little (Rao & Wu 1988, JASA 83).
    """
    random = np.random.default_rng(seed)
    clusters, groups = hits.shape[1], int(group.max()) + 1
    counts = np.bincount(group, minlength=groups).astype(float)
    made = np.empty((draws, groups))
    for start in range(0, draws, BATCH):
        size = min(BATCH, draws - start)
        weights = _spread(random.multinomial(clusters, np.full(clusters, 1 / clusters), size), clusters)
        rates = (weights @ hits.T) / (weights @ rows)[:, None]
        seeds = np.ones((size, len(group)))
        for index in np.flatnonzero(counts > 1):
            members = np.flatnonzero(group == index)
            drawn = random.multinomial(len(members), np.full(len(members), 1 / len(members)), size)
            seeds[:, members] = _spread(drawn, len(members))
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        sums = np.add.reduceat((rates * seeds)[:, order], starts, axis=1)
        batch = np.full((size, groups), np.nan)
        batch[:, group[order][starts]] = sums / counts[group[order][starts]]
        made[start : start + size] = batch
    return made


def _spread(drawn: NDArray[np.int64], count: int) -> Floats:
    """Multinomial weights with mean 1, their deviations widened to the unbiased variance."""
    widen = np.sqrt(count / (count - 1)) if count > 1 else 1.0
    return np.asarray(1 + widen * (drawn - 1.0))
