"""Differences between groups of versions on clustered rows, and by which share one makes fewer errors."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, isnan, sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from collection.analytics.metrics import Estimate, joined, missing, untold
from collection.analytics.sign_flips import p_values
from collection.analytics.two_way import LEVEL, Floats, Rates, Spread, level, spreads

_WIDEST = 10.0  # an interval of errors that reaches to more than so many times as many says nothing
_FEW = "so few rows differ that chance could do as much, and the interval is widened to say so"


def contrast(sample: Rates, weights: Floats) -> tuple[Estimate, float]:
    """``weights @ means`` over groups, a difference of shares, with its interval and the p value of no difference; the
    interval does not hold 0 where that is below 0.05.

    Where no cluster and no seed differs, both are of a bound on what was not seen, clusters being trials. Where few
    of the rows that all groups share differ, p is not below that of :func:`p_values`, which is exact.
    """
    return contrasts(sample, np.asarray(weights, dtype=float)[None])[0]


def contrasts(sample: Rates, weights: Floats) -> list[tuple[Estimate, float]]:
    """:func:`contrast` for each of many weights [figures, groups]."""
    values = weights @ np.nan_to_num(sample.means())
    figures = zip(values.tolist(), spreads(sample, weights), of_few(sample, weights), strict=True)
    return [_contrast(*each, sample.method) for each in figures]


def of_few(sample: Rates, weights: Floats) -> list[float]:
    """For each of many weights [figures, groups] that sum to 0 the exact p value where few rows differ; NaN where many
    do, or where groups have rows of their own."""
    if sample.hits is None:
        return [np.nan] * len(weights)
    each = sample.summed(sample.hits) / np.maximum(sample.seeds, 1)[:, None]
    return [float(p) for p in p_values(weights @ each)]


def _contrast(value: float, found: Spread, exact: float, method: str) -> tuple[Estimate, float]:
    if found.error == 0:
        alike = _alike(value, found)
        return Estimate(found.n, value, alike.low, alike.high, alike.method, alike.limit), alike.p
    p = min(2 * float(stdtr(found.freedom, -abs(value) / found.error)), 1.0)
    reach, limit = _widened(value, found, exact)
    low, high = max(value - reach, -1.0), min(value + reach, 1.0)
    return Estimate(found.n, value, low, high, method, limit), p if isnan(exact) else max(p, exact)


def _widened(value: float, found: Spread, exact: float) -> tuple[float, str]:
    """Half the width of the interval, and what it lacks: it holds no difference where the ``exact`` p value says that
    the few rows that differ could do so by chance."""
    if exact > 2 * (1 - LEVEL) and found.reach < abs(value):
        return abs(value), joined(found.limit, _FEW)
    return found.reach, found.limit


class _Alike(NamedTuple):
    """The ends of the interval of a difference that is the same in every cluster, and the p value of none."""

    low: float
    high: float
    p: float
    method: str
    limit: str


def _alike(value: float, found: Spread) -> _Alike:
    """So many clusters as may be unlike those seen (Clopper & Pearson 1934, Biometrika 26) may be so as far as can be:
    -1 or 1. The p value is of the same bound: if the difference is 0 on average, a cluster has this one with a chance
    of at most 1 / (1 + abs(value)). Of rows that one side alone gets right, all of them, that is the sign test. Unequal
    clusters count as fewer (Kish): there the bound is a wide one.
    """
    unseen = 1 - (1 - LEVEL) ** (1 / found.clusters)
    low, high = max(value - unseen * (1 + value), -1.0), min(value + unseen * (1 - value), 1.0)
    p = min(2 * (1 + abs(value)) ** -found.clusters, 1.0)
    seen = f"all {found.kind}s differ alike" if value else f"no {found.kind} told the two apart"
    return _Alike(low, high, p, f"Clopper-Pearson, with {found.kind}s as trials", joined(found.limit, seen))


def fewer(errors: Rates, group: int, reference: int) -> Estimate:
    """By which share ``group`` makes fewer errors than ``reference``: 1 less the ratio of their error rates.

    The interval is that of the logarithm of the ratio (Katz et al. 1978, Biometrics 34) with the two-way spread; where
    the group makes no errors, from the limits of the two rates (Donner & Zou 2012, Stat. Methods Med. Res. 21); where
    no cluster differs, that of the difference, as a share of the reference's errors. None where it reaches beyond ten
    times as many errors as were found or as the reference made.
    """
    return fewer_each(errors, [(group, reference)])[0]


def fewer_each(errors: Rates, pairs: Sequence[tuple[int, int]]) -> list[Estimate]:
    """:func:`fewer` for each of many groups with its reference."""
    means = errors.means()
    weights = np.zeros((len(pairs), len(means)))
    for row, (group, reference) in zip(weights, pairs, strict=True):
        if means[reference] > 0:
            row[reference] = -1 / means[reference]
            row[group] = 1 / means[group] if means[group] > 0 else 0.0
    differences = np.zeros_like(weights)
    for row, (group, reference) in zip(differences, pairs, strict=True):
        row[reference], row[group] = 1, -1
    figures = zip(pairs, spreads(errors, weights), of_few(errors, differences), strict=True)
    return [_fewer(errors, *pair, found, exact) for pair, found, exact in figures]


def _fewer(errors: Rates, group: int, reference: int, found: Spread, exact: float) -> Estimate:
    own, other = (float(errors.means()[index]) for index in (group, reference))
    if other == 0:
        return missing(round(float(errors.most[reference])), "the reference made no errors")
    ratio = own / other
    if found.error == 0:
        alike = _alike(other - own, found)
        ends = ((other - alike.high) / other, (other - alike.low) / other)
        return _spared(found.n, ratio, ends, alike.method, alike.limit)
    # As of the difference: the two must not contradict each other.
    by_chance = _FEW if exact > 2 * (1 - LEVEL) else ""
    if own == 0:
        top, bottom = level(errors, group), level(errors, reference)
        assert top.high is not None
        assert bottom.low is not None
        most = top.high / sqrt(bottom.low * (2 * other - bottom.low))
        return _spared(top.n, 0.0, (0.0, most), "limits of the two error rates", bottom.limit, by_chance)
    if found.error == inf:
        return untold(found.n, f"one {found.kind} alone tells nothing of others")
    least, most = (ratio * exp(min(max(sign * found.reach, -50.0), 50.0)) for sign in (-1, 1))
    method = errors.method + ", on the logarithm of the ratio"
    return _spared(found.n, ratio, (least, most), method, found.limit, by_chance)


def _spared(n: int, ratio: float, ends: tuple[float, float], method: str, limit: str, by_chance: str = "") -> Estimate:
    """1 less a ratio of error rates with the ``ends`` of its interval, if these say anything; the interval holds no
    difference where that could be ``by_chance``."""
    least, most = ends
    if by_chance and not least <= 1 <= most:
        least, most, limit = min(least, 1.0), max(most, 1.0), joined(limit, by_chance)
    if most > _WIDEST * max(ratio, 1.0):
        why = "too few errors: the interval would reach beyond ten times as many"
        return Estimate(n, 1 - ratio, None, None, limit=why)
    return Estimate(n, 1 - ratio, 1 - most, 1 - max(least, 0.0), method, limit)
