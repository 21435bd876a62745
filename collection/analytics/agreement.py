"""How far people who label the same texts agree, corrected for chance, with intervals over contexts and validators.

Every statistic is a function of sums over texts, so that leaving out a context is a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from collection.analytics.clustered import (
    FEWEST,
    Clusters,
    Codes,
    Numbers,
    Spread,
    Statistic,
    Way,
    Words,
    crossed,
    share_of,
    spreads,
)
from collection.analytics.metrics import Estimate, joined, missing


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


@dataclass(frozen=True)
class Votes:
    """Label votes: the ``text``, the ``label`` that it names and the ``validator`` of each [votes], as numbers."""

    text: Codes
    label: Codes
    validator: Codes


def agreement(counts: Numbers, contexts: Codes, votes: Votes | None = None) -> Agreement:
    """All statistics of ``counts`` [texts, labels]: how many label votes name each label; flags are none of them.

    ``contexts`` has the cluster of each text. The number of votes may differ between texts. Without the ``votes``
    themselves intervals are about these very validators.
    """
    return agreements(counts, contexts, np.zeros(len(counts), dtype=np.intp), 1, votes)[0]


def agreements(
    counts: Numbers, contexts: Codes, groups: Codes, count: int, votes: Votes | None = None
) -> list[Agreement]:
    """:func:`agreement` of each of ``count`` groups of texts; ``groups`` has the number of each text's.

    Validators are drawn as texts are: the variance over them, of leaving out one in turn, is added to that over
    contexts (Gwet 2008, "Variance estimation of nominal-scale inter-rater reliability with random selection of raters",
    Psychometrika 73), less what both hold, as in ``clustered.crossed``.
    """
    voted = counts.sum(axis=1) > 0
    place = np.cumsum(voted) - 1
    counts, contexts, groups = counts[voted], contexts[voted], groups[voted]
    columns, labels = _columns(counts), counts.shape[1]
    clusters = Clusters.within(groups, count, {"context": contexts})
    totals = clusters.totals(*columns.T)
    over_validators, validators = None, list[int]()
    if votes is not None:
        text = place[votes.text]
        fewer = counts[text]
        fewer[np.arange(len(text)), votes.label] -= 1
        moved = _columns(fewer) - columns[text]
        cells = clusters.kinds["context"].index[text] * (int(votes.validator.max(initial=0)) + 1) + votes.validator
        ways = [Way.within(groups[text], count, codes) for codes in (votes.validator, cells)]
        over_validators, validators = partial(_over_validators, totals, list(moved.T), ways), ways[0].distinct.tolist()

    def spread(statistic: Statistic) -> Iterable[tuple[Spread | None, Words]]:
        over_contexts = clusters.spreads(list(columns.T), 0, statistic)
        if over_validators is None:
            return zip(over_contexts, clusters.words, strict=True)
        return map(_over_both, over_contexts, *over_validators(statistic), clusters.words, validators)

    def chance_corrected(of_sums: Callable[[Numbers, int], Numbers]) -> list[Estimate]:
        values = of_sums(totals, labels).tolist()
        found = spread(lambda sums: of_sums(sums, labels))
        return [_chance_corrected(n, value, *over) for n, value, over in zip(pairs, values, found, strict=True)]

    texts, pairs = np.bincount(groups, minlength=count).tolist(), [round(pair) for pair in totals[:, 0].tolist()]
    agreed = totals[:, 1].tolist()
    whole = clusters.totals((columns[:, 1] != 0) & (columns[:, 1] != 1))[:, 0] == 0
    each = zip(pairs, agreed, whole.tolist(), spread(_pairwise), strict=True)
    pairwise = [share_of(n, total, alike, *over) for n, total, alike, over in each]
    figures = (pairwise, *map(chance_corrected, (_alpha, _kappa, _ac1)))
    return [
        Agreement(text, pair, *found) if pair else Agreement(text, 0, *[_NO_PAIR] * 4)
        for text, pair, *found in zip(texts, pairs, *figures, strict=True)
    ]


def _columns(counts: Numbers) -> Numbers:
    """What the statistics are made of [texts, columns]: whether a text has two votes, the chance that two of them
    agree, that times the votes, the votes that can be paired by label, and the share of each label in these."""
    votes = counts.sum(axis=1)
    paired = votes > 1
    agreeing = (counts * (counts - 1)).sum(axis=1)
    at_random = np.divide(agreeing, votes * (votes - 1), out=np.zeros_like(votes), where=paired)
    pairable = counts * paired[:, None]
    shares = pairable / np.maximum(votes, 1)[:, None]
    return np.column_stack([paired, at_random, at_random * votes, pairable, shares])


def _over_validators(
    totals: Numbers, moved: Sequence[Numbers], ways: Sequence[Way], statistic: Statistic
) -> list[list[Spread | None]]:
    """The spreads over validators, of fewer than FEWEST of whom there is none, and over their votes on each context.
    ``moved`` [columns][votes] is how the sums change without a vote."""
    found = []
    for way in ways:
        without = totals[way.of] + way.sums(moved)
        of_way = spreads(totals, without, np.bincount(way.index).astype(float), way.of, statistic)
        enough = (ways[0].distinct >= FEWEST).tolist()
        found.append([each if some else None for each, some in zip(of_way, enough, strict=True)])
    return found


def _over_both(
    contexts: Spread | None, validators: Spread | None, cells: Spread | None, said: Words, count: int
) -> tuple[Spread | None, Words]:
    """The spread over contexts and ``count`` validators, with what is said of it."""
    if validators is None:
        why = f"fewer than {FEWEST} validators" if count < FEWEST else "without one validator there is nothing left"
        alone = f"{why}: the interval is about these alone"
        return contexts, replace(said, limit=joined(said.limit, alone))
    kinds = "context and validator" if said.clustered else "validator"
    both = replace(said, method=f"clustered by {kinds} (CR2, t)", clustered=True)
    return crossed(contexts, validators, cells), both


_NO_PAIR = missing(0, "no text has two label votes")


def _chance_corrected(n: int, value: float, spread: Spread | None, said: Words) -> Estimate:
    if not np.isfinite(value):
        return missing(n, "all votes name one label, so chance alone would make them agree")
    if value > 1 - 1e-9 or spread is None or spread.variance <= 0:
        why = "all votes agree" if value > 1 - 1e-9 else "the spread between contexts cannot be told"
        return Estimate(n, value, None, None, limit=f"{why}: no interval")
    # On the log scale of observed over expected disagreement, as no agreement is above 1.
    factor = float(np.exp(min(spread.interval(1 / (1 - value)), 700.0)))
    low, high = 1 - (1 - value) * factor, 1 - (1 - value) / factor
    return Estimate(n, value, max(-1.0, low), high, said.method, said.limit)


def _pairwise(sums: Numbers) -> Numbers:
    return _over(sums[..., 1], sums[..., 0])


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
    "Handbook of Inter-Rater Reliability", 4th ed.): observed agreement is the mean over texts, and the share of a label
    the mean over texts of its share of their votes. Gwet takes the latter over texts of one vote too, which can put
    kappa below -1: here all is from texts with two votes or more, and it is at least -1."""
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
