"""An arm's errors on a test set, round by round, with the draws that say how far chance may have moved them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collection.analytics.fits import Floats
from collection.analytics.metrics import Estimate
from collection.analytics.resampling import drawn_errors
from collection.analytics.scores import Tested
from collection.analytics.study import Study
from collection.analytics.two_way import level


@dataclass(frozen=True)
class Series:
    """One arm on one test set; all but ``draws`` [draws, rounds] are [rounds], in the order of ``n``.

    ``n`` is the examples trained on, above 0: the base version, at 0 examples, is left out, where a power law has no
    value. ``left_out`` are rounds trained on as many examples as a later one, which stands for them. ``measured`` are
    the errors with the intervals that learning curves give them. ``hours`` is all work of annotators up to the round,
    NaN where it is not known. ``single`` tells that some round has one training seed.
    """

    arm: str
    rounds: tuple[int, ...]
    left_out: tuple[int, ...]
    n: Floats
    errors: Floats
    measured: tuple[Estimate, ...]
    draws: Floats
    hours: Floats
    single: bool


def series_of(study: Study, tested: Tested, draws: int, seed: int) -> list[Series]:
    """A series for each arm that has a version scored on the test set and trained on anything."""
    found = []
    for arm in study.arms:
        own = [(at, item) for at, item in enumerate(tested.trained) if item.arm == arm and item.examples > 0]
        if not own:
            continue
        own.sort(key=lambda place: (place[1].examples, place[1].round))
        standing = {item.examples: (at, item) for at, item in own}.values()
        wrong, trained = [tested.wrong(at) for at, _ in standing], [item for _, item in standing]
        errors, drawn = drawn_errors(wrong, tested.clusters, draws, seed)
        worked = _hours(study, arm)
        found.append(
            Series(
                arm=arm,
                rounds=tuple(item.round for item in trained),
                left_out=tuple(sorted({item.round for _, item in own} - {item.round for item in trained})),
                n=np.array([item.examples for item in trained]),
                errors=errors,
                measured=tuple(level(tested.errors, at) for at, _ in standing),
                draws=drawn,
                hours=np.array([worked.get(item.round, np.nan) for item in trained]),
                single=any(len(seeds) == 1 for seeds in wrong),
            )
        )
    return found


def _hours(study: Study, arm: str) -> dict[int, float]:
    """Hours of writing and validating up to each round. Texts and votes whose time is not known count like the others
    of their round; a round where it is known of none makes all hours from there on unknown."""
    seconds = np.zeros(study.rounds)
    for work in (study.examples, study.votes):
        own = work[(work["arm"] == arm) & work["round"].between(1, study.rounds)]
        for number, times in own.groupby("round")["seconds"]:
            seconds[int(number) - 1] += len(times) * float(times.mean())
    return dict(enumerate((np.cumsum(seconds) / 3600).tolist(), start=1))
