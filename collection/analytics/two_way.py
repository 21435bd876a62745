"""Rates of versions on clustered rows: their spread over contexts and over training seeds, from one table of sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from collection.analytics.metrics import Estimate, missing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.975
METHOD = "two-way (contexts and training seeds) jackknife with a t quantile"
CROSSED = "three-way (contexts, writers and training seeds) jackknife with a t quantile"
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
    [units, clusters]; ``group`` [units], the index of what a unit is a seed of; ``limit`` what intervals lack. Where
    rows lie in clusters of two kinds, ``crossed`` has the same rates by the second kind, and by the pairs of both.
    """

    rates: Floats
    influence: Floats
    rows: Floats
    group: Ints
    limit: str = ""
    crossed: tuple[Rates, Rates] | None = None

    @property
    def method(self) -> str:
        """How intervals are found."""
        return CROSSED if self.crossed else METHOD

    def means(self) -> Floats:
        """The mean rate of each group [groups]; NaN in a group without units."""
        sums = np.bincount(self.group, weights=self.rates)
        counts = np.bincount(self.group)
        return np.asarray(np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0))


@dataclass(frozen=True)
class Spread:
    """The standard error of a figure, its degrees of freedom and the number of clusters that it is worth."""

    error: float
    freedom: float
    clusters: float
    n: int
    limit: str

    @property
    def reach(self) -> float:
        """Half the width of the 95% interval."""
        return quantile(self.freedom) * self.error

    @property
    def nothing_seen(self) -> float:
        """Wilson's 95% upper limit of a share that was 0 in every cluster, clusters being the trials (Wilson 1927)."""
        square = quantile(max(self.freedom, 1)) ** 2
        return square / (self.clusters + square)


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
    rows = np.broadcast_to(np.asarray(rows, dtype=float), hits.shape)
    rates = hits.sum(axis=-1) / rows.sum(axis=-1)
    return Rates(rates, _jackknife(hits, rows), rows, group, limit)


def crossed_ratios(
    hits: Floats, rows: Floats, group: Ints, kinds: Mapping[str, NDArray[np.object_]]
) -> tuple[tuple[str, ...], Rates]:
    """Rates ``hits / rows`` of units [units, rows], whose rows lie in clusters of two ``kinds``, such as their contexts
    and their writers [rows]; and the kinds that intervals keep together.

    A kind is left out, and the limit says so, if a unit has rows of one cluster alone: that tells nothing of others.
    ``rows`` counts a row that a unit has as 1; every unit needs one.
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

    def by(clusters: Ints) -> Rates:
        return ratios(cluster_sums(hits, clusters), cluster_sums(rows, clusters), group, limit)

    if len(ways) < 2:
        return tuple(ways), by(next(iter(ways.values()), np.arange(hits.shape[1])))
    one, other = ways.values()
    pairs = np.unique(one * (other.max() + 1) + other, return_inverse=True)[1].astype(np.int64)
    return tuple(ways), replace(by(one), crossed=(by(other), by(pairs)))


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
    taking_part = np.asarray(weights)[sample.group] != 0
    units, group = np.flatnonzero(taking_part), sample.group[taking_part]
    if not len(units):
        return Spread(0.0, 1.0, 1.0, 0, sample.limit)
    seeds = np.bincount(group, minlength=len(weights)).astype(float)
    over = _over_clusters(sample, units, group, weights, seeds)
    if sample.crossed is not None:
        over = _crossed(over, *(_over_clusters(item, units, group, weights, seeds) for item in sample.crossed))
    several = _over_seeds(sample, units, group, weights, seeds)[seeds > 1]
    limit = _joined(sample.limit, _seed_limit(seeds, weights))
    n = round(float(sample.rows[units].sum(axis=1).max()))
    seeds_sum = float(several.sum())
    variance = max(over.variance + seeds_sum - over.residual, over.variance, seeds_sum)
    variance = variance if variance > _NOTHING else 0.0
    if seeds_sum == 0 or variance == 0:
        return Spread(float(np.sqrt(variance)), over.freedom, over.clusters, n, limit)
    own = seeds[seeds > 1] - 1
    if len(several) == 1:
        net = max(over.variance - over.residual, 0.0)
        combined = _howe(net, over.freedom, seeds_sum, float(own[0]), variance)
    else:
        squares = over.variance**2 / (over.freedom + 2) + float((several**2 / (own + 2)).sum())
        combined = variance**2 / squares - 2
        combined = max(combined, min(over.freedom, float(own.min())))
    return Spread(float(np.sqrt(variance)), combined, over.clusters, n, limit)


@dataclass(frozen=True)
class _Clustered:
    """The variance of a figure over clusters, the part of it that seeds hold too, its degrees of freedom and the number
    of clusters that it is worth."""

    variance: float
    residual: float
    freedom: float
    clusters: float


def _over_clusters(sample: Rates, units: Ints, group: Ints, weights: Floats, seeds: Floats) -> _Clustered:
    rows = sample.rows[units].mean(axis=0)
    share = rows / rows.sum()
    clusters = 1 / float((share**2).sum())
    each = (weights / np.maximum(seeds, 1))[group]
    count = int((rows > 0).sum())
    scale = (count - 1) / count
    variance = scale * float(((each @ sample.influence[units]) ** 2).sum())
    residual = scale * float(_residuals(sample, units, group, weights, seeds).sum())
    return _Clustered(variance, residual, max(clusters - 1, 1.0), clusters)


def _crossed(one: _Clustered, other: _Clustered, pairs: _Clustered) -> _Clustered:
    """Over clusters of both kinds: the sum less what both hold, which is that over their pairs, and not below that
    (Cameron, Gelbach & Miller 2011, JBES 29); by Welch, on no fewer degrees of freedom than the fewer of the two."""
    variance = max(one.variance + other.variance - pairs.variance, pairs.variance)
    residual = max(one.residual + other.residual - pairs.residual, 0.0)
    freedom = min(one.freedom, other.freedom)
    if variance > 0:
        squares = one.variance**2 / (one.freedom + 2) + other.variance**2 / (other.freedom + 2)
        freedom = max(freedom, variance**2 / squares - 2)
    return _Clustered(variance, residual, freedom, min(one.clusters, other.clusters))


def _over_seeds(sample: Rates, units: Ints, group: Ints, weights: Floats, seeds: Floats) -> Floats:
    """For each group the variance of its weighted mean over seeds."""
    rates, counts = sample.rates[units], np.maximum(seeds, 1)
    mean = (np.bincount(group, weights=rates, minlength=len(weights)) / counts)[group]
    return _of_means(weights, seeds) * np.bincount(group, weights=(rates - mean) ** 2, minlength=len(weights))


def _residuals(sample: Rates, units: Ints, group: Ints, weights: Floats, seeds: Floats) -> Floats:
    """For each group the variance of its weighted mean over the residuals of seeds by clusters."""
    influence = sample.influence[units]
    # The squares about a mean, without a matrix of deviations: sum of squares less the square of the sum over n.
    squares = np.bincount(group, weights=(influence**2).sum(axis=1), minlength=len(weights))
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sums = np.add.reduceat(influence[order], starts, axis=0)
    of_sums = np.zeros(len(weights))
    of_sums[group[order][starts]] = (sums**2).sum(axis=1)
    return _of_means(weights, seeds) * np.maximum(squares - of_sums / np.maximum(seeds, 1), 0.0)


def _of_means(weights: Floats, seeds: Floats) -> Floats:
    """What makes of a sum of squares about the mean the variance of the weighted mean; 0 for one seed."""
    divisor = np.where(seeds > 1, seeds * (seeds - 1), 1.0)
    return np.asarray(np.where(seeds > 1, weights**2 / divisor, 0.0))


def _howe(net: float, net_freedom: float, seeds: float, seed_freedom: float, variance: float) -> float:
    """The degrees of freedom at which t gives the width of Howe's interval for a sum of two variances."""
    wide = quantile(net_freedom) ** 2 * net + quantile(seed_freedom) ** 2 * seeds
    needed = float(np.sqrt(wide / variance))
    lowest, highest = min(net_freedom, seed_freedom), 1e6
    if needed <= quantile(highest):
        return highest
    if needed >= quantile(lowest):
        return lowest
    return float(brentq(lambda freedom: quantile(freedom) - needed, lowest, highest))


def _seed_limit(seeds: Floats, weights: Floats) -> str:
    taking_part = seeds[weights != 0]
    if (taking_part <= 1).all():
        return ONE_SEED
    return SOME_ONE_SEED if (taking_part == 1).any() else TWO_SEEDS if (taking_part == 2).any() else ""


def _joined(*limits: str) -> str:
    return "; ".join(limit for limit in limits if limit)


def level(sample: Rates, group: int) -> Estimate:
    """The mean rate of a group with its interval on the scale of log odds, which keeps it within 0 and 1 (Dean &
    Pagano 2015, J. Surv. Stat. Methodol. 3); with Wilson's, clusters being the trials, where nothing varies."""
    seeds = int((sample.group == group).sum())
    if seeds == 0:
        return missing(0, "no version was scored")
    weights = np.zeros(int(sample.group.max()) + 1)
    weights[group] = 1.0
    value = float(sample.means()[group])
    found = spread(sample, weights)
    if found.error == 0 or not 0 < value < 1:
        low, high = _wilson(value, found)
        return Estimate(found.n, value, low, high, "Wilson, with contexts as trials", found.limit)
    centre, reach = np.log(value / (1 - value)), found.reach / (value * (1 - value))
    low, high = (1 / (1 + np.exp(-np.clip(end, -700, 700))) for end in (centre - reach, centre + reach))
    return Estimate(found.n, value, float(low), float(high), sample.method, found.limit)


def _wilson(value: float, found: Spread) -> tuple[float, float]:
    ratio = quantile(found.freedom) ** 2 / found.clusters
    middle = (value + ratio / 2) / (1 + ratio)
    half = float(np.sqrt(ratio * value * (1 - value) + ratio**2 / 4)) / (1 + ratio)
    return min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value)


def contrast(sample: Rates, weights: Floats) -> tuple[Estimate, float | None]:
    """``weights @ means`` over groups, a difference of shares, with its interval and the p value of no difference.

    Where no cluster and no seed differs, the interval reaches as far as a difference could have stayed unseen, and
    there is a p value (1) only if the figure itself is 0.
    """
    weights = np.asarray(weights, dtype=float)
    used = weights != 0
    value = float(weights[used] @ sample.means()[used])
    found = spread(sample, weights)
    if found.error == 0:
        reach = found.nothing_seen
        limit = _joined(found.limit, "no context told the two apart")
        p = 1.0 if value == 0 else None
    else:
        reach, limit = found.reach, found.limit
        p = min(2 * float(stdtr(found.freedom, -abs(value) / found.error)), 1.0)
    return Estimate(found.n, value, max(value - reach, -1.0), min(value + reach, 1.0), sample.method, limit), p


def fewer(errors: Rates, group: int, reference: int) -> Estimate:
    """By which share ``group`` makes fewer errors than ``reference``: 1 less the ratio of their error rates.

    The interval is that of the logarithm of the ratio (Katz et al. 1978, Biometrics 34) with the two-way spread; where
    the group makes no errors, from the limits of the two rates (Donner & Zou 2012, Stat. Methods Med. Res. 21).
    """
    own, other = (float(errors.means()[index]) for index in (group, reference))
    weights = np.zeros(int(errors.group.max()) + 1)
    if other == 0:
        rows = errors.rows[errors.group == reference].sum(axis=1)
        return missing(round(float(rows.max())), "the reference made no errors")
    weights[reference] = -1 / other
    if own == 0:
        top, bottom = level(errors, group), level(errors, reference)
        assert top.high is not None
        assert bottom.low is not None
        ratio = top.high / float(np.sqrt(bottom.low * (2 * other - bottom.low)))
        return Estimate(top.n, 1.0, 1 - ratio, 1.0, "limits of the two error rates", bottom.limit)
    weights[group] = 1 / own
    found = spread(errors, weights)
    ratio = own / other
    if found.error == 0:
        reach = found.nothing_seen / other
        limit = _joined(found.limit, "no context told the two apart")
        return Estimate(found.n, 1 - ratio, 1 - ratio - reach, min(1 - ratio + reach, 1.0), errors.method, limit)
    ends = [1 - ratio * float(np.exp(np.clip(sign * found.reach, -50, 50))) for sign in (1, -1)]
    return Estimate(
        found.n, 1 - ratio, ends[0], ends[1], errors.method + ", on the logarithm of the ratio", found.limit
    )
