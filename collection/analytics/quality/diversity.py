"""How many different words and bigrams texts have, also at a number of words that is the same for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from collection.analytics.metrics import Estimate, missing
from collection.analytics.quality.clustered import jackknife

# How often → how many different words (or bigrams) are that often. All that a count at fewer words needs.
Spectrum = Mapping[int, int]
# The interval leaves out one cluster after another; beyond this many, clusters are put together.
_MOST_CLUSTERS = 30


def spectra(items: Sequence[Iterable[object]], clusters: Sequence[str]) -> list[dict[int, int]]:
    """The spectrum of all texts (each an iterable of its words or bigrams), then of all without each cluster's."""
    names = sorted(set(clusters))
    place = {name: index % _MOST_CLUSTERS for index, name in enumerate(names)}
    parts = min(len(names), _MOST_CLUSTERS)
    known: dict[object, int] = {}
    number = [[known.setdefault(item, len(known)) for item in counted] for counted in items]
    part = np.repeat([place[cluster] for cluster in clusters], [len(counted) for counted in number])
    found = np.fromiter(chain.from_iterable(number), dtype=np.int64, count=len(part))
    counts = np.bincount(part * len(known) + found, minlength=parts * len(known)).reshape(parts, -1)
    total = counts.sum(axis=0)
    return [_spectrum(total), *(_spectrum(total - own) for own in counts if parts > 1)]


def _spectrum(counts: NDArray[np.int64]) -> dict[int, int]:
    many = np.bincount(counts)
    often = np.flatnonzero(many[1:]) + 1
    return dict(zip(often.tolist(), many[often].tolist(), strict=True))


def size(spectrum: Spectrum) -> int:
    """The number of words, each counted as often as it occurs."""
    return sum(often * many for often, many in spectrum.items())


def common_size(groups: Iterable[Sequence[Spectrum]]) -> int:
    """The largest number of words at which all groups, with any one cluster left out, can be compared."""
    return min((size(spectrum) for group in groups for spectrum in group), default=0)


def different(group: Sequence[Spectrum]) -> Estimate:
    """How many different words there are: a count, which grows with the number of words, so without an interval."""
    count = size(group[0])
    if count == 0:
        return missing(0, "the texts have none")
    return Estimate(count, float(sum(group[0].values())), None, None, "count")


def rarefied(group: Sequence[Spectrum], drawn: int) -> Estimate:
    """How many different words are expected in ``drawn`` words picked at random (Hurlbert 1971, "The nonconcept of
    species diversity"), with the jackknife's interval over clusters."""
    count = size(group[0])
    if drawn < 1 or count < drawn:
        return missing(count, f"there are fewer than {max(drawn, 1)} words")
    without = np.array([_expected(spectrum, drawn) for spectrum in group[1:] if size(spectrum) >= drawn])
    return jackknife(count, _expected(group[0], drawn), without)


def _expected(spectrum: Spectrum, drawn: int) -> float:
    often = np.array(list(spectrum.keys()), dtype=np.int64)
    many = np.array(list(spectrum.values()), dtype=np.int64)
    total = int((often * many).sum())
    absent = np.zeros(len(often))
    can = total - often >= drawn
    absent[can] = np.exp(log_choose(total - often[can], drawn) - log_choose(np.array([total]), drawn))
    return float((many * (1 - absent)).sum())


def log_choose(n: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """The logarithm of the number of ways to choose ``k`` of ``n`` things."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
