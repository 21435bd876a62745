"""Rates of versions on clustered rows: their spread over contexts and over training seeds, from one table of sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from collection.analytics.metrics import Estimate, missing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.975
METHOD = "two-way (contexts and training seeds) jackknife with a t quantile"
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
    [units, clusters]; ``group`` [units], the index of what a unit is a seed of; ``limit`` what intervals lack.
    """

    rates: Floats
    influence: Floats
    rows: Floats
    group: Ints
    limit: str = ""

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
    rows = sample.rows[units].mean(axis=0)
    share = rows / rows.sum()
    clusters = 1 / float((share**2).sum())
    seeds = np.bincount(group, minlength=len(weights)).astype(float)
    each = (weights / np.maximum(seeds, 1))[group]
    count = int((rows > 0).sum())
    scale = (count - 1) / count
    over_clusters = scale * float(((each @ sample.influence[units]) ** 2).sum())
    over_seeds, residual = _seed_variances(sample, units, group, weights, seeds)
    several = over_seeds[seeds > 1]
    residual_sum = scale * float(residual.sum())
    limit = _joined(sample.limit, _seed_limit(seeds, weights))
    n = round(float(sample.rows[units].sum(axis=1).max()))
    freedom = max(clusters - 1, 1.0)
    seeds_sum = float(several.sum())
    variance = max(over_clusters + seeds_sum - residual_sum, over_clusters, seeds_sum)
    variance = variance if variance > _NOTHING else 0.0
    if seeds_sum == 0 or variance == 0:
        return Spread(float(np.sqrt(variance)), freedom, clusters, n, limit)
    own = seeds[seeds > 1] - 1
    if len(several) == 1:
        combined = _howe(max(over_clusters - residual_sum, 0.0), freedom, seeds_sum, float(own[0]), variance)
    else:
        squares = over_clusters**2 / (freedom + 2) + float((several**2 / (own + 2)).sum())
        combined = variance**2 / squares - 2
        combined = max(combined, min(freedom, float(own.min())))
    return Spread(float(np.sqrt(variance)), combined, clusters, n, limit)


def _seed_variances(sample: Rates, units: Ints, group: Ints, weights: Floats, seeds: Floats) -> tuple[Floats, Floats]:
    """For each group the variance of its weighted mean over seeds, and of the residuals of seeds by clusters."""
    divisor = np.where(seeds > 1, seeds * (seeds - 1), 1.0)
    factor = np.where(seeds > 1, weights**2 / divisor, 0.0)
    rates, influence = sample.rates[units], sample.influence[units]
    counts = np.maximum(seeds, 1)
    mean = (np.bincount(group, weights=rates, minlength=len(weights)) / counts)[group]
    between = np.bincount(group, weights=(rates - mean) ** 2, minlength=len(weights))
    # The squares about a mean, without a matrix of deviations: sum of squares less the square of the sum over n.
    squares = np.bincount(group, weights=(influence**2).sum(axis=1), minlength=len(weights))
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sums = np.add.reduceat(influence[order], starts, axis=0)
    of_means = np.zeros(len(weights))
    of_means[group[order][starts]] = (sums**2).sum(axis=1)
    residual = np.maximum(squares - of_means / counts, 0.0)
    return factor * between, factor * residual


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
    return Estimate(found.n, value, float(low), float(high), METHOD, found.limit)


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
    return Estimate(found.n, value, max(value - reach, -1.0), min(value + reach, 1.0), METHOD, limit), p


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
        return Estimate(found.n, 1 - ratio, 1 - ratio - reach, min(1 - ratio + reach, 1.0), METHOD, limit)
    ends = [1 - ratio * float(np.exp(np.clip(sign * found.reach, -50, 50))) for sign in (1, -1)]
    return Estimate(found.n, 1 - ratio, ends[0], ends[1], METHOD + ", on the logarithm of the ratio", found.limit)
