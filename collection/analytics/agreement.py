"""How far people who label the same texts agree, corrected for chance, with intervals over contexts.

Every statistic is a function of sums over texts, so that leaving out a context is a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from collection.analytics.clustered import Clusters, Codes, Numbers, Spread
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
    return agreements(counts, contexts, np.zeros(len(counts), dtype=np.intp), 1)[0]


def agreements(counts: Numbers, contexts: Codes, groups: Codes, count: int) -> list[Agreement]:
    """:func:`agreement` of each of ``count`` groups of texts; ``groups`` has the number of each text's."""
    voted = counts.sum(axis=1) > 0
    counts, contexts, groups = counts[voted], contexts[voted], groups[voted]
    votes = counts.sum(axis=1)
    paired = votes > 1
    agreeing = (counts * (counts - 1)).sum(axis=1)
    at_random = np.divide(agreeing, votes * (votes - 1), out=np.zeros_like(votes), where=paired)
    clusters = Clusters.within(groups, count, contexts, "context")
    pairable = counts * paired[:, None]
    weighted = at_random * votes
    columns = (paired.astype(float), at_random, weighted, *pairable.T, *(counts / votes[:, None]).T)
    sums, labels = clusters.sums(*columns), counts.shape[1]
    totals = clusters.totals(sums)
    texts, pairs = np.bincount(groups, minlength=count).tolist(), [round(pair) for pair in totals[:, 0].tolist()]

    def chance_corrected(statistic: Callable[[Numbers, int], Numbers]) -> list[Estimate]:
        spreads = clusters.spreads(sums, sums[:, 0], lambda each: statistic(each, labels))
        return list(map(_chance_corrected, pairs, statistic(totals, labels).tolist(), spreads, clusters.words))

    of_pairs = Clusters.within(groups[paired], count, contexts[paired], "context")
    figures = (of_pairs.shares(at_random[paired]), *map(chance_corrected, (_alpha, _kappa, _ac1)))
    return [
        Agreement(text, pair, *found) if pair else Agreement(text, 0, *[_NO_PAIR] * 4)
        for text, pair, *found in zip(texts, pairs, *figures, strict=True)
    ]


_NO_PAIR = missing(0, "no text has two label votes")


def _chance_corrected(n: int, value: float, spread: Spread | None, words: tuple[str, str]) -> Estimate:
    if not np.isfinite(value):
        return missing(n, "all votes name one label, so chance alone would make them agree")
    if value > 1 - 1e-9 or spread is None or spread.variance <= 0:
        why = "all votes agree" if value > 1 - 1e-9 else "the spread between contexts cannot be told"
        return Estimate(n, value, None, None, limit=f"{why}: no interval")
    # On the log scale of observed over expected disagreement, as no agreement is above 1.
    factor = float(np.exp(min(spread.interval(1 / (1 - value)), 700.0)))
    low, high = 1 - (1 - value) * factor, 1 - (1 - value) / factor
    return Estimate(n, value, max(-1.0, low), high, *words)


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
