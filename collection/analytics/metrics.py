"""Shares and their intervals. Pure functions over arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri


# With slots, as reports hold thousands of them.
@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval and the number of things it is from; all None where there are no data.

    ``method`` says how the interval was found. ``limit`` says what the figure or its interval lacks, or how far it
    can be trusted: "not enough data: …". No figure is ever NaN or infinite.
    """

    n: int
    value: float | None
    low: float | None
    high: float | None
    method: str = ""
    limit: str = ""


def missing(n: int, why: str) -> Estimate:
    """The figure that cannot be given: ``why`` ends the sentence "not enough data: …"."""
    return Estimate(n, None, None, None, limit=f"not enough data: {why}")


def untold(n: int, why: str) -> Estimate:
    """The figure that these data do not tell, however many they are: ``why`` says so by itself."""
    return Estimate(n, None, None, None, limit=why)


def joined(*limits: str) -> str:
    """What limits say together."""
    return "; ".join(filter(None, limits))


@dataclass(frozen=True)
class Accuracy:
    """Accuracy and balanced accuracy (mean recall over the labels that occur), each with its interval; beside them
    the share of the commonest label (what always saying it would score) and of each predicted label."""

    accuracy: Estimate
    balanced: Estimate
    majority: float
    predicted_shares: tuple[float, ...]


_QUANTILE = float(ndtri(0.975))


def share(successes: int, n: int) -> Estimate:
    """A share with Wilson's 95% score interval (Wilson 1927, JASA 22). No interval without trials."""
    if n == 0:
        return missing(0, "there is nothing to take a share of")
    p, z = successes / n, _QUANTILE
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)
    return Estimate(n, p, low, high, "Wilson")


def accuracy(
    gold: Sequence[int],
    predicted: Sequence[int],
    clusters: Sequence[str],
    labels: int,
    draws: int = 2000,
    seed: int = 0,
) -> Accuracy:
    """Accuracy of ``predicted`` against ``gold`` (label indices below ``labels``, one a row).

    The intervals are percentile bootstraps over clusters, as rows of one context are not independent (Cameron,
    Gelbach & Miller 2008, "Bootstrap-based improvements for inference with clustered errors"). They hold the model
    fixed: they are about the test rows, not about training seeds. Raises ValueError for no rows or unequal lengths.
    """
    if not len(gold) == len(predicted) == len(clusters) or len(gold) == 0:
        raise ValueError("needs at least one row, and as many predictions and clusters as gold labels")
    truth, guess = np.asarray(gold), np.asarray(predicted)
    names, cluster = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    totals = np.zeros((len(names), labels))
    hits = np.zeros((len(names), labels))
    np.add.at(totals, (cluster, truth), 1)
    np.add.at(hits, (cluster, truth), (truth == guess).astype(float))
    weights = (
        np.random.default_rng(seed)
        .multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        .astype(float)
    )
    drawn_totals, drawn_hits = weights @ totals, weights @ hits
    overall = drawn_hits.sum(axis=1) / drawn_totals.sum(axis=1)
    everything = np.ones((1, len(names)))
    balanced = _balanced(drawn_hits, drawn_totals)
    return Accuracy(
        accuracy=_estimate(len(truth), float(np.mean(truth == guess)), overall),
        balanced=_estimate(len(truth), float(_balanced(everything @ hits, everything @ totals)[0]), balanced),
        majority=float(np.bincount(truth, minlength=labels).max() / len(truth)),
        predicted_shares=tuple((np.bincount(guess, minlength=labels) / len(guess)).tolist()),
    )


def _balanced(hits: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean recall a row of [draws, labels], over the labels that a draw has."""
    recall = np.divide(hits, totals, out=np.full_like(hits, np.nan), where=totals > 0)
    return np.asarray(np.nanmean(recall, axis=1))


def _estimate(n: int, value: float, draws: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(n, value, float(low), float(high))
