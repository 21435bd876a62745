"""How work is spread over writers, and how much writers differ in what their texts do. Functions over arrays."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, f

from collection.analytics.clustered import Codes, Numbers, leave_one_out
from collection.analytics.metrics import Estimate, missing

_LESS_THAN_CHANCE = "writers differ less than chance alone would make them: no interval"
_ALIKE = "the texts of each writer had all the same outcome in a round"


def gini(counts: Numbers) -> float:
    """The Gini coefficient of how work is shared: 0 if all did equally much, near 1 if one did it all (Gini 1912).

    ``counts`` are positive, one a writer. Half the mean difference between two writers over the mean.
    """
    ranked, n = np.sort(counts), len(counts)
    return float(2 * np.sum(np.arange(1, n + 1) * ranked) / (n * ranked.sum()) - (n + 1) / n)


def effective_number(counts: Numbers) -> float:
    """How many equally busy writers would be as concentrated: one over Herfindahl's index (Laakso & Taagepera 1979)."""
    return float(counts.sum() ** 2 / np.sum(counts**2))


def top_share(counts: Numbers, top: int) -> float:
    """The share of all work that the ``top`` busiest did."""
    return float(np.sort(counts)[::-1][:top].sum() / counts.sum())


def intraclass_correlation(happened: Numbers, writers: Codes, rounds: Codes) -> Estimate:
    """The part of the variance of a yes-or-no outcome that lies between writers, within rounds; ``n`` is the writers.

    Variance components by Henderson's method 3 with fixed rounds and random writers (Searle, Casella & McCulloch 1992,
    "Variance Components", chapter 5), so that easier rounds do not pass for better writers, whether writers work in one
    round or in many. With one round it is the ANOVA estimator, which does well for binary data (Ridout, Demétrio &
    Firth 1999, Biometrics 55). The interval is Searle's, from F (Ukoumunne 2002, Statistics in Medicine 21), with
    Satterthwaite's degrees of freedom, as unequally busy writers tell less. Estimates below 0 are given as 0, without
    an interval where all of it would lie there.
    """
    writers, rounds = np.unique(writers, return_inverse=True)[1], np.unique(rounds, return_inverse=True)[1]
    if len(happened) == 0:
        return missing(0, "there are no texts")
    people, periods = int(writers.max()) + 1, int(rounds.max()) + 1
    if people < 2:
        return missing(people, "there is one writer")
    cells = np.bincount(rounds * people + writers, minlength=periods * people).reshape(periods, people).astype(float)
    sizes = cells.sum(axis=1)
    level = np.bincount(rounds, weights=happened) / sizes
    # What writers explain beyond rounds: the reduction of the sum of squares by their dummies.
    design = np.diag(cells.sum(axis=0)) - cells.T @ (cells / sizes[:, None])
    excess = np.bincount(writers, weights=happened) - cells.T @ level
    roots, axes = np.linalg.eigh(design)
    kept = roots > 1e-9 * max(float(roots[-1]), 1.0)
    rank = int(np.count_nonzero(kept))
    rest = len(happened) - periods - rank
    if rank < 1 or rest < 1:
        return missing(people, "no writer shares a round with another, or none wrote more than one text")
    between = float(np.sum((axes[:, kept].T @ excess) ** 2 / roots[kept]))
    within = max(float(np.sum((happened - level[rounds]) ** 2)) - between, 0.0) / rest
    if within <= 1e-12:
        return missing(people, _ALIKE)
    ratio, size = between / rank / within, float(roots[kept].mean())
    # Who shares a round wrote one text in it, so the correlation rests on another round and can be 0 over 0.
    if size - 1 <= 1e-6:
        return missing(people, "hardly any writer wrote two texts in a round")

    def correlation(by: float) -> float:
        return float(np.clip((ratio / by - 1) / (ratio / by + size - 1), 0, 1))

    found = correlation(1.0)
    # The mean square is a weighted sum of squares of normals: its weights as the estimate has them.
    weights = 1 + found / max(1 - found, 1e-9) * roots[kept]
    df = float(weights.sum() ** 2 / np.sum(weights**2))
    low, high = (correlation(float(f.ppf(tail, df, rest))) for tail in (0.975, 0.025))
    if high == 0:
        return Estimate(people, found, None, None, limit=_LESS_THAN_CHANCE)
    return Estimate(people, found, low, high, "variance components, F with Satterthwaite's degrees of freedom")


def without_each(happened: Numbers, writers: Codes) -> Numbers:
    """The share without each writer in turn, in ascending order of ``writers``; NaN without an only one."""
    sums = _by_writer(writers, happened, np.ones(len(happened)))
    rest = sums.sum(axis=0) - sums
    return np.asarray(np.divide(rest[:, 0], rest[:, 1], out=np.full(len(rest), np.nan), where=rest[:, 1] > 0))


def _by_writer(writers: Codes, *columns: Numbers) -> Numbers:
    """Sums [writers, columns] of row columns, over the writers that have rows."""
    present = np.bincount(writers) > 0
    return np.column_stack([np.bincount(writers, weights=column)[present] for column in columns])


def funnel(p: float, n: Numbers, level: float = 0.95) -> tuple[Numbers, Numbers]:
    """Within which limits the share of ``n`` texts lies if their writer is like all others, with chance ``level``.

    Binomial limits (Spiegelhalter 2005, "Funnel plots for comparing institutional performance", Statistics in Medicine
    24), not smoothed: with few texts nobody lies outside.
    """
    low, high = (binom.ppf(tail, n, p) / n for tail in ((1 - level) / 2, (1 + level) / 2))
    return low, high


def practice(happened: Numbers, ordinals: Numbers, writers: Codes, cells: Codes) -> Estimate:
    """How much more frequent the outcome is with each doubling of a writer's number of texts, within ``cells``.

    A cell is a writer in a round: the same person against the same model, so that neither who writes nor the model can
    pass for practice. Least squares on the logarithm of ``ordinals`` (the writer's first text is 1), clustered by
    writer; ``n`` counts texts. Missing where fewer than two writers wrote more than one text in a round, or where
    outcomes do not differ within cells.
    """
    if len(happened) == 0:
        return missing(0, "there are no texts")
    size = np.bincount(cells)
    x, y = (
        column - (np.bincount(cells, weights=column) / np.maximum(size, 1))[cells]
        for column in (np.log2(ordinals), happened)
    )
    sums = _by_writer(writers, x * y, x * x)
    spread = leave_one_out(sums, sums[:, 1], lambda each: each[..., 0] / np.maximum(each[..., 1], 1e-12))
    if spread is None:
        return missing(len(happened), "too few writers wrote several texts in a round")
    if not np.any(np.abs(y) > 1e-12):
        return missing(len(happened), _ALIKE if np.ptp(happened) else "all texts had the same outcome")
    if spread.variance <= 1e-24:
        return missing(len(happened), "the spread between writers cannot be told")
    half = spread.interval()
    return Estimate(
        len(happened), spread.value, spread.value - half, spread.value + half, "clustered by writer (CR2, t)"
    )
