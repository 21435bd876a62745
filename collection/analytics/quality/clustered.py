"""Means and shares of rows that are not independent: one writer's texts are alike, and so are one context's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from collection.analytics.metrics import Estimate, missing

Floats = NDArray[np.float64]
_UNKNOWN = "all examples are of one writer and one context, so nothing tells how far others would differ"
_ALIKE = "all are alike in this: nothing tells how far others would differ"
_NOTHING = 1e-24  # below it, at the figure's own scale, a variance is what sums of floating-point numbers leave behind


def mean(values: ArrayLike, clusters: Sequence[ArrayLike], nothing: str = "there are no examples") -> Estimate:
    """The mean of the values that are known (not NaN), each row being in one cluster of each clustering: a context,
    "" where the task has none, and a writer. Where all are of one context or writer the limit says so.

    The interval is Student's t with cluster-robust variance: over one clustering as in Liang & Zeger (1986), over two
    as in Cameron, Gelbach & Miller (2011, "Robust inference with multiway clustering"), with one degree of freedom
    less than the fewest clusters. Where no cluster differs there is none. ``nothing`` says why there may be no values.
    """
    known, codes = _known(values, clusters)
    if len(known) == 0:
        return missing(0, nothing)
    value = float(known.mean())
    return _about(from_influence(value, len(known), (known - value) / len(known), codes), values, clusters)


def share(hits: ArrayLike, clusters: Sequence[ArrayLike], nothing: str = "there are no examples") -> Estimate:
    """A share of rows: of those that are not NaN, the ones that are 1.

    The interval is Wilson's on the effective number of rows, the number of independent ones that would tell as much,
    with Student's quantile (Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data"). Where all rows are alike, which tells nothing about clustering, they
    are taken as independent, as in Parker et al. 2017 ("National Center for Health Statistics data presentation
    standards for proportions"), and the limit says so, as it does of one context or writer.
    """
    return _about(_share(hits, clusters, nothing), hits, clusters)


def _share(hits: ArrayLike, clusters: Sequence[ArrayLike], nothing: str = "") -> Estimate:
    known, codes = _known(hits, clusters)
    if len(known) == 0:
        return missing(0, nothing)
    value, n = float(known.mean()), len(known)
    variance, freedom = _variance((known - value) / n, codes)
    if freedom < 1:
        return Estimate(n, value, None, None, limit=_UNKNOWN)
    effective = min(n, value * (1 - value) / variance) if variance > 0 else n
    low, high = _wilson(value, effective, float(student.ppf(0.975, freedom)))
    limit = "" if variance > 0 else "all examples are alike in this: the interval takes them as independent"
    return Estimate(n, value, low, high, f"Wilson, {_names(codes)}", limit)


def difference(hits: ArrayLike, of: ArrayLike, clusters: Sequence[ArrayLike]) -> Estimate:
    """The share among the rows in ``of`` (flags) less the share among the others, as in ``mean``.

    Where each is 0 or 1 rows show no spread, and the interval is from the two shares' own limits by Newcombe's hybrid
    method (1998, Stat. Med. 17, "Interval estimation for the difference between independent proportions", method 10).
    """
    return _about(_difference(hits, of, clusters), hits, clusters)


def _difference(hits: ArrayLike, of: ArrayLike, clusters: Sequence[ArrayLike]) -> Estimate:
    known, codes = _known(hits, [of, *clusters])
    inside, codes = codes[0].astype(bool), codes[1:]
    if not inside.any() or inside.all():
        return missing(len(known), "there is nothing to compare with")
    one, other = float(known[inside].mean()), float(known[~inside].mean())
    influence = np.where(inside, (known - one) / inside.sum(), -(known - other) / (~inside).sum())
    if one == other and one in (0.0, 1.0):
        return Estimate(len(known), 0.0, None, None, limit="all examples are alike in this")
    if {one, other} == {0.0, 1.0}:
        return _hybrid(*(_share(known[side], [item[side] for item in codes]) for side in (inside, ~inside)))
    return from_influence(one - other, len(known), influence, codes, bounds=(-1.0, 1.0))


def from_influence(
    value: float,
    n: int,
    influence: Floats,
    codes: Sequence[NDArray[np.int64]],
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """An estimate whose error is the sum of its rows' influences, as in ``mean``."""
    variance, freedom = _variance(influence, codes)
    if freedom < 1:
        return Estimate(n, value, None, None, limit=_UNKNOWN)
    if _is_nothing(variance, value):
        return Estimate(n, value, None, None, limit=_ALIKE)
    half = float(student.ppf(0.975, freedom)) * variance**0.5
    return Estimate(n, value, max(bounds[0], value - half), min(bounds[1], value + half), f"t, {_names(codes)}")


def jackknife(n: int, value: float, without: Floats) -> Estimate:
    """An estimate with its interval from what it is without each cluster (Efron & Stein 1981; Student's t)."""
    count = len(without)
    if count < 2:
        return Estimate(n, value, None, None, limit=_UNKNOWN)
    variance = (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    if _is_nothing(variance, value):
        return Estimate(n, value, None, None, limit=_ALIKE)
    half = float(student.ppf(0.975, count - 1)) * variance**0.5
    return Estimate(n, value, max(0.0, value - half), value + half, f"jackknife over {count} clusters")


def clearly_apart(one: Estimate, other: Estimate) -> bool:
    """Whether two intervals do not overlap: stricter than a test of the difference, so it errs towards "cannot tell"
    (Schenker & Gentleman 2001, "On judging the significance of differences by examining the overlap")."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low > other.high or other.low > one.high


def _about(found: Estimate, values: ArrayLike, clusters: Sequence[ArrayLike]) -> Estimate:
    """An estimate whose limit says what its interval is not about, if it has one: contexts or writers, where the rows
    are all of a single one."""
    if found.low is None:
        return found
    kept = ~np.isnan(np.asarray(values, dtype=float))
    limits = [found.limit] if found.limit else []
    for name, item in zip(("context", "writer"), clusters, strict=False):
        if single(np.asarray(item)[kept]):
            limits.append(f"all examples are of one {name}: the interval is not about other {name}s")
    return replace(found, limit="; ".join(limits))


def single(names: ArrayLike) -> bool:
    """Whether all rows are of one cluster that has a name: "" is none."""
    found = pd.unique(np.asarray(names))
    return len(found) == 1 and found[0] != ""


def _is_nothing(variance: float, value: float) -> bool:
    return variance <= _NOTHING * max(1.0, value**2)


def _hybrid(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two shares of different rows, by squaring and adding the distances to their limits."""
    n = one.n + other.n
    assert one.value is not None
    assert other.value is not None
    value = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Estimate(n, value, None, None, limit=_ALIKE)
    low = value - float(np.hypot(one.value - one.low, other.high - other.value))
    high = value + float(np.hypot(one.high - one.value, other.value - other.low))
    return Estimate(n, value, max(-1.0, low), min(1.0, high), "Newcombe's hybrid of Wilson's limits", one.limit)


def _known(values: ArrayLike, clusters: Sequence[ArrayLike]) -> tuple[Floats, list[NDArray[np.int64]]]:
    numbers = np.asarray(values, dtype=float)
    kept = ~np.isnan(numbers)
    return numbers[kept], [pd.factorize(np.asarray(item)[kept], sort=True)[0] for item in clusters]


def _variance(influence: Floats, codes: Sequence[NDArray[np.int64]]) -> tuple[float, int]:
    """The variance and its degrees of freedom, over the clusterings of more than one cluster."""
    used = [item for item in codes if item.max(initial=0) > 0]
    if not used:
        return 0.0, 0
    alone = [_summed(influence, item) for item in used]
    crossed = sum(_summed(influence, one * (int(other.max()) + 1) + other) for one, other in combinations(used, 2))
    # The difference of variances can be below any one of them, or below zero, by chance.
    return max(*alone, sum(alone) - crossed, 0.0), min(int(item.max()) for item in used)


def _summed(influence: Floats, codes: NDArray[np.int64]) -> float:
    _, dense = np.unique(codes, return_inverse=True)
    sums = np.bincount(dense, weights=influence)
    return float((sums**2).sum()) * len(sums) / max(1, len(sums) - 1)


def _wilson(value: float, n: float, quantile: float) -> tuple[float, float]:
    square = quantile**2 / n
    centre, half = value + square / 2, quantile * (value * (1 - value) / n + square / (4 * n)) ** 0.5
    return max(0.0, (centre - half) / (1 + square)), min(1.0, (centre + half) / (1 + square))


def _names(codes: Sequence[NDArray[np.int64]]) -> str:
    counts = [str(int(item.max()) + 1) for item in codes if item.max(initial=0) > 0]
    return f"{' and '.join(counts)} clusters"
