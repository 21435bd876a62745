"""Which families of curves agree with an arm's errors: what is said of rounds to come holds under each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collection.analytics.fits import FAMILIES, FEWEST_FOR_CURVES, Evidence, Fits, Floats, fit

# A family is left out of an interval only where it is rejected at this level: one that is left out wrongly costs the
# interval the truth, one that is kept wrongly costs width alone.
_LEVEL = 0.01
# The standard error of a p-value of 1% is then 0.6 points.
_CALIBRATION = 300
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Candidate:
    """A family fitted to the errors (``point``, one row) and to every draw of them (``refits`` [draws])."""

    point: Fits
    refits: Fits

    @property
    def family(self) -> str:
        """The family's name among ``FAMILIES``."""
        return self.point.family


def candidates(found: Evidence, chosen: str) -> list[Candidate]:
    """The chosen family, then every other that the errors do not reject; below ``FEWEST_FOR_CURVES`` rounds the chosen
    one alone.

    Rejected by a likelihood ratio against the best of all families, its null distribution simulated from the family's
    own fit with the spread of the draws, since families are not nested (Cox 1962, J. R. Stat. Soc. B 24; Williams
    1970, Biometrics 26).
    """
    points = {family: found.fit(family) for family in (FAMILIES if len(found.n) >= FEWEST_FOR_CURVES else (chosen,))}
    least = min(float(point.loss[0]) for point in points.values())
    noise = found.noise[:_CALIBRATION]
    others = [point for family, point in points.items() if family != chosen]
    kept = [points[chosen], *(point for point in others if _agrees(found, point, noise, float(point.loss[0]) - least))]
    return [Candidate(point, found.refit(point.family)) for point in kept]


def _agrees(found: Evidence, point: Fits, noise: Floats, observed: float) -> bool:
    simulated = point.at(found.n) + noise
    losses = {family: fit(family, found.n, simulated, found.weights, zooms=1).loss for family in FAMILIES}
    null = losses[point.family] - np.min(list(losses.values()), axis=0)
    return float(np.mean(null >= observed - _ROUNDING)) > _LEVEL
