"""An arm's errors on a test set, round by round, with the draws that say how far chance may have moved them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from collection.analytics.fits import Floats
from collection.analytics.scored import Sheet
from collection.analytics.study import Study


@dataclass(frozen=True)
class Series:
    """One arm on one test set; all but ``draws`` [draws, rounds] are [rounds], in the order of ``n``.

    ``n`` is the examples trained on, above 0: the base version, at 0 examples, is left out, where a power law has no
    value. ``hours`` is all work of annotators up to the round, NaN where it is not known. ``single`` tells that some
    round has one training seed, ``one_context`` that the test rows cannot be redrawn.
    """

    arm: str
    test_rows: int
    rounds: tuple[int, ...]
    n: Floats
    errors: Floats
    draws: Floats
    hours: Floats
    single: bool
    one_context: bool


def series_of(study: Study, sheet: Sheet, draws: int, seed: int) -> list[Series]:
    """A series for each arm that has a version scored on the test set and trained on anything."""
    found = []
    for arm in study.arms:
        scored = sorted(
            (item for item in sheet.scored if item.arm == arm and item.examples > 0), key=lambda x: x.examples
        )
        if not scored:
            continue
        errors, drawn = drawn_errors([item.wrong for item in scored], sheet.clusters, draws, seed)
        worked = _hours(study, arm)
        found.append(
            Series(
                arm=arm,
                test_rows=len(sheet.clusters),
                rounds=tuple(item.round for item in scored),
                n=np.array([item.examples for item in scored]),
                errors=errors,
                draws=drawn,
                hours=np.array([worked.get(item.round, np.nan) for item in scored]),
                single=any(len(item.wrong) == 1 for item in scored),
                one_context=int(sheet.clusters.max()) == 0,
            )
        )
    return found


def drawn_errors(
    wrong: Sequence[NDArray[np.bool_]], clusters: NDArray[np.int64], draws: int, seed: int
) -> tuple[Floats, Floats]:
    """Errors [rounds] and draws of them [draws, rounds]; ``wrong`` has an array [seeds, rows] a round.

    Contexts are redrawn for all rounds alike, training seeds within each round, less what seeds differ by because each
    answers each row anew, for contexts have it already: the two-way variance of Cameron, Gelbach & Miller (2011, J.
    Bus. Econ. Stat. 29), with one share for all rounds. Deviations are widened for few contexts
    and seeds, by the root of c/(c - 1) and, for contexts, to Student's quantiles (Hesterberg 2015, Am. Stat. 69).
    """
    sizes = np.bincount(clusters).astype(float)
    sums = np.stack([np.bincount(clusters, weights=item.mean(axis=0)) for item in wrong], axis=1)
    errors = sums.sum(axis=0) / sizes.sum()
    made = np.tile(errors, (draws, 1))
    contexts = len(sizes)
    if contexts > 1:
        weights = (
            np.random.default_rng(seed).multinomial(contexts, np.full(contexts, 1 / contexts), draws).astype(float)
        )
        widened = np.sqrt(contexts / (contexts - 1)) * t.ppf(0.975, contexts - 1) / norm.ppf(0.975)
        made += ((weights @ sums) / (weights @ sizes)[:, None] - errors) * widened
    several = [seed_variances(item) for item in wrong if len(item) > 1]
    total, chance = np.sum(several, axis=0) if several else (0.0, 0.0)
    own = np.sqrt(max(0.0, 1 - chance / total)) if total > 0 else 0.0
    for index, item in enumerate(wrong):
        seeds = len(item)
        if seeds > 1:
            rates = item.mean(axis=1)
            taken = np.random.default_rng([seed, index]).multinomial(seeds, np.full(seeds, 1 / seeds), draws)
            made[:, index] += (taken / seeds) @ (rates - rates.mean()) * own * np.sqrt(seeds / (seeds - 1))
    return errors, made


def seed_variances(wrong: NDArray[np.bool_]) -> tuple[float, float]:
    """The variance of a version's error over training seeds, and the part of it that is there because each seed answers
    each row anew: the one less the other is what seeds move as a whole. ``wrong`` is [seeds, rows], of
    two seeds or more."""
    total = float(np.var(wrong.mean(axis=1), ddof=1))
    return total, float(np.mean(np.var(wrong, axis=0, ddof=1))) / wrong.shape[1]


def _hours(study: Study, arm: str) -> dict[int, float]:
    """Hours of writing and validating up to each round. Texts and votes whose time is not known count like the others
    of their round; a round where it is known of none makes all hours from there on unknown."""
    seconds = np.zeros(study.rounds)
    for work in (study.examples, study.votes):
        own = work[(work["arm"] == arm) & work["round"].between(1, study.rounds)]
        for number, times in own.groupby("round")["seconds"]:
            seconds[int(number) - 1] += len(times) * float(times.mean())
    return dict(enumerate((np.cumsum(seconds) / 3600).tolist(), start=1))
