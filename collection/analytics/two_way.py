"""Rates of versions on clustered rows: their spread over contexts and over training seeds, from one table of sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtrit

from collection.analytics.metrics import Estimate, joined, missing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.975


def jackknife_over(*kinds: str, seeds: bool = True) -> str:
    """What an interval is called that keeps together the rows of each cluster of these kinds, rows alone of none, and
    the answers of each training seed if there are several ``seeds``."""
    names = [f"{kind}s" for kind in kinds or ("row",)] + ["training seeds"] * seeds
    if len(names) == 1:
        return f"jackknife over {names[0]} with a t quantile"
    ways = "two-way" if len(names) == 2 else "three-way"
    return f"{ways} ({', '.join(names[:-1])} and {names[-1]}) jackknife with a t quantile"


METHOD = jackknife_over("context")
CROSSED = jackknife_over("context", "writer")
_MOST_FREEDOM = 1e6
_NOTHING = 1e-24  # below it a variance is what sums of floating-point numbers leave behind
ONE_SEED = "the interval is about test rows only: there is one training seed"
SOME_ONE_SEED = "where a version has one training seed, the interval holds that seed fixed"
TWO_SEEDS = "two training seeds tell little of how far seeds spread, so the interval is a rough one"
ONE_CLUSTER = "all rows are of one context: the interval takes rows as independent and is not about other contexts"


def quantile(freedom: float) -> float:
    """Student's t of a two-sided 95% interval."""
    return float(stdtrit(freedom, LEVEL))


@dataclass(frozen=True)
class Rates:
    """A rate of every unit (a version: one training seed) on rows that lie in clusters.

    ``rates`` [units]; ``influence`` [units, clusters], how far the rate moves if a cluster is left out; ``rows``
    [units, clusters]; ``group`` [units], the index of what a unit is a seed of; ``limit`` what intervals lack. Clusters
    are of the first of ``kinds``, rows if there is none. Where rows lie in clusters of two kinds, ``crossed`` has the
    same rates by the second kind, and by the pairs of both. Where all units are on the same rows, ``hits`` [units,
    clusters] are what their rates are of. Of units that are not ``of_versions`` nothing is said of training seeds.
    """

    rates: Floats
    influence: Floats
    rows: Floats
    group: Ints
    limit: str = ""
    kinds: tuple[str, ...] = ("context",)
    crossed: tuple[Rates, Rates] | None = None
    hits: Floats | None = None
    of_versions: bool = True

    @property
    def method(self) -> str:
        """How intervals are found."""
        return jackknife_over(*self.kinds, seeds=bool((self.seeds > 1).any()))

    @cached_property
    def seeds(self) -> Floats:
        """How many units each group has [groups]."""
        return np.bincount(self.group).astype(float)

    def means(self) -> Floats:
        """The mean rate of each group [groups]; NaN in a group without units."""
        sums = np.bincount(self.group, weights=self.rates)
        return np.asarray(np.divide(sums, self.seeds, out=np.full(len(sums), np.nan), where=self.seeds > 0))

    @cached_property
    def moved(self) -> Floats:
        """Influence, summed over the units of each group [groups, clusters]."""
        return self.summed(self.influence)

    @cached_property
    def covered(self) -> Floats:
        """Rows, summed over the units of each group [groups, clusters]."""
        return self.summed(self.rows)

    @cached_property
    def most(self) -> Floats:
        """The rows of the unit of each group that has most [groups]."""
        found = np.zeros(len(self.seeds))
        np.maximum.at(found, self.group, self.rows.sum(axis=1))
        return found

    @cached_property
    def between(self) -> Floats:
        """The squares of rates about the mean of their group [groups]."""
        return np.bincount(self.group, weights=(self.rates - self.means()[self.group]) ** 2).astype(float)

    @cached_property
    def residual(self) -> Floats:
        """The squares of influence about the mean of each group by clusters [groups]."""
        # Without a matrix of deviations: the sum of squares less the square of the sum over n.
        squares = np.bincount(self.group, weights=(self.influence**2).sum(axis=1))
        return np.asarray(np.maximum(squares - (self.moved**2).sum(axis=1) / np.maximum(self.seeds, 1), 0.0))

    def summed(self, values: Floats) -> Floats:
        """``values`` [units, clusters] summed over the units of each group [groups, clusters]."""
        found = np.zeros((len(self.seeds), values.shape[1]))
        found[self.seeds > 0] = cluster_sums(values.T, self.group).T
        return found

    @cached_property
    def levels(self) -> list[Estimate]:
        """The :func:`level` of each group [groups]."""
        found = zip(self.means().tolist(), spreads(self, np.eye(len(self.seeds))), strict=True)
        return [_level(value, spread, self.method) for value, spread in found]


@dataclass(frozen=True)
class Spread:
    """The standard error of a figure and the number of clusters that it is worth, ``kind`` of them: infinite where a
    part of the figure is of one cluster. ``quantile`` is Student's t for its 95% interval, at ``known_freedom`` where
    the quantile comes from that."""

    error: float
    quantile: float
    known_freedom: float | None
    clusters: float
    kind: str
    n: int
    limit: str

    @property
    def reach(self) -> float:
        """Half the width of the 95% interval."""
        return self.quantile * self.error

    @property
    def freedom(self) -> float:
        """The degrees of freedom; Howe's interval has a quantile at first, so they are searched for where asked for."""
        if self.known_freedom is not None:
            return self.known_freedom
        return float(brentq(lambda freedom: quantile(freedom) - self.quantile, 1.0, _MOST_FREEDOM))


def cluster_indices(contexts: NDArray[np.object_]) -> tuple[Ints, str]:
    """The cluster [rows] of each row, and what is to be said of it. A row without a context is a cluster of its own,
    and so is every row where there is but one context, as nothing can be learned about others then."""
    names = np.asarray(contexts, dtype=object).astype(str)
    blank = names == ""
    found, index = np.unique(names, return_inverse=True)
    if len(found) == 1 and not blank.any():
        return np.arange(len(names)), ONE_CLUSTER
    index = np.where(blank, len(found) + np.arange(len(names)), index)
    return np.unique(index, return_inverse=True)[1].astype(np.int64), ""


def cluster_sums(values: Floats, clusters: Ints) -> Floats:
    """Sums [..., clusters] of ``values`` [..., rows] over the rows of each cluster."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    return np.add.reduceat(values[..., order], starts, axis=-1) if len(order) else values[..., :0]


def ratios(hits: Floats, rows: Floats, group: Ints, limit: str = "") -> Rates:
    """Rates ``hits / rows`` of units, from sums over clusters [units, clusters]; ``rows`` may be [clusters].

    Every unit needs a row.
    """
    shared = np.ndim(rows) == 1
    rows = np.broadcast_to(np.asarray(rows, dtype=float), hits.shape)
    rates = hits.sum(axis=-1) / rows.sum(axis=-1)
    return Rates(rates, _jackknife(hits, rows), rows, group, limit, hits=hits if shared else None)


@dataclass(frozen=True)
class Ways:
    """How rows are kept together: by clusters [rows] of one kind or of two, with their ``pairs`` [rows] if of two; by
    none where ``kinds`` has none, ``pairs`` then numbering the rows. ``limit`` says which kinds were left out."""

    kinds: Mapping[str, Ints]
    pairs: Ints
    limit: str

    def rates(self, by: Callable[[Ints], Rates]) -> Rates:
        """The rates that are made ``by`` clusters [rows]."""
        names = tuple(self.kinds)
        if len(names) < 2:
            return replace(by(next(iter(self.kinds.values()), self.pairs)), limit=self.limit, kinds=names)
        one, other = self.kinds.values()
        return replace(by(one), kinds=names, crossed=(by(other), by(self.pairs)))


def ways_of(rows: Floats, kinds: Mapping[str, NDArray[np.object_]]) -> Ways:
    """The ways to keep together the rows of units, which lie in clusters of two ``kinds``, such as their contexts and
    their writers [rows].

    A kind is left out, and the limit says so, if a unit has rows of one cluster alone: that tells nothing of others.
    ``rows`` [units, rows] counts a row that a unit has as 1.
    """
    found = {name: cluster_indices(values) for name, values in kinds.items()}
    ways = {
        name: clusters
        for name, (clusters, lonely) in found.items()
        if not lonely and ((cluster_sums(rows, clusters) > 0).sum(axis=1) > 1).all()
    }
    lost = [name for name in kinds if name not in ways]
    about = " and ".join(f"other {name}s" for name in lost)
    independent = "" if ways else "takes rows as independent and "
    limit = f"with one {' and one '.join(lost)} alone, the interval {independent}is not about {about}" if lost else ""
    if len(ways) < 2:
        return Ways(ways, np.arange(rows.shape[1]), limit)
    one, other = ways.values()
    return Ways(ways, np.unique(one * (other.max() + 1) + other, return_inverse=True)[1].astype(np.int64), limit)


def crossed_ratios(hits: Floats, rows: Floats, group: Ints, ways: Ways) -> Rates:
    """Rates ``hits / rows`` of units [units, rows] whose rows are kept together in these ``ways``; each needs a row."""
    return ways.rates(lambda clusters: ratios(cluster_sums(hits, clusters), cluster_sums(rows, clusters), group))


def balanced(hits: Floats, rows: Floats, group: Ints, limit: str = "") -> Rates:
    """Balanced accuracy (mean recall over the labels that occur; Brodersen et al. 2010, ICPR) of units, from hits
    [units, labels, clusters] and gold rows [labels, clusters]."""
    occurs = rows.sum(axis=-1) > 0
    hits, rows = hits[:, occurs], np.broadcast_to(rows[occurs], hits[:, occurs].shape)
    recall = hits.sum(axis=-1) / rows.sum(axis=-1)
    return Rates(recall.mean(axis=1), _jackknife(hits, rows).mean(axis=1), rows.sum(axis=1), group, limit)


def _jackknife(hits: Floats, rows: Floats) -> Floats:
    """The rate less the rate without a cluster, for every cluster (last axis)."""
    totals = rows.sum(axis=-1, keepdims=True)
    rest = totals - rows
    moved = hits - hits.sum(axis=-1, keepdims=True) / totals * rows
    return np.asarray(np.divide(moved, rest, out=np.zeros_like(moved), where=rest > 0))


def spread(sample: Rates, weights: Floats) -> Spread:
    """The spread of ``weights @ sample.means()``, for weights [groups].

    Contexts are crossed with seeds, and seeds are nested in groups, as cases and readers are in studies of diagnostic
    readers; so the variance is that over clusters plus that over seeds less that of their residuals, which both hold
    (Cameron, Gelbach & Miller 2011, JBES 29; Obuchowski & Rockette 1995, Commun. Stat. 24), and never below either.
    Clusters by the jackknife (MacKinnon, Nielsen & Webb 2023, J. Appl. Econometrics 38), on Kish's effective number of
    clusters less one degrees of freedom. Degrees of freedom of the whole by Welch (1947, Biometrika 34), who takes
    squares of estimated variances without bias, unlike Satterthwaite; where a single group has several seeds that
    takes a lucky pair of seeds at its word, so there by Howe (1974, JASA 69).
    """
    return spreads(sample, np.asarray(weights, dtype=float)[None])[0]


def spreads(sample: Rates, weights: Floats) -> list[Spread]:
    """:func:`spread` of each of many figures, for weights [figures, groups]."""
    taking_part = (weights != 0) & (sample.seeds > 0)
    seeds = np.where(taking_part, sample.seeds, 0)
    # For each group the variance of its weighted mean over seeds, and of the residuals of seeds by clusters.
    several, own = seeds > 1, np.maximum(seeds - 1, 1)
    factor = np.where(several, weights**2 / (np.maximum(seeds, 1) * own), 0)
    over_seeds = factor * sample.between
    each = np.where(taking_part, weights, 0) / np.maximum(seeds, 1)
    kinds = sample.kinds or ("row",)
    over = _over_clusters(sample, kinds[0], taking_part, each, factor)
    if sample.crossed is not None:
        second, pairs = (_over_clusters(item, kinds[1], taking_part, each, factor) for item in sample.crossed)
        over = _crossed(over, second, pairs)
    of_one = np.stack([(item.covered > 0).sum(axis=1) < 2 for item in (sample, *(sample.crossed or ()))]).any(axis=0)
    columns = (
        *over,
        (taking_part & of_one).any(axis=1),
        over_seeds.sum(axis=1),
        (over_seeds**2 / (own + 2)).sum(axis=1),
        several.sum(axis=1),
        np.where(several, own, np.inf).min(axis=1),
        np.rint(np.where(taking_part, sample.most, 0).max(axis=1)).astype(int),
    )
    figures = zip(*(column.tolist() for column in columns), _limits(sample, weights), strict=True)
    nothing = Spread(0.0, quantile(1.0), 1.0, 1.0, kinds[0], 0, sample.limit)
    some = taking_part.any(axis=1).tolist()
    return [_spread(*figure) if any_part else nothing for any_part, figure in zip(some, figures, strict=True)]


class _Clustered(NamedTuple):
    """For each figure its variance over clusters, the part of it that seeds hold too, its degrees of freedom, the
    number of clusters that it is worth and their kind [figures]."""

    variance: Floats
    residual: Floats
    freedom: Floats
    clusters: Floats
    kind: NDArray[np.str_]


def _over_clusters(
    sample: Rates, kind: str, taking_part: NDArray[np.bool_], each: Floats, factor: Floats
) -> _Clustered:
    some = taking_part.any(axis=1)
    rows = taking_part @ sample.covered
    share = rows / np.where(some, rows.sum(axis=1), 1)[:, None]
    clusters = 1 / np.where(some, (share**2).sum(axis=1), 1)
    count = np.maximum((rows > 0).sum(axis=1), 1)
    scale = (count - 1) / count
    variance = scale * ((each @ sample.moved) ** 2).sum(axis=1)
    residual = scale * (factor * sample.residual).sum(axis=1)
    return _Clustered(variance, residual, np.maximum(clusters - 1, 1), clusters, np.full(len(clusters), kind))


def _crossed(one: _Clustered, other: _Clustered, pairs: _Clustered) -> _Clustered:
    """Over clusters of both kinds: the sum less what both hold, which is that over their pairs, and not below that
    (Cameron, Gelbach & Miller 2011, JBES 29); by Welch, on no fewer degrees of freedom than the fewer of the two."""
    variance = np.maximum(one.variance + other.variance - pairs.variance, pairs.variance)
    residual = np.maximum(one.residual + other.residual - pairs.residual, 0.0)
    squares = one.variance**2 / (one.freedom + 2) + other.variance**2 / (other.freedom + 2)
    welch = np.divide(variance**2, squares, out=np.zeros_like(variance), where=squares > 0) - 2
    freedom = np.maximum(np.minimum(one.freedom, other.freedom), welch)
    kind = np.where(one.clusters <= other.clusters, one.kind, other.kind)
    return _Clustered(variance, residual, freedom, np.minimum(one.clusters, other.clusters), kind)


def _spread(
    over_clusters: float,
    residual: float,
    freedom: float,
    clusters: float,
    kind: str,
    lonely: bool,
    over_seeds: float,
    squares: float,
    several: int,
    least: float,
    n: int,
    limit: str,
) -> Spread:
    """From variances over clusters, of residuals and over seeds. ``several`` groups have several seeds, the fewest of
    them ``least`` degrees of freedom; ``squares`` are of their variances, over degrees of freedom and 2. Where a part
    of the figure is ``lonely``, of one cluster, nothing is known of how far clusters differ there."""
    if lonely:
        return Spread(inf, quantile(freedom), freedom, clusters, kind, n, limit)
    variance = max(over_clusters + over_seeds - residual, over_clusters, over_seeds)
    variance = variance if variance > _NOTHING else 0.0
    error = sqrt(variance)
    if over_seeds == 0 or variance == 0:
        return Spread(error, quantile(freedom), freedom, clusters, kind, n, limit)
    if several == 1:
        wide = _howe(max(over_clusters - residual, 0.0), freedom, over_seeds, least, variance)
        return Spread(error, wide, None, clusters, kind, n, limit)
    combined = max(variance**2 / (over_clusters**2 / (freedom + 2) + squares) - 2, min(freedom, least))
    return Spread(error, quantile(combined), combined, clusters, kind, n, limit)


def _howe(net: float, net_freedom: float, seeds: float, seed_freedom: float, variance: float) -> float:
    """The quantile of t that gives the width of Howe's interval for a sum of two variances."""
    wide = quantile(net_freedom) ** 2 * net + quantile(seed_freedom) ** 2 * seeds
    return min(max(sqrt(wide / variance), quantile(_MOST_FREEDOM)), quantile(min(net_freedom, seed_freedom)))


def _limits(sample: Rates, weights: Floats) -> list[str]:
    """What the interval of each figure lacks, by the seeds of the groups that it is from."""
    if not sample.of_versions:
        return [sample.limit] * len(weights)
    used = weights != 0
    more, one, two = ((used & kind).any(axis=1) for kind in (sample.seeds > 1, sample.seeds == 1, sample.seeds == 2))
    seeds = np.select([~more, one, two], [ONE_SEED, SOME_ONE_SEED, TWO_SEEDS], "")
    return [joined(sample.limit, limit) for limit in seeds.tolist()]


def level(sample: Rates, group: int) -> Estimate:
    """The mean rate of a group with its interval on the scale of log odds, which keeps it within 0 and 1 (Dean &
    Pagano 2015, J. Surv. Stat. Methodol. 3); with Wilson's, clusters being the trials, where nothing varies."""
    weights = np.zeros(len(sample.seeds))
    weights[group] = 1.0
    return _level(float(sample.means()[group]), spread(sample, weights), sample.method)


def _level(value: float, found: Spread, method: str) -> Estimate:
    if not found.n:
        return missing(0, "no version was scored")
    if found.error == 0 or not 0 < value < 1:
        low, high = _wilson(value, found)
        return Estimate(found.n, value, low, high, f"Wilson, with {found.kind}s as trials", found.limit)
    centre, reach = log(value / (1 - value)), found.reach / (value * (1 - value))
    low, high = (1 / (1 + exp(-min(max(end, -700.0), 700.0))) for end in (centre - reach, centre + reach))
    return Estimate(found.n, value, low, high, method, found.limit)


def _wilson(value: float, found: Spread) -> tuple[float, float]:
    ratio = found.quantile**2 / found.clusters
    middle = (value + ratio / 2) / (1 + ratio)
    half = float(np.sqrt(ratio * value * (1 - value) + ratio**2 / 4)) / (1 + ratio)
    return min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value)
