"""An arm's errors on a test set, round by round, with the draws that say how far chance may have moved them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collection.analytics.effort import efforts
from collection.analytics.fits import FEWEST_FOR_CURVES, Floats
from collection.analytics.metrics import Estimate
from collection.analytics.scores import Tested
from collection.analytics.study import Study

_PAST_DRAWS = 300


@dataclass(frozen=True)
class Series:
    """One arm on one test set; all but ``draws`` and ``past`` [draws, rounds] are [rounds], in the order of ``n``.

    ``groups`` are those of the test set that stand for the rounds. ``n`` is the examples trained on, above 0: the base
    version, at 0 examples, is left out, where a power law has no value. ``left_out`` are rounds trained on as many
    examples as a later one, which stands for them. ``measured`` are the errors with the intervals that learning curves
    give them. ``past`` has draws, fewer of them, as they were when there were the first ``FEWEST_FOR_CURVES`` rounds
    alone, then one round more each, until all but the last. ``hours`` is all work of annotators up to the round, NaN
    where it is not known. ``of_one_seed`` are rounds with one training seed.
    """

    arm: str
    rounds: tuple[int, ...]
    left_out: tuple[int, ...]
    groups: tuple[int, ...]
    n: Floats
    errors: Floats
    measured: tuple[Estimate, ...]
    draws: Floats
    past: tuple[Floats, ...]
    hours: Floats
    of_one_seed: tuple[int, ...]


def series_of(study: Study, tested: Tested, draws: int, seed: int) -> list[Series]:
    """A series for each arm that has a version scored on the test set and trained on anything."""
    found = []
    spent = efforts(study)
    for arm in study.arms:
        own = [(at, item) for at, item in enumerate(tested.trained) if item.arm == arm and item.examples > 0]
        if not own:
            continue
        own.sort(key=lambda place: (place[1].examples, place[1].round))
        standing = {item.examples: (at, item) for at, item in own}.values()
        groups, trained = [at for at, _ in standing], [item for _, item in standing]
        resampled = tested.resampled(draws, seed)
        before = range(FEWEST_FOR_CURVES, len(groups))
        found.append(
            Series(
                arm=arm,
                rounds=tuple(item.round for item in trained),
                left_out=tuple(sorted({item.round for _, item in own} - {item.round for item in trained})),
                groups=tuple(groups),
                n=np.array([item.examples for item in trained]),
                errors=resampled.errors[groups],
                measured=tuple(tested.errors.levels[at] for at in groups),
                draws=resampled.drawn(groups),
                past=tuple(resampled.drawn(groups[:rounds], _PAST_DRAWS) for rounds in before),
                hours=np.array([spent[arm, item.round].hours for item in trained], dtype=float),
                of_one_seed=tuple(item.round for item in trained if len(item.versions) == 1),
            )
        )
    return found
