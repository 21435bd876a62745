"""The error that a curve tends to, with the interval of all floors that the data do not rule out. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collection.analytics.fits import CURVES, FEWEST_FOR_CURVES, Evidence, Floats, Profile

_LEVEL = 0.05
_HALVINGS = 7
# Draws that calibrate the test: the standard error of a p-value of 5% is then 1.3 points.
_CALIBRATION = 300


@dataclass(frozen=True)
class Floor:
    """``value`` is the floor of the curve that fits best; every floor from ``low`` to ``high`` agrees with the data."""

    value: float
    low: float
    high: float


def floor_interval(found: Evidence) -> Floor:
    """The 95% interval of the floor, by inverting a likelihood-ratio test (profile likelihood: Venzon & Moolgavkar
    1988, Appl. Stat. 37) whose null distribution is simulated rather than assumed chi-squared, since the floor is
    bounded and errors of rounds on the same test rows go together (Hall 1992, "The Bootstrap and Edgeworth Expansion").

    A floor is kept if under a power law or under an exponential that ends there it is not rejected, each against the
    better of both: which of the two is true is part of what is not known. Of the draws
    their spread alone is used. Raises ValueError below
    ``FEWEST_FOR_CURVES`` rounds.
    """
    errors = found.errors
    if len(errors) < FEWEST_FOR_CURVES:
        raise ValueError(f"needs at least {FEWEST_FOR_CURVES} rounds")
    noise = found.noise[:_CALIBRATION]
    profiles = [Profile(family, found.n, found.weights) for family in CURVES]
    fitted = [found.fit(family) for family in CURVES]
    starts = [float(item.floor[0]) for item in fitted]
    best = int(np.argmin([item.loss[0] for item in fitted]))
    ends = [starts[best], starts[best]]
    for index, start in enumerate(starts):
        if index != best and not _agrees(profiles, index, errors, noise, start):
            continue
        for side, bound in enumerate((0.0, float(errors.max()))):
            edge = _edge(profiles, index, errors, noise, start, bound)
            ends[side] = max(ends[side], edge) if side else min(ends[side], edge)
    return Floor(starts[best], ends[0], ends[1])


def _edge(
    profiles: Sequence[Profile], index: int, errors: Floats, noise: Floats, inside: float, outside: float
) -> float:
    """The farthest floor towards ``outside`` that agrees, by bisection; the outer of the last two tried."""
    if _agrees(profiles, index, errors, noise, outside):
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if _agrees(profiles, index, errors, noise, middle):
            inside = middle
        else:
            outside = middle
    return outside


def _agrees(profiles: Sequence[Profile], index: int, errors: Floats, noise: Floats, floor: float) -> bool:
    held, fitted = profiles[index].held(errors[None], floor)
    observed = held[0] - min(float(profile.free(errors[None])[0]) for profile in profiles)
    simulated = fitted + noise
    null = profiles[index].held(simulated, floor)[0] - np.minimum(*(item.free(simulated) for item in profiles))
    return float(np.mean(null >= observed)) > _LEVEL
