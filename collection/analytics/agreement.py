"""How far people who label the same texts agree, corrected for chance, with intervals over contexts.

Every statistic is a function of sums over texts, so that leaving out a context is a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from collection.analytics.clustered import Codes, Numbers, leave_one_out, per_cluster, rows_or_clusters, share
from collection.analytics.metrics import Estimate, missing


@dataclass(frozen=True)
class Agreement:
    """Agreement of label votes on ``texts`` texts, ``paired`` of which have at least two.

    ``pairwise``: the chance that two votes on a text agree, the mean over texts. ``alpha``, ``kappa``, ``ac1``:
    corrected for the agreement of votes given at random, each with its own idea of that.
    """

    texts: int
    paired: int
    pairwise: Estimate
    alpha: Estimate
    kappa: Estimate
    ac1: Estimate


def agreement(counts: Numbers, contexts: Codes) -> Agreement:
    """All statistics of ``counts`` [texts, labels]: how many label votes name each label; flags are none of them.

    ``contexts`` has the cluster of each text. The number of votes may differ between texts.
    """
    votes = counts.sum(axis=1)
    counts, contexts, votes = counts[votes > 0], contexts[votes > 0], votes[votes > 0]
    paired = votes > 1
    count = int(np.count_nonzero(paired))
    if count == 0:
        nothing = missing(0, "no text has two label votes")
        return Agreement(len(counts), 0, nothing, nothing, nothing, nothing)
    agreeing = (counts * (counts - 1)).sum(axis=1)
    at_random = np.divide(agreeing, votes * (votes - 1), out=np.zeros_like(votes), where=paired)
    clusters, method, limit = rows_or_clusters(contexts, "context")
    pairable = counts * paired[:, None]
    weighted = at_random * votes
    columns = (paired.astype(float), at_random, weighted, *pairable.T, *(counts / votes[:, None]).T)
    sums, labels = per_cluster(clusters, *columns), counts.shape[1]

    def chance_corrected(statistic: Callable[[Numbers, int], Numbers]) -> Estimate:
        value = float(statistic(sums.sum(axis=0), labels))
        if not np.isfinite(value):
            return missing(count, "all votes name one label, so chance alone would make them agree")
        spread = leave_one_out(sums, sums[:, 0], lambda each: statistic(each, labels))
        if value > 1 - 1e-9 or spread is None or spread.variance <= 0:
            why = "all votes agree" if value > 1 - 1e-9 else "the spread between contexts cannot be told"
            return Estimate(count, value, None, None, limit=f"{why}: no interval")
        # On the log scale of observed over expected disagreement, as no agreement is above 1.
        factor = float(np.exp(min(spread.interval(1 / (1 - value)), 700.0)))
        low, high = 1 - (1 - value) * factor, 1 - (1 - value) / factor
        return Estimate(count, value, max(-1.0, low), high, method, limit)

    return Agreement(
        texts=len(counts),
        paired=count,
        pairwise=share(at_random[paired], contexts[paired], "context"),
        alpha=chance_corrected(_alpha),
        kappa=chance_corrected(_kappa),
        ac1=chance_corrected(_ac1),
    )


def _alpha(sums: Numbers, labels: int) -> Numbers:
    """Krippendorff's alpha for nominal data (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"): one less
    observed over expected disagreement, both from the coincidences of votes on texts that have two or more."""
    named = sums[..., 3 : 3 + labels]
    n = named.sum(axis=-1)
    observed = n - sums[..., 2]
    expected = _over(n * n - (named**2).sum(axis=-1), n - 1)
    return 1 - _over(observed, expected)


def _kappa(sums: Numbers, labels: int) -> Numbers:
    """Fleiss' kappa (Fleiss 1971, Psychological Bulletin 76), generalised to unequal numbers of votes as by Gwet (2014,
    "Handbook of Inter-Rater Reliability", 4th ed.): observed agreement is the mean over texts with two votes or more,
    and the share of a label the mean over texts of its share of their votes."""
    expected = (_label_shares(sums, labels) ** 2).sum(axis=-1)
    return _corrected(sums, expected)


def _ac1(sums: Numbers, labels: int) -> Numbers:
    """Gwet's AC1 (Gwet 2008, British Journal of Mathematical and Statistical Psychology 61), which stays apart from
    kappa's collapse where nearly all votes name one label. Observed agreement and shares as for kappa."""
    shares = _label_shares(sums, labels)
    return _corrected(sums, (shares * (1 - shares)).sum(axis=-1) / max(labels - 1, 1))


def _label_shares(sums: Numbers, labels: int) -> Numbers:
    shares = sums[..., 3 + labels :]
    return np.asarray(shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-12))


def _corrected(sums: Numbers, expected: Numbers) -> Numbers:
    return _over(_over(sums[..., 1], sums[..., 0]) - expected, 1 - expected)


def _over(numerator: Numbers, denominator: Numbers) -> Numbers:
    """The quotient, and NaN where there is none."""
    gap = np.full(np.shape(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=gap, where=np.abs(denominator) > 1e-12))
