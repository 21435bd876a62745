"""Draws of contexts and of training seeds, for figures that no formula gives an interval for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Floats = NDArray[np.float64]

# Draws that are multiplied at once: keeps the weights of a test set of 10,000 rows without contexts below 30 MB.
BATCH = 256


@dataclass(frozen=True, eq=False)
class Resampled:
    """Errors of groups of versions that differ in their training seed alone, redrawn for figures of any of them.

    ``errors`` [groups]; ``over_contexts`` [draws, groups], these errors with contexts redrawn for all groups alike, so
    that differences are paired; ``rates`` has the errors [seeds] of each group, ``variances`` their
    :func:`seed_variances` where it has several seeds.
    """

    errors: Floats
    over_contexts: Floats
    rates: tuple[Floats, ...]
    variances: tuple[tuple[float, float] | None, ...]
    seed: int

    @classmethod
    def of(cls, wrong: Sequence[NDArray[np.bool_]], clusters: NDArray[np.int64], draws: int, seed: int) -> Resampled:
        """``wrong`` has an array [seeds, rows] a group."""
        sizes = np.bincount(clusters).astype(float)
        sums = [np.bincount(clusters, weights=item.mean(axis=0)) for item in wrong]
        errors = np.array([each.sum() for each in sums]) / sizes.sum()
        made = np.tile(errors, (draws, 1))
        contexts = len(sizes)
        if contexts > 1:
            widened = np.sqrt(contexts / (contexts - 1)) * t.ppf(0.975, contexts - 1) / norm.ppf(0.975)
            random = np.random.default_rng(seed)
            for start in range(0, draws, BATCH):
                batch = made[start : start + BATCH]
                weights = random.multinomial(contexts, np.full(contexts, 1 / contexts), len(batch)).astype(float)
                drawn_sizes = weights @ sizes
                # A group at a time: in a product of matrices the last bits of one hang on how many others there are,
                # and draws are keys of parts that are kept.
                for index, each in enumerate(sums):
                    batch[:, index] += ((weights @ each) / drawn_sizes - errors[index]) * widened
        return cls(
            errors,
            made,
            tuple(item.mean(axis=1) for item in wrong),
            tuple(seed_variances(item) if len(item) > 1 else None for item in wrong),
            seed,
        )

    def drawn(self, groups: Sequence[int], most: int | None = None) -> Floats:
        """Draws [draws, groups] of the errors of some groups, in whatever order, each of another round of any arm; the
        first ``most`` of them.

        Training seeds are redrawn within each group, less what seeds differ by because each answers each row anew, for
        contexts have it already: the two-way variance of Cameron, Gelbach & Miller (2011, J. Bus. Econ. Stat. 29), with
        one share for all ``groups``. Deviations are widened for few contexts and seeds, by the root of c/(c - 1) and,
        for contexts, to Student's quantiles (Hesterberg 2015, Am. Stat. 69).
        """
        made = np.take(self.over_contexts[:most], groups, axis=1)
        several = [found for found in (self.variances[group] for group in groups) if found is not None]
        total, chance = np.sum(several, axis=0) if several else (0.0, 0.0)
        own = np.sqrt(max(0.0, 1 - chance / total)) if total > 0 else 0.0
        for index, rates in enumerate(self.rates[group] for group in groups):
            seeds = len(rates)
            if seeds > 1:
                shares = _drawn_seeds(self.seed, index, seeds, len(self.over_contexts))[:most]
                made[:, index] += shares @ (rates - rates.mean()) * own * np.sqrt(seeds / (seeds - 1))
        return made


def drawn_errors(
    wrong: Sequence[NDArray[np.bool_]], clusters: NDArray[np.int64], draws: int, seed: int
) -> tuple[Floats, Floats]:
    """Errors [rounds] and draws of them [draws, rounds]; ``wrong`` has an array [seeds, rows] a round, of any arm."""
    found = Resampled.of(wrong, clusters, draws, seed)
    return found.errors, found.drawn(range(len(wrong)))


@lru_cache(maxsize=128)
def _drawn_seeds(seed: int, index: int, seeds: int, draws: int) -> Floats:
    """The share of each training seed in draws of one round's [draws, seeds]: the same for all arms and test sets."""
    return np.random.default_rng([seed, index]).multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds


def seed_variances(wrong: NDArray[np.bool_]) -> tuple[float, float]:
    """The variance of a version's error over training seeds, and the part of it that is there because each seed answers
    each row anew: the one less the other is what seeds move as a whole. ``wrong`` is [seeds, rows], of
    two seeds or more."""
    total = float(np.var(wrong.mean(axis=1), ddof=1))
    return total, float(np.mean(np.var(wrong, axis=0, ddof=1))) / wrong.shape[1]
