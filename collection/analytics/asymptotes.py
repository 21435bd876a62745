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
    """``value`` is the floor of the curve that fits best; every floor from ``low`` to ``high`` agrees with the data,
    but for those in the ``gap`` between the floors of one family of curves and those of the other."""

    value: float
    low: float
    high: float
    gap: tuple[float, float] | None = None

    def holds(self, floor: float) -> bool:
        """Whether that floor agrees with the data."""
        return self.low <= floor <= self.high and not (self.gap and self.gap[0] < floor < self.gap[1])


def floor_interval(found: Evidence) -> Floor:
    """The 95% interval of the floor, by inverting a likelihood-ratio test (profile likelihood: Venzon & Moolgavkar
    1988, Appl. Stat. 37) whose null distribution is simulated rather than assumed chi-squared, since the floor is
    bounded and errors of rounds on the same test rows go together (Hall 1992, "The Bootstrap and Edgeworth Expansion").

    A floor is kept if under a power law or under an exponential that ends there it is not rejected, each against the
    better of both: which of the two is true is part of what is not known. Of the draws their spread alone is used.
    Raises ValueError below ``FEWEST_FOR_CURVES`` rounds.
    """
    errors = found.errors
    if len(errors) < FEWEST_FOR_CURVES:
        raise ValueError(f"needs at least {FEWEST_FOR_CURVES} rounds")
    noise = found.noise[:_CALIBRATION]
    profiles = [Profile(family, found.n, found.weights) for family in CURVES]
    fitted = [found.fit(family) for family in CURVES]
    starts = [float(item.floor[0]) for item in fitted]
    best = int(np.argmin([item.loss[0] for item in fitted]))
    outside = (0.0, float(errors.max()))
    kept = []
    for index, start in enumerate(starts):
        if index == best or _agrees(profiles, index, errors, noise, start):
            low, high = (_edge(profiles, index, errors, noise, start, bound) for bound in outside)
            kept.append((low, high))
    kept.sort()
    between = (kept[0][1], kept[-1][0])
    gap = between if between[0] < between[1] else None
    return Floor(starts[best], kept[0][0], max(high for _, high in kept), gap)


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
