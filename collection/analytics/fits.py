"""Curves of error against examples, fitted to many draws at once, and the choice among them. Pure functions.

A curve is ``floor + scale · g(n)`` with one shape parameter in ``g``. Given the shape, the rest is linear, so every fit
is a search over the shape alone with floor and scale in closed form (variable projection: Golub & Pereyra 1973, SIAM
J. Numer. Anal. 10). Power laws with a floor: Hestness et al. 2017, arXiv:1712.00409; Rosenfeld et al. 2020, ICLR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The simpler first: of two that predict alike the first is chosen.
FAMILIES: Mapping[str, str] = {
    "constant": "no change",
    "linear": "straight line",
    "power": "power law with floor",
    "exponential": "exponential with floor",
}
PARAMETERS = {"constant": 1, "linear": 2, "power": 3, "exponential": 3}
CURVES = ("power", "exponential")
# A curve has three parameters, so it is first fitted to four rounds; two more are needed to choose it by prediction.
FEWEST_ROUNDS, FEWEST_FOR_CURVES = 4, 6
_FIRST_FIT = {False: 2, True: 4}
# A search of the shape starts from so many; where it stops there, as losses are all that is asked for, from more.
_SHAPES, _FINE_SHAPES = 48, 80
_ZOOM = 9
_TIED = 1e-9


@dataclass(frozen=True)
class Fits:
    """One family fitted to each of many rows of errors.

    ``floor`` is where the curve ends (the error at no examples for straight lines), ``scale`` a of a·n^-b or
    a·exp(-n/s) or a·n, ``shape`` b or s (1 where there is none), ``loss`` the weighted squared error: all [draws].
    """

    family: str
    floor: Floats
    scale: Floats
    shape: Floats
    loss: Floats

    def at(self, n: Floats) -> Floats:
        """Fitted error at each n: [draws, len(n)]."""
        return np.asarray(self.floor[:, None] + self.scale[:, None] * _basis(self.family, n, self.shape[:, None]))

    def examples_at(self, error: float) -> Floats:
        """The n at which each fitted curve reaches the error; infinite where it never does: [draws]."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = (error - self.floor) / self.scale
            if self.family == "power":
                reached = ratio ** (-1 / self.shape)
            elif self.family == "exponential":
                reached = np.maximum(-self.shape * np.log(ratio), 0)
            else:
                reached = np.where(self.scale < 0, np.maximum(ratio, 0), np.inf)
        never = ~np.isfinite(reached)
        if self.family in CURVES:
            never |= ratio <= 0
        return np.where((self.scale == 0) | never, np.where(self.floor <= error, 0.0, np.inf), reached)


def fit(family: str, n: Floats, errors: Floats, weights: Floats, *, zooms: int = 3) -> Fits:
    """The family fitted by weighted least squares to every row of ``errors`` [draws, rounds].

    Bounds: floor >= 0, scale >= 0, shape > 0 for curves; a straight line may go either way. ``n`` and ``weights`` are
    [rounds], n above 0. Each of the ``zooms`` makes the search of the shape four times finer.
    """
    if family not in CURVES:
        return _straight(family, n, errors, weights)
    shapes = _shapes(family, n)
    best = np.argmin(_Sums.of(_reduced(family, n, shapes), errors, weights).losses(), axis=1)
    centre, step = np.log(shapes[best]), np.log(shapes[1] / shapes[0])
    low, high = np.log(shapes[0]), np.log(shapes[-1])
    for _ in range(zooms):
        tried = np.exp(np.clip(centre[:, None] + np.linspace(-step, step, _ZOOM), low, high))
        losses = _Sums.of(_reduced(family, n, tried), errors, weights).losses()
        centre = np.log(tried[np.arange(len(tried)), np.argmin(losses, axis=1)])
        step /= (_ZOOM - 1) / 2
    shape = np.exp(centre)
    basis = _reduced(family, n, shape[:, None])
    floor, scale = _Sums.of(basis, errors, weights).solve()
    unit = n[0] ** shape if family == "power" else np.exp(n[0] / shape)
    loss = (errors - floor - scale * basis[:, 0]) ** 2 @ weights
    return Fits(family, floor[:, 0], scale[:, 0] * unit, shape, loss)


@dataclass(frozen=True)
class Profile:
    """The least losses of a family over a grid of shapes: free, and with the floor held at a value."""

    family: str
    n: Floats
    weights: Floats

    def free(self, errors: Floats) -> Floats:
        """The least loss of each row of ``errors`` [draws, rounds]: [draws]."""
        return _least(_Sums.of(self._basis, errors, self.weights).losses())[0]

    def held(self, errors: Floats, floor: float) -> tuple[Floats, Floats]:
        """The least loss of each row with that floor [draws], and the fitted errors of the first row [rounds]."""
        rest = errors - floor
        across = (rest * self.weights) @ self._basis.T
        explained = np.maximum(across, 0) ** 2 / self._squares
        losses, steps = _least((rest**2) @ self.weights[:, None] - explained)
        shape = np.exp(np.interp(steps[:1], range(_FINE_SHAPES), np.log(self._shapes)))
        basis = _reduced(self.family, self.n, shape)[0]
        scale = max(float((rest[0] * self.weights) @ basis / (basis**2 @ self.weights)), 0.0)
        return losses, floor + scale * basis

    @cached_property
    def _shapes(self) -> Floats:
        return _shapes(self.family, self.n, _FINE_SHAPES)

    @cached_property
    def _basis(self) -> Floats:
        return _reduced(self.family, self.n, self._shapes)

    @cached_property
    def _squares(self) -> Floats:
        return np.asarray(self._basis**2 @ self.weights)


@dataclass(frozen=True)
class Choice:
    """The family that predicted later rounds best. ``losses`` is the mean weighted squared error of prediction of each
    candidate, over ``predictions`` pairs of a fit to the first rounds and a later round."""

    family: str
    losses: Mapping[str, float]
    predictions: int


@dataclass(frozen=True)
class HeldOut:
    """How well fits to the first rounds predict the others (rolling origin: Tashman 2000, Int. J. Forecasting 16).

    ``misses`` has for each family [rounds, rounds]: the weighted squared error of the fit to the first i rounds at
    round j, counted from 0, where j >= i.
    """

    misses: Mapping[str, Floats]

    @classmethod
    def of(cls, n: Floats, errors: Floats, weights: Floats) -> HeldOut:
        """Of n, errors and weights, all [rounds]."""
        misses = {family: np.zeros((len(n), len(n))) for family in FAMILIES}
        for family, found in misses.items():
            for origin in range(_FIRST_FIT[family in CURVES], len(n)):
                fitted = fit(family, n[:origin], errors[None, :origin], weights[:origin])
                found[origin, origin:] = weights[origin:] * (errors[origin:] - fitted.at(n[origin:])[0]) ** 2
        return cls(misses)

    def choose(self, rounds: int) -> Choice:
        """The family that predicts best within the first ``rounds``; of those that tie, the simplest. All are judged by
        the same predictions. Raises ValueError below ``FEWEST_ROUNDS``; below ``FEWEST_FOR_CURVES`` none is a curve."""
        if rounds < FEWEST_ROUNDS:
            raise ValueError(f"needs at least {FEWEST_ROUNDS} rounds")
        curved = rounds >= FEWEST_FOR_CURVES
        origins = range(_FIRST_FIT[curved], rounds)
        predictions = sum(rounds - origin for origin in origins)
        losses = {
            family: float(found[origins.start : rounds, :rounds].sum()) / predictions
            for family, found in self.misses.items()
            if curved or family not in CURVES
        }
        least = min(losses.values())
        chosen = next(family for family, loss in losses.items() if loss <= least + _TIED * (1 + least))
        return Choice(chosen, losses, predictions)


@dataclass(frozen=True)
class Evidence:
    """What curves are fitted to: ``n`` above 0, ``errors`` and ``weights`` [rounds], ``draws`` [draws, rounds] of the
    errors, which hold all that chance may have done to them."""

    n: Floats
    errors: Floats
    draws: Floats
    weights: Floats

    @classmethod
    def of(cls, n: Floats, errors: Floats, draws: Floats, random: np.random.Generator) -> Evidence:
        """From draws of test rows and seeds, to which scatter about the curve beyond what they explain is added."""
        weights = weights_of(draws)
        if len(n) >= FEWEST_ROUNDS:
            scatter = np.sqrt(excess_variance(n, errors, draws, weights))
            draws = draws + random.normal(0, scatter, draws.shape)
        return cls(n, errors, draws, weights)

    @property
    def noise(self) -> Floats:
        """The draws about their mean."""
        return np.asarray(self.draws - self.draws.mean(axis=0))

    def fit(self, family: str) -> Fits:
        """The family fitted to the errors: one row."""
        return fit(family, self.n, self.errors[None], self.weights)

    def refit(self, family: str) -> Fits:
        """The family fitted to every draw."""
        return fit(family, self.n, self.draws, self.weights, zooms=2)

    def held_out(self) -> HeldOut:
        """How well fits to the first rounds predict the others."""
        return HeldOut.of(self.n, self.errors, self.weights)


def weights_of(draws: Floats) -> Floats:
    """A weight a round, their mean being 1: one over the variance of its draws [draws, rounds].

    What shifts all rounds of a draw alike is taken off first: the floor takes it up whatever the weights. No weight
    is above ten times the middle one, so that a round without any spread does not rule the fit.
    """
    variances = np.var(draws - draws.mean(axis=1, keepdims=True), axis=0)
    middle = float(np.median(variances))
    if middle <= 0:
        return np.ones(draws.shape[1])
    weights = 1 / np.maximum(variances, middle / 10)
    return np.asarray(weights / weights.mean())


def excess_variance(n: Floats, errors: Floats, draws: Floats, weights: Floats) -> float:
    """The variance a round by which errors scatter about the best curve beyond what ``draws`` explain (method of
    moments: DerSimonian & Laird 1986): chance in what was written, and in training where there is one seed."""
    families = CURVES if len(n) >= FEWEST_FOR_CURVES else ("linear",)
    noise = draws - draws.mean(axis=0)
    fitted = [fit(family, n, errors[None], weights) for family in families]
    best = min(fitted, key=lambda item: float(item.loss[0]))
    expected = float(np.mean(fit(best.family, n, best.at(n) + noise, weights, zooms=1).loss))
    freedom = len(n) - PARAMETERS[best.family]
    return max(0.0, float(best.loss[0]) - expected) * len(n) / (freedom * float(weights.sum()))


def _straight(family: str, n: Floats, errors: Floats, weights: Floats) -> Fits:
    mean_n, mean = (weights @ n) / weights.sum(), (errors @ weights) / weights.sum()
    slope = np.zeros(len(errors))
    if family == "linear" and len(n) > 1:
        slope = ((errors - mean[:, None]) * weights) @ (n - mean_n) / (weights @ (n - mean_n) ** 2)
    floor = mean - slope * mean_n
    loss = (errors - floor[:, None] - slope[:, None] * n) ** 2 @ weights
    return Fits(family, floor, slope, np.ones(len(errors)), loss)


def _basis(family: str, n: Floats, shape: Floats) -> Floats:
    if family == "power":
        return np.asarray(n**-shape)
    if family == "exponential":
        return np.asarray(np.exp(-n / shape))
    return np.asarray(n * shape)


def _reduced(family: str, n: Floats, shapes: Floats) -> Floats:
    """The basis at each shape, over its value at the first n, so that no number is too small: [..., rounds]."""
    if family == "power":
        return _basis(family, n / n[0], shapes[..., None])
    return _basis(family, n - n[0], shapes[..., None])


def _shapes(family: str, n: Floats, number: int = _SHAPES) -> Floats:
    if family == "power":
        return np.geomspace(0.02, 5, number)
    span = float(n[-1] - n[0])
    return np.geomspace(span / (3 * len(n)), 20 * span, number)


def _least(losses: Floats) -> tuple[Floats, Floats]:
    """The least of each row of ``losses`` [draws, shapes] and the step of the grid at which it lies: of the parabola
    through the least on the grid and its neighbours, since the true shape lies between steps."""
    middle = np.minimum(np.maximum(np.argmin(losses, axis=1), 1), losses.shape[1] - 2)
    before, least, after = losses[np.arange(len(losses)), middle + np.array([[-1], [0], [1]])]
    bend, slope = before - 2 * least + after, (after - before) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = np.where(bend > 0, -slope / bend, -np.sign(slope))
    move = np.minimum(np.maximum(vertex, -1), 1)
    return np.maximum(least + move * slope + move**2 * bend / 2, 0), middle + move


@dataclass(frozen=True)
class _Sums:
    """What a least-squares fit of floor and scale takes, about the weighted means: sums of squares of the errors
    themselves would lose their small differences. ``across`` and what has shapes is [draws, shapes] or [shapes]."""

    total: float
    mean: Floats
    squared: Floats
    across: Floats
    first: Floats
    spread: Floats

    @classmethod
    def of(cls, basis: Floats, errors: Floats, weights: Floats) -> _Sums:
        """``basis`` is [shapes, rounds], or [draws, shapes, rounds] where each draw has its own shapes."""
        total, first = float(weights.sum()), basis @ weights
        mean = (errors @ weights) / total
        rest = (errors - mean[:, None]) * weights
        across = rest @ basis.T if basis.ndim == 2 else np.einsum("dk,dsk->ds", rest, basis)
        spread = np.maximum(basis**2 @ weights - first**2 / total, 1e-300)
        squared = np.einsum("dk,dk->d", rest, errors - mean[:, None])
        return cls(total, mean[:, None], squared[:, None], across, first, spread)

    def solve(self) -> tuple[Floats, Floats]:
        """Floor and scale within their bounds."""
        scale = np.maximum(self.across / self.spread, 0)
        floor = self.mean - scale * (self.first / self.total)
        through_zero = self._uncentred() / (self.spread + self.first**2 / self.total)
        return np.maximum(floor, 0), np.where(floor < 0, through_zero, scale)

    def losses(self) -> Floats:
        """The least loss at each shape."""
        scale = np.maximum(self.across / self.spread, 0)
        free = scale * self.across
        uncentred = self._uncentred()
        zero = uncentred**2 / (self.spread + self.first**2 / self.total) - self.total * self.mean**2
        return np.asarray(self.squared - np.where(self.mean < scale * (self.first / self.total), zero, free))

    def _uncentred(self) -> Floats:
        return np.asarray(self.across + self.mean * self.first)
