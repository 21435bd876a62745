"""An arm's errors on a test set, round by round, with the draws that say how far chance may have moved them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collection.analytics.effort import by_arm_and_round
from collection.analytics.fits import Floats
from collection.analytics.parts import shared
from collection.analytics.scores import Tested
from collection.analytics.study import Study


@dataclass(frozen=True)
class Series:
    """One arm on one test set; all but ``draws`` [draws, rounds] are [rounds], in the order of ``n``.

    ``n`` is the examples trained on, above 0: the base version, at 0 examples, is left out, where a power law has no
    value. ``hours`` is all work of annotators up to the round, NaN where it is not known. ``single`` tells that some
    round has one training seed.
    """

    arm: str
    test_rows: int
    rounds: tuple[int, ...]
    n: Floats
    errors: Floats
    draws: Floats
    hours: Floats
    single: bool


def series_of(study: Study, tested: Tested, draws: int, seed: int) -> list[Series]:
    """A series for each arm that has a version scored on the test set and trained on anything."""
    found = []
    hours = _hours(study)
    for place, arm in enumerate(study.arms):
        own = [(at, item) for at, item in enumerate(tested.trained) if item.arm == arm and item.examples > 0]
        if not own:
            continue
        own.sort(key=lambda place: place[1].examples)
        groups, trained = [at for at, _ in own], [item for _, item in own]
        resampled = tested.resampled(draws, seed)
        found.append(
            Series(
                arm=arm,
                test_rows=len(tested.clusters),
                rounds=tuple(item.round for item in trained),
                n=np.array([item.examples for item in trained]),
                errors=resampled.errors[groups],
                draws=resampled.drawn(groups),
                hours=hours[place, [item.round for item in trained]],
                single=any(len(item.versions) == 1 for item in trained),
            )
        )
    return found


@shared
def _hours(study: Study) -> Floats:
    """Hours of writing and validating of each arm up to each round [arms, rounds], from round 0 on. Texts and votes
    whose time is not known count like the others of their round; a round where it is known of none makes all hours from
    there on unknown."""
    spent = np.zeros((len(study.arms), study.rounds + 1))
    for work in (study.examples, study.votes):
        seconds = work["seconds"].to_numpy(dtype=float)
        known = ~np.isnan(seconds)
        count, of, total = by_arm_and_round(study, work, np.ones(len(work)), known, np.where(known, seconds, 0))
        mean = np.divide(total, of, out=np.full_like(total, np.nan), where=of > 0)
        spent += np.where(count > 0, count * mean, 0)
    return np.asarray(np.cumsum(spent, axis=-1) / 3600)
