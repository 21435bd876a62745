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
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

from collection.analytics.metrics import Estimate, missing
from collection.analytics.metrics import share as wilson

Numbers = NDArray[np.float64]
Codes = NDArray[np.intp]
Statistic = Callable[[Numbers], Numbers]

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


def leave_one_out(sums: Numbers, sizes: Numbers, statistic: Statistic) -> Spread | None:
    """The spread of ``statistic`` (maps [..., k] sums to [...]) from [clusters, k] sums, leaving out each in turn.

    With h the part of ``sizes`` that a cluster has, the variance is the sum of (1 - h) (without it - with it)². For a
    ratio of totals that is exactly CR2, for equal clusters the jackknife. None where it cannot be told: fewer than two
    clusters have a size, or the statistic does not exist without one of them.
    """
    return _spreads(sums, sizes, statistic, np.zeros(len(sums), dtype=np.intp), 1)[0]


def _spreads(sums: Numbers, sizes: Numbers, statistic: Statistic, of: Codes, count: int) -> list[Spread | None]:
    """:func:`leave_one_out` of each of ``count`` groups, ``of`` [clusters] being the group of each cluster."""

    def total(column: Numbers) -> Numbers:
        return np.bincount(of, weights=column, minlength=count).astype(float)

    totals = _totals(sums, of, count)
    parts = sizes / np.maximum(total(sizes), _NOTHING)[of]
    value, without = statistic(totals), statistic(totals[of] - sums)
    told = (total(parts != 0) >= 2) & np.isfinite(value) & (total(~np.isfinite(without)) == 0)
    # Where nothing can be told a part may be 1, or the variance no number.
    with np.errstate(divide="ignore", invalid="ignore"):
        shrunk = parts**2 / (1 - parts)
        df = 1 / (total(parts**2) + total(shrunk) ** 2 - total(shrunk**2))
        variance = total((1 - parts) * (without - value[of]) ** 2)
    figures = zip(told.tolist(), value.tolist(), variance.tolist(), df.tolist(), strict=True)
    return [Spread(*spread) if known else None for known, *spread in figures]


def _totals(sums: Numbers, of: Codes, count: int) -> Numbers:
    """Sums [groups, k] of the sums [clusters, k] of their clusters."""
    return np.stack([np.bincount(of, weights=column, minlength=count) for column in sums.T], axis=-1)


@dataclass(frozen=True)
class Clusters:
    """Rows of several groups and the clusters within each, for a figure of every group from one pass over all rows.

    ``groups`` [rows] has the number of each row's group, below ``count``, and ``index`` [rows] that of its cluster;
    ``of`` [clusters] the group of each cluster. ``distinct`` [groups] counts the clusters that there are; a group
    with fewer than FEWEST has every row for a cluster.
    """

    by: str
    count: int
    groups: Codes
    index: Codes
    of: Codes
    distinct: Codes

    @classmethod
    def within(cls, groups: Codes, count: int, codes: Codes, by: str) -> Clusters:
        """``codes`` [rows], at least 0, tell the clusters of a group apart; ``by`` is the word for what they are."""
        groups, codes = groups.astype(np.intp), codes.astype(np.intp)
        width = int(codes.max(initial=0)) + 1
        found, index = np.unique(groups * width + codes, return_inverse=True)
        distinct = np.bincount(found // width, minlength=count)
        alone = (distinct < FEWEST)[groups]
        index = np.where(alone, len(found) + np.arange(len(index)), index)
        present = np.bincount(index) > 0
        index = (np.cumsum(present) - 1)[index]
        of = np.zeros(np.count_nonzero(present), dtype=np.intp)
        of[index] = groups
        return cls(by, count, groups, index, of, distinct)

    @classmethod
    def single(cls, codes: Codes, by: str) -> Clusters:
        """One group of all rows."""
        return cls.within(np.zeros(len(codes), dtype=np.intp), 1, codes, by)

    def sums(self, *columns: Numbers) -> Numbers:
        """Sums [clusters, columns] of row columns."""
        return np.stack([np.bincount(self.index, weights=each, minlength=len(self.of)) for each in columns], axis=-1)

    def totals(self, sums: Numbers) -> Numbers:
        """Sums [groups, columns] of those over clusters."""
        return _totals(sums, self.of, self.count)

    def spreads(self, sums: Numbers, sizes: Numbers, statistic: Statistic) -> list[Spread | None]:
        """:func:`leave_one_out` within each group."""
        return _spreads(sums, sizes, statistic, self.of, self.count)

    @property
    def words(self) -> list[tuple[str, str]]:
        """The words for method and limit of each group's intervals."""
        clustered = (f"clustered by {self.by} (CR2, t)", "")
        alone = ("CR2, t", f"fewer than {FEWEST} {self.by}s: the interval takes texts as independent")
        return [alone if few else clustered for few in (self.distinct < FEWEST).tolist()]

    def shares(self, hits: Numbers) -> list[Estimate]:
        """The mean of ``hits`` (0 to 1, one a row) of each group, as :func:`share` has it."""
        sums = self.sums(hits, np.ones(len(hits)))
        n = np.bincount(self.groups, minlength=self.count)
        parts = np.bincount(self.groups, weights=(hits != 0) & (hits != 1), minlength=self.count)
        spreads = self.spreads(sums, sums[:, 1], _ratio)
        totals = self.totals(sums)[:, 0]
        each = zip(n.tolist(), totals.tolist(), (parts == 0).tolist(), spreads, self.words, strict=True)
        return [_share(*figures, self.by) for figures in each]

    def amounts_per_event(self, amounts: Numbers, events: Numbers) -> list[Estimate]:
        """Total ``amounts`` over total ``events`` of each group, as :func:`amount_per_event` has it."""
        sums = self.sums(events, amounts)
        spreads = self.spreads(sums, sums[:, 1], _ratio)
        counts, totals = self.totals(sums).T.tolist()
        each = zip(counts, totals, spreads, self.words, strict=True)
        return [_amount_per_event(*figures, self.by) for figures in each]


def share(hits: Numbers, codes: Codes, by: str) -> Estimate:
    """The mean of ``hits`` (0 to 1, one a row), with an interval clustered by ``codes``; Wilson's with few clusters.

    The clustered interval is Wilson's with the effective number of rows, p(1 - p) over the variance (as Korn &
    Graubard 1998, Survey Methodology 24, do for the exact one), and the quantile of t; of such forms Franco, Little,
    Louis & Slud (2019, JSSAM 7) recommend Wilson's. Where all rows are alike their spread is unknown and Wilson's own
    stands, with a limit.
    """
    return Clusters.single(codes, by).shares(hits)[0]


def _share(n: int, total: float, whole: bool, spread: Spread | None, words: tuple[str, str], by: str) -> Estimate:
    method, limit = words
    plain = wilson(round(total), n)
    if n == 0:
        return plain
    if 0 < total < n:
        if limit and whole:
            return Estimate(n, plain.value, plain.low, plain.high, plain.method, limit)
        if spread is not None and spread.variance > _NOTHING:
            return _widened_wilson(n, spread, method.replace("t)", "Wilson)"), limit)
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
    return Clusters.single(codes, by).amounts_per_event(amounts, events)[0]


def _amount_per_event(count: float, total: float, spread: Spread | None, words: tuple[str, str], by: str) -> Estimate:
    if count == 0:
        return missing(0, "there is none to share the total among")
    value = total / count
    if total == 0:
        return Estimate(round(count), 0.0, None, None, limit="all amounts are zero: no interval")
    if spread is None or spread.variance <= (_NOTHING * spread.value) ** 2:
        return Estimate(round(count), value, None, None, limit=f"the spread between {by}s cannot be told: no interval")
    factor = float(np.exp(min(spread.interval(1 / spread.value), 700.0)))
    return Estimate(round(count), value, value / factor, value * factor, *words)


def slope(x: Numbers, y: Numbers, codes: Codes, by: str) -> Estimate:
    """The change of ``y`` for one more of ``x`` by least squares, with an interval clustered by ``codes``.

    A cluster's size is what it adds to the spread of x. Missing where x does not vary.
    """
    n = len(x)
    centred = x - x.mean() if n else x
    if n < 3 or not np.any(np.abs(centred) > _NOTHING):
        return missing(n, "a trend needs more than one point in time")
    clusters = Clusters.single(codes, by)
    sums = clusters.sums(np.ones(n), centred, y, centred**2, centred * y)
    spread = leave_one_out(sums, sums[:, 3], _least_squares)
    value = float(_least_squares(sums.sum(axis=0)))
    if spread is None or spread.variance <= _NOTHING**2:
        return Estimate(n, value, None, None, limit=f"the spread between {by}s cannot be told: no interval")
    half = spread.interval()
    return Estimate(n, value, value - half, value + half, *clusters.words[0])


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
    outside, last = _ranks_outside(len(kept)), len(kept) - 1
    middle = float(kept[last // 2] + kept[len(kept) // 2]) / 2
    if outside == 0:
        return Estimate(len(kept), middle, None, None, limit="fewer than six values: no interval")
    return Estimate(len(kept), middle, float(kept[outside - 1]), float(kept[-outside]), "order statistics")


@lru_cache(maxsize=4096)
def _ranks_outside(n: int) -> int:
    """How many ranks lie outside on each side, with a binomial tail of at most 2.5%: none of five values or fewer."""
    return int(np.count_nonzero(bdtr(np.arange(n // 2), n, 0.5) <= 0.025))


def medians(values: Numbers, groups: Codes, count: int) -> list[Estimate]:
    """The :func:`median` of each of ``count`` groups; ``groups`` [rows] has the number of each row's."""
    ends = np.cumsum(np.bincount(groups, minlength=count))[:-1]
    return [median(own) for own in np.split(values[np.argsort(groups, kind="stable")], ends)] if count else []
