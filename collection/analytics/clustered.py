"""Intervals for figures from rows that come in clusters: the texts of one writer, and those of one context.

The percentile bootstrap over few clusters is too narrow: with five to eight writers its 95% intervals cover the truth
some 85% of the time. So every interval here is from leaving out one cluster at a time: the variance is the bias-reduced
one, CR2, and the degrees of freedom of t are Satterthwaite's (Bell & McCaffrey 2002, "Bias reduction in standard errors
for linear regression with multi-stage samples", Survey Methodology 28; Pustejovsky & Tipton 2018, JBES 36). How often
these cover the truth is counted by ``benchmarks/coverage_cases/collecting.py``. Sums over clusters are all that they
need: no draws, no seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
# A hundredth to a hundredfold, on the scale of logarithms: an interval that is wider says nothing.
_WIDEST = float(np.log(100))
_UNKNOWN = "the spread between clusters cannot be told: no interval"


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
    total = sums.sum(axis=0)
    return spreads(total[None], total - sums, sizes, np.zeros(len(sums), dtype=np.intp), statistic)[0]


def spreads(totals: Numbers, without: Numbers, sizes: Numbers, of: Codes, statistic: Statistic) -> list[Spread | None]:
    """:func:`leave_one_out` of each group, from its sums ``totals`` [groups, k] and what they are ``without`` each
    cluster [clusters, k]; ``of`` [clusters] has the group of each."""

    def total(column: Numbers) -> Numbers:
        return np.bincount(of, weights=column, minlength=len(totals)).astype(float)

    parts = sizes / np.maximum(total(sizes), _NOTHING)[of]
    value, left = statistic(totals), statistic(without)
    told = (total(parts != 0) >= 2) & np.isfinite(value) & (total(~np.isfinite(left)) == 0)
    # Where nothing can be told a part may be 1, or the variance no number.
    with np.errstate(divide="ignore", invalid="ignore"):
        shrunk = parts**2 / (1 - parts)
        df = 1 / (total(parts**2) + total(shrunk) ** 2 - total(shrunk**2))
        variance = total((1 - parts) * (left - value[of]) ** 2)
    figures = zip(told.tolist(), value.tolist(), variance.tolist(), df.tolist(), strict=True)
    return [Spread(*spread) if known else None for known, *spread in figures]


def crossed(one: Spread | None, other: Spread | None, cells: Spread | None) -> Spread | None:
    """The spread over two kinds of clusters that cross: that of both less that of the cells in which both are the same,
    and never below either (Cameron, Gelbach & Miller 2011, "Robust inference with multiway clustering", JBES 29). The
    degrees of freedom are Satterthwaite's, and not below either. None where that over either cannot be told."""
    if one is None or other is None:
        return None
    common = 0.0 if cells is None else cells.variance
    variance = max(one.variance + other.variance - common, one.variance, other.variance)
    squares = one.variance**2 / one.df + other.variance**2 / other.df
    least = min(one.df, other.df)
    return Spread(one.value, variance, max(least, variance**2 / squares) if squares > 0 else least)


@dataclass(frozen=True)
class Way:
    """One way to cluster the rows of several groups: ``index`` [rows] has the number of each row's cluster, ``of``
    [clusters] the group of each, and ``distinct`` [groups] how many there are. A group with fewer than FEWEST has every
    row for a cluster."""

    index: Codes
    of: Codes
    distinct: Codes

    @classmethod
    def within(cls, groups: Codes, count: int, codes: Codes) -> Way:
        """``codes`` [rows], at least 0, tell the clusters of a group apart; there are ``count`` groups."""
        width = int(codes.max(initial=0)) + 1
        found, index = np.unique(groups * width + codes, return_inverse=True)
        distinct = np.bincount(found // width, minlength=count)
        alone = (distinct < FEWEST)[groups]
        index = np.where(alone, len(found) + np.arange(len(index)), index)
        present = np.bincount(index) > 0
        index = (np.cumsum(present) - 1)[index]
        of = np.zeros(np.count_nonzero(present), dtype=np.intp)
        of[index] = groups
        return cls(index, of, distinct)

    def sums(self, columns: Sequence[Numbers]) -> Numbers:
        """Sums [clusters, columns] of row columns."""
        return np.stack([np.bincount(self.index, weights=each, minlength=len(self.of)) for each in columns], axis=-1)


@dataclass(frozen=True)
class Words:
    """What is said of a group's intervals. ``clustered``: whether they take rows of one cluster as alike at all;
    ``rows``: what the rows are."""

    method: str
    limit: str
    clustered: bool
    rows: str


@dataclass(frozen=True)
class Clusters:
    """Rows of several groups and how they are clustered, for a figure of every group from one pass over all rows: by
    one kind of cluster, or by two that cross, as writers and contexts do (``cells`` are then rows of the same of both).

    ``groups`` [rows] has the number of each row's group, below ``count``.
    """

    groups: Codes
    count: int
    kinds: Mapping[str, Way]
    cells: Way | None
    rows: str

    @classmethod
    def within(cls, groups: Codes, count: int, kinds: Mapping[str, Codes], rows: str = "texts") -> Clusters:
        """``kinds``: by the word for what they are, codes [rows] of at least 0 that tell clusters of a group apart;
        ``rows`` is the word for what the rows are."""
        groups, codes = groups.astype(np.intp), [each.astype(np.intp) for each in kinds.values()]
        ways = [Way.within(groups, count, each) for each in codes]
        cells = None
        if len(codes) == 2:
            cells = Way.within(groups, count, codes[0] * (int(codes[1].max(initial=0)) + 1) + codes[1])
        return cls(groups, count, dict(zip(kinds, ways, strict=True)), cells, rows)

    @classmethod
    def single(cls, kinds: Mapping[str, Codes]) -> Clusters:
        """One group of all rows."""
        count = len(next(iter(kinds.values())))
        return cls.within(np.zeros(count, dtype=np.intp), 1, kinds)

    def totals(self, *columns: Numbers) -> Numbers:
        """Sums [groups, columns] of row columns."""
        return np.stack([np.bincount(self.groups, weights=each, minlength=self.count) for each in columns], axis=-1)

    def spreads(self, columns: Sequence[Numbers], size: int, statistic: Statistic) -> list[Spread | None]:
        """The spread of each group's ``statistic`` of the sums of ``columns``; that of number ``size`` is what makes a
        cluster large. Kinds of which there are fewer than FEWEST are passed over, or rows taken if that is all."""
        totals = self.totals(*columns)

        def of(way: Way) -> list[Spread | None]:
            sums = way.sums(columns)
            return spreads(totals, totals[way.of] - sums, sums[:, size], way.of, statistic)

        first, *others = self.kinds.values()
        if self.cells is None:
            return of(first)
        second = others[0]
        enough = zip((first.distinct >= FEWEST).tolist(), (second.distinct >= FEWEST).tolist(), strict=True)
        each = zip(enough, of(first), of(second), of(self.cells), strict=True)
        return [
            crossed(one, other, cell) if has_both == (True, True) else other if has_both == (False, True) else one
            for has_both, one, other, cell in each
        ]

    @property
    def words(self) -> list[Words]:
        """What is said of each group's intervals."""
        counts = zip(*(way.distinct.tolist() for way in self.kinds.values()), strict=True)
        return [_words(dict(zip(self.kinds, each, strict=True)), self.rows) for each in counts]

    def shares(self, hits: Numbers) -> list[Estimate]:
        """The mean of ``hits`` (0 to 1, one a row) of each group, as :func:`share` has it."""
        columns = (hits, np.ones(len(hits)), (hits != 0) & (hits != 1))
        found = self.spreads(columns, 1, ratio)
        totals, n, parts = self.totals(*columns).T.tolist()
        each = zip(map(round, n), totals, [part == 0 for part in parts], found, self.words, strict=True)
        return [share_of(*figures) for figures in each]

    def amounts_per_event(self, amounts: Numbers, events: Numbers) -> list[Estimate]:
        """Total ``amounts`` over total ``events`` of each group, as :func:`amount_per_event` has it."""
        found = self.spreads((events, amounts), 1, ratio)
        counts, totals = self.totals(events, amounts).T.tolist()
        return [_amount_per_event(*figures) for figures in zip(counts, totals, found, self.words, strict=True)]


def _words(distinct: Mapping[str, int], rows: str) -> Words:
    """What is said of an interval, from how many clusters of each kind there are."""
    enough = [kind for kind, count in distinct.items() if count >= FEWEST]
    few = " or ".join(f"{kind}s" for kind in distinct if kind not in enough)
    if not enough:
        limit = f"fewer than {FEWEST} {few}: the interval takes {rows} as independent"
        return Words("CR2, t", limit, clustered=False, rows=rows)
    limit = f"fewer than {FEWEST} {few}: the interval is about these alone" if few else ""
    return Words(f"clustered by {' and '.join(enough)} (CR2, t)", limit, clustered=True, rows=rows)


def share(hits: Numbers, kinds: Mapping[str, Codes]) -> Estimate:
    """The mean of ``hits`` (0 to 1, one a row), with an interval clustered by ``kinds``; Wilson's with few clusters.

    The clustered interval is Wilson's with the effective number of rows, p(1 - p) over the variance (as Korn &
    Graubard 1998, Survey Methodology 24, do for the exact one), and the quantile of t; of such forms Franco, Little,
    Louis & Slud (2019, JSSAM 7) recommend Wilson's. Where all rows are alike their spread is unknown and Wilson's own
    stands, with a limit.
    """
    return Clusters.single(kinds).shares(hits)[0]


def share_of(n: int, total: float, whole: bool, spread: Spread | None, said: Words) -> Estimate:
    """:func:`share` of ``n`` rows whose hits, all 0 or 1 if they are ``whole``, sum up to ``total``."""
    plain = wilson(round(total), n)
    if n == 0:
        return plain
    if 0 < total < n:
        if not said.clustered and whole:
            return Estimate(n, plain.value, plain.low, plain.high, plain.method, said.limit)
        if spread is not None and spread.variance > _NOTHING:
            return _widened_wilson(n, spread, said.method.replace("t)", "Wilson)"), said.limit)
    why = f"the spread between clusters cannot be told: the interval takes {said.rows} as independent"
    return Estimate(n, total / n, plain.low, plain.high, plain.method, why)


def ratio(sums: Numbers) -> Numbers:
    """The first of two sums over the second, NaN where that is 0."""
    return np.asarray(
        np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)
    )


def _widened_wilson(n: int, spread: Spread, method: str, limit: str) -> Estimate:
    p, z = spread.value, float(stdtrit(spread.df, 0.975))
    rows = p * (1 - p) / spread.variance
    centre = (p + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    return Estimate(n, p, max(0.0, float(centre - half)), min(1.0, float(centre + half)), method, limit)


def amount_per_event(amounts: Numbers, events: Numbers, kinds: Mapping[str, Codes]) -> Estimate:
    """Total ``amounts`` (at least 0) over total ``events``, one of each a row; ``n`` is the number of events.

    The interval is that of the events per amount on a log scale, turned over: events may be absent from a cluster.
    """
    return Clusters.single(kinds).amounts_per_event(amounts, events)[0]


def _amount_per_event(count: float, total: float, spread: Spread | None, said: Words) -> Estimate:
    if count == 0:
        return missing(0, "there is none to share the total among")
    value = total / count
    if total == 0:
        return Estimate(round(count), 0.0, None, None, limit="all amounts are zero: no interval")
    if spread is None or spread.variance <= (_NOTHING * spread.value) ** 2:
        return Estimate(round(count), value, None, None, limit=_UNKNOWN)
    half = spread.interval(1 / spread.value)
    if half > _WIDEST:
        return Estimate(round(count), value, None, None, limit="a few rows outweigh all others: no interval")
    factor = float(np.exp(half))
    return Estimate(round(count), value, value / factor, value * factor, said.method, said.limit)


def slope(x: Numbers, y: Numbers, kinds: Mapping[str, Codes]) -> Estimate:
    """The change of ``y`` for one more of ``x`` by least squares, with an interval clustered by ``kinds``.

    A cluster's size is what it adds to the spread of x. Missing where x does not vary.
    """
    n = len(x)
    centred = x - x.mean() if n else x
    if n < 3 or not np.any(np.abs(centred) > _NOTHING):
        return missing(n, "a trend needs more than one point in time")
    clusters, columns = Clusters.single(kinds), (np.ones(n), centred, y, centred**2, centred * y)
    spread = clusters.spreads(columns, 3, _least_squares)[0]
    value = float(_least_squares(clusters.totals(*columns))[0])
    if spread is None or spread.variance <= _NOTHING**2:
        return Estimate(n, value, None, None, limit=_UNKNOWN)
    half, said = spread.interval(), clusters.words[0]
    return Estimate(n, value, value - half, value + half, said.method, said.limit)


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
