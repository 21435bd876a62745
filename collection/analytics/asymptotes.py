"""The error that a curve tends to, with the interval of floors that the data do not rule out. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collection.analytics.fits import CURVES, FEWEST_FOR_CURVES, PARAMETERS, Evidence, Fits, Floats, Profile

_LEVEL = 0.05
_HALVINGS = 7
# Draws that calibrate the test: the standard error of a p-value of 5% is then 1.3 points.
_CALIBRATION = 300
# Stands in for the unit of losses where draws do not differ: then the curve that fits best has all the weight.
_NO_SPREAD = 1e-300


@dataclass(frozen=True)
class Floor:
    """``value`` is the floor of the curve that fits best; ``low`` and ``high`` are the ends of the interval."""

    value: float
    low: float
    high: float


def floor_interval(found: Evidence) -> Floor:
    """The 95% interval of the floor, by inverting a test averaged over both families of curves, since which of them is
    true is part of what is not known (after Turek & Fletcher 2012, Comput. Stat. Data Anal. 56, and Fletcher & Turek
    2012, J. Agric. Biol. Environ. Stat. 17).

    A floor is kept if the p-values of a power law and of an exponential that end there average above 5%, by the weight
    that the errors give each. Each p-value is that of a likelihood ratio within the family (profile likelihood: Venzon
    & Moolgavkar 1988, Appl. Stat. 37) whose null distribution is simulated rather than assumed chi-squared, since the
    floor is bounded and errors of rounds on the same test rows go together (Hall 1992, "The Bootstrap and Edgeworth
    Expansion"). Of the draws their spread alone is used. Floors between the outermost that are kept are in the
    interval. Raises ValueError below ``FEWEST_FOR_CURVES`` rounds.
    """
    if len(found.errors) < FEWEST_FOR_CURVES:
        raise ValueError(f"needs at least {FEWEST_FOR_CURVES} rounds")
    fitted = [found.fit(family) for family in CURVES]
    best, *others = sorted(fitted, key=lambda item: float(item.loss[0]))
    averaged = _Averaged.of(found, best, others)
    value = float(best.floor[0])
    inside = [value, *(start for item in others if averaged.agrees(start := float(item.floor[0])))]
    low, high = averaged.edge(min(inside), 0.0), averaged.edge(max(inside), float(found.errors.max()))
    return Floor(value, low, high)


@dataclass(frozen=True)
class _Averaged:
    """The test of a floor: each family of curves with its weight, the heaviest first; ``noise`` is [draws, rounds]."""

    errors: Floats
    noise: Floats
    families: Sequence[tuple[float, Profile]]

    @classmethod
    def of(cls, found: Evidence, best: Fits, others: Sequence[Fits]) -> _Averaged:
        """With Akaike's weights, for losses that are over-dispersed likelihoods (Burnham & Anderson 2002, "Model
        Selection and Multimodel Inference", 2.5 and 2.9): a unit of loss is what the draws leave a degree of freedom of
        the best curve. All families have as many parameters."""
        noise = found.noise[:_CALIBRATION]
        fits = (best, *others)
        profiles = [Profile(item.family, found.n, found.weights) for item in fits]
        freedom = len(found.n) - PARAMETERS[best.family]
        unit = max(float(profiles[0].free(best.at(found.n) + noise).mean()) / freedom, _NO_SPREAD)
        weights = np.exp([float(best.loss[0] - item.loss[0]) / unit / 2 for item in fits])
        return cls(found.errors, noise, tuple(zip((weights / weights.sum()).tolist(), profiles, strict=True)))

    def edge(self, inside: float, outside: float) -> float:
        """The farthest floor towards ``outside`` that agrees, by bisection; the outer of the last two tried."""
        if self.agrees(outside):
            return outside
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if self.agrees(middle):
                inside = middle
            else:
                outside = middle
        return outside

    def agrees(self, floor: float) -> bool:
        """Whether the p-values average above the level; families that can change nothing any more are not asked."""
        average, left = 0.0, 1.0
        for weight, profile in self.families:
            left -= weight
            average += weight * self._p_value(profile, floor)
            if average > _LEVEL or average + left <= _LEVEL:
                break
        return average > _LEVEL

    def _p_value(self, profile: Profile, floor: float) -> float:
        held, fitted = profile.held(self.errors[None], floor)
        observed = held - profile.free(self.errors[None])
        simulated = fitted + self.noise
        null = profile.held(simulated, floor)[0] - profile.free(simulated)
        return float(np.mean(null >= observed))
