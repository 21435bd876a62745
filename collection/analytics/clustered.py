"""Intervals for figures from rows that come in clusters: the texts of one writer, the votes on texts of one context.

The percentile bootstrap over few clusters is too narrow: with five to eight writers its 95% intervals cover the truth
some 85% of the time. So every interval here is from leaving out one cluster at a time: the variance is the bias-reduced
one, CR2, and the degrees of freedom of t are Satterthwaite's (Bell & McCaffrey 2002, "Bias reduction in standard errors
for linear regression with multi-stage samples", Survey Methodology 28; Pustejovsky & Tipton 2018, JBES 36). How often
these cover the truth is counted by ``benchmarks/coverage_cases/collecting.py``. Sums over clusters are all that they
need: no draws, no seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

from collection.analytics.metrics import Estimate, missing
from collection.analytics.metrics import share as wilson

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]

FEWEST = 5
"""With fewer clusters their spread says too little: rows are taken as independent, and the estimate says so."""

# Below this part of the figure's own scale a variance is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Spread:
    """A statistic with its variance and the degrees of freedom of t for its interval."""

    value: float
    variance: float
    df: float

    def interval(self, slope: float = 1.0) -> float:
        """Half the width of the 95% interval, on a scale whose derivative at the value is ``slope``."""
        return float(stdtrit(self.df, 0.975)) * abs(slope) * float(np.sqrt(self.variance))


def leave_one_out(sums: Numbers, sizes: Numbers, statistic: Callable[[Numbers], Numbers]) -> Spread | None:
    """The spread of ``statistic`` (maps [..., k] sums to [...]) from [clusters, k] sums, leaving out each in turn.

    With h the part of ``sizes`` that a cluster has, the variance is the sum of (1 - h) (without it - with it)². For a
    ratio of totals that is exactly CR2, for equal clusters the jackknife. None where it cannot be told: fewer than two
    clusters have a size, or the statistic does not exist without one of them.
    """
    parts = sizes / max(float(sizes.sum()), _NOTHING)
    if np.count_nonzero(parts) < 2:
        return None
    total = sums.sum(axis=0)
    value, without = float(statistic(total)), statistic(total - sums)
    if not (np.isfinite(value) and np.isfinite(without).all()):
        return None
    shrunk = parts**2 / (1 - parts)
    df = 1 / (np.sum(parts**2) + np.sum(shrunk) ** 2 - np.sum(shrunk**2))
    return Spread(value, float(np.sum((1 - parts) * (without - value) ** 2)), float(df))


def per_cluster(codes: Codes, *columns: Numbers) -> Numbers:
    """Sums [clusters, columns] of row columns, over the clusters that have rows."""
    present = np.bincount(codes) > 0
    return np.column_stack([np.bincount(codes, weights=column)[present] for column in columns])


def rows_or_clusters(codes: Codes, by: str) -> tuple[Codes, str, str]:
    """The clusters that intervals are from, with the words for method and limit: rows where there are few clusters."""
    if len(np.unique(codes)) >= FEWEST:
        return codes, f"clustered by {by} (CR2, t)", ""
    return np.arange(len(codes)), "CR2, t", f"fewer than {FEWEST} {by}s: the interval takes texts as independent"


def share(hits: Numbers, codes: Codes, by: str) -> Estimate:
    """The mean of ``hits`` (0 to 1, one a row), with an interval clustered by ``codes``; Wilson's with few clusters.

    The clustered interval is Wilson's with the effective number of rows, p(1 - p) over the variance (as Korn &
    Graubard 1998, Survey Methodology 24, do for the exact one), and the quantile of t; of such forms Franco, Little,
    Louis & Slud (2019, JSSAM 7) recommend Wilson's. Where all rows are alike their spread is unknown and Wilson's own
    stands, with a limit.
    """
    n, total = len(hits), float(hits.sum())
    if n == 0:
        return wilson(0, 0)
    if 0 < total < n:
        clusters, method, limit = rows_or_clusters(codes, by)
        whole = bool(np.isin(hits, (0, 1)).all())
        if limit and whole:
            plain = wilson(round(total), n)
            return Estimate(n, plain.value, plain.low, plain.high, plain.method, limit)
        sums = per_cluster(clusters, hits, np.ones(n))
        spread = leave_one_out(sums, sums[:, 1], _ratio)
        if spread is not None and spread.variance > _NOTHING:
            return _widened_wilson(n, spread, method.replace("t)", "Wilson)"), limit)
    plain = wilson(round(total), n)
    why = f"the spread between {by}s cannot be told: the interval takes texts as independent"
    return Estimate(n, total / n, plain.low, plain.high, plain.method, why)


def _ratio(sums: Numbers) -> Numbers:
    return np.asarray(
        np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)
    )


def _widened_wilson(n: int, spread: Spread, method: str, limit: str) -> Estimate:
    p, z = spread.value, float(stdtrit(spread.df, 0.975))
    rows = p * (1 - p) / spread.variance
    centre = (p + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    return Estimate(n, p, max(0.0, float(centre - half)), min(1.0, float(centre + half)), method, limit)


def amount_per_event(amounts: Numbers, events: Numbers, codes: Codes, by: str) -> Estimate:
    """Total ``amounts`` (at least 0) over total ``events``, one of each a row; ``n`` is the number of events.

    The interval is that of the events per amount on a log scale, turned over: events may be absent from a cluster.
    """
    count, total = float(events.sum()), float(amounts.sum())
    if count == 0:
        return missing(0, "there is none to share the total among")
    value = total / count
    if total == 0:
        return Estimate(round(count), 0.0, None, None, limit="all amounts are zero: no interval")
    clusters, method, limit = rows_or_clusters(codes, by)
    sums = per_cluster(clusters, events, amounts)
    spread = leave_one_out(sums, sums[:, 1], _ratio)
    if spread is None or spread.variance <= (_NOTHING * spread.value) ** 2:
        return Estimate(round(count), value, None, None, limit=f"the spread between {by}s cannot be told: no interval")
    factor = float(np.exp(min(spread.interval(1 / spread.value), 700.0)))
    return Estimate(round(count), value, value / factor, value * factor, method, limit)


def slope(x: Numbers, y: Numbers, codes: Codes, by: str) -> Estimate:
    """The change of ``y`` for one more of ``x`` by least squares, with an interval clustered by ``codes``.

    A cluster's size is what it adds to the spread of x. Missing where x does not vary.
    """
    n = len(x)
    centred = x - x.mean() if n else x
    if n < 3 or not np.any(np.abs(centred) > _NOTHING):
        return missing(n, "a trend needs more than one point in time")
    clusters, method, limit = rows_or_clusters(codes, by)
    sums = per_cluster(clusters, np.ones(n), centred, y, centred**2, centred * y)
    spread = leave_one_out(sums, sums[:, 3], _least_squares)
    value = float(_least_squares(sums.sum(axis=0)))
    if spread is None or spread.variance <= _NOTHING**2:
        return Estimate(n, value, None, None, limit=f"the spread between {by}s cannot be told: no interval")
    half = spread.interval()
    return Estimate(n, value, value - half, value + half, method, limit)


def _least_squares(sums: Numbers) -> Numbers:
    n, x, y, xx, xy = np.moveaxis(sums, -1, 0)
    spread = n * xx - x * x
    enough = spread > 1e-9 * np.maximum(n * xx, _NOTHING)
    return np.asarray(np.divide(n * xy - x * y, spread, out=np.full(np.shape(spread), np.nan), where=enough))


def median(values: Numbers) -> Estimate:
    """The median, with the interval between order statistics (Conover 1999, "Practical Nonparametric Statistics")."""
    kept = np.sort(values[np.isfinite(values)])
    if len(kept) == 0:
        return missing(0, "no value is known")
    # How many ranks lie outside on each side, with a binomial tail of at most 2.5%: none of five values or fewer.
    outside = int(np.count_nonzero(bdtr(np.arange(len(kept) // 2), len(kept), 0.5) <= 0.025))
    middle = float(np.median(kept))
    if outside == 0:
        return Estimate(len(kept), middle, None, None, limit="fewer than six values: no interval")
    return Estimate(len(kept), middle, float(kept[outside - 1]), float(kept[-outside]), "order statistics")
