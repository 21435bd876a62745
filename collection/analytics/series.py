"""An arm's errors on a test set, round by round, with the draws that say how far chance may have moved them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collection.analytics.fits import Floats
from collection.analytics.resampling import drawn_errors
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


def _hours(study: Study, arm: str) -> dict[int, float]:
    """Hours of writing and validating up to each round. Texts and votes whose time is not known count like the others
    of their round; a round where it is known of none makes all hours from there on unknown."""
    seconds = np.zeros(study.rounds)
    for work in (study.examples, study.votes):
        own = work[(work["arm"] == arm) & work["round"].between(1, study.rounds)]
        for number, times in own.groupby("round")["seconds"]:
            seconds[int(number) - 1] += len(times) * float(times.mean())
    return dict(enumerate((np.cumsum(seconds) / 3600).tolist(), start=1))
