"""Where returns diminish: the curve of an arm's errors, its end, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from collection.analytics.asymptotes import floor_interval
from collection.analytics.candidates import Candidate, candidates
from collection.analytics.fits import (
    CURVES,
    FEWEST_FOR_CURVES,
    FEWEST_ROUNDS,
    Choice,
    Evidence,
    Fits,
    Floats,
)
from collection.analytics.forecasts import TOO_FEW, UNMOVED, back_test, coming, examples_to_reach, forecast
from collection.analytics.gains import ROUNDING
from collection.analytics.metrics import Estimate, missing, untold

_NO_WIDTH = f"{UNMOVED}: the interval has no width"
_BY_REFITS = "percentile bootstrap of the fits"
_BY_ALL = "percentile bootstrap of the fits, over families that agree"
_LINE_PER = 1000.0
_BY_PROFILE = "profile likelihood averaged over both curves, calibrated by simulation"
# An interval that reaches this near to the last error says no more than that errors will not grow.
_NEAR = 0.95
_NO_SHARE = "the straight line leaves 0% to 100% at no examples"
_ENDS_NO_SHARE = "draws of the straight line leave 0% to 100% at no examples, so there is no interval"


@dataclass(frozen=True)
class Fitted:
    """The chosen curve of one arm on one test set. ``start``, ``scale`` and ``shape`` are c, a and b of its formula
    (None where it has none; c of a curve is its floor, a of a straight line is for 1,000 examples), ``curve`` is the
    fitted error at each round [rounds], ``forecast`` pairs numbers of examples with the errors to be measured there,
    ``targets`` errors with the examples for them."""

    choice: Choice
    start: Estimate | None
    scale: Estimate | None
    shape: Estimate | None
    next_gain: Estimate
    curve: tuple[Estimate, ...]
    forecast: tuple[tuple[float, Estimate], ...]
    back_test: tuple[Estimate, ...]
    targets: tuple[tuple[float, Estimate], ...]


@dataclass(frozen=True)
class Returns:
    """What curves say of one arm on one test set. ``fitted`` is None with too few rounds."""

    floor: Estimate
    fitted: Fitted | None

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Returns:
        """What ``dataclasses.asdict`` made plain, JSON's lists for tuples included."""
        fitted = plain["fitted"]
        return cls(
            floor=Estimate(**plain["floor"]),
            fitted=None
            if fitted is None
            else Fitted(
                choice=Choice(**fitted["choice"]),
                **{name: fitted[name] and Estimate(**fitted[name]) for name in ("start", "scale", "shape")},
                next_gain=Estimate(**fitted["next_gain"]),
                curve=_estimates(fitted["curve"]),
                forecast=_pairs(fitted["forecast"]),
                back_test=_estimates(fitted["back_test"]),
                targets=_pairs(fitted["targets"]),
            ),
        )


def _estimates(plain: Iterable[Mapping[str, Any]]) -> tuple[Estimate, ...]:
    return tuple(Estimate(**item) for item in plain)


def _pairs(plain: Iterable[tuple[float, Mapping[str, Any]]]) -> tuple[tuple[float, Estimate], ...]:
    return tuple((at, Estimate(**item)) for at, item in plain)


def returns_of(
    n: Floats,
    errors: Floats,
    draws: Floats,
    targets: Sequence[float],
    seed: int,
    per: float = 100,
    past: Sequence[Sequence[Estimate]] = (),
) -> Returns:
    """Returns of one arm: ``n`` examples, ``errors`` [rounds], ``draws`` [draws, rounds] of errors.
    The gain by the curve is for ``per`` examples; ``past`` forecasts as :func:`back_test` takes them.

    Scatter about the curve beyond what the draws explain is added to them first. Raises ValueError where n does not
    grow from round to round or anything is not finite.
    """
    if not (np.isfinite(n).all() and np.isfinite(errors).all() and np.isfinite(draws).all()):
        raise ValueError("n, errors and draws must be finite")
    if n[0] <= 0 or not (np.diff(n) > 0).all():
        raise ValueError("n must be above 0 and grow from round to round")
    random = np.random.default_rng(seed)
    found = Evidence.of(n, errors, draws, random)
    choice = found.held_out().choose(len(n)) if len(n) >= FEWEST_ROUNDS else None
    floor = floor_of(found, choice)
    fitted = None
    if choice is not None:
        later = coming(n, len(n))
        agreeing = candidates(found, choice.family)
        point, refits = agreeing[0].point, agreeing[0].refits
        curve, drawn = np.clip(point.at(n)[0], 0, 1), np.clip(refits.at(n), 0, 1)
        fitted = Fitted(
            choice=choice,
            **_parameters(point, refits, len(n)),
            next_gain=next_gain(found, agreeing, per),
            curve=tuple(_percentiles(curve, drawn, len(n), _BY_REFITS)),
            forecast=tuple(zip(later.tolist(), forecast(found, agreeing, later, random), strict=True)),
            back_test=tuple(back_test(past, errors)),
            targets=tuple((error, examples_to_reach(error, agreeing, n, floor.low or 0.0)) for error in targets),
        )
    return Returns(floor, fitted)


def floor_of(found: Evidence, choice: Choice | None) -> Estimate:
    """The error that the chosen curve tends to, or where the errors rule that out the curve that fits best. Missing
    where the data cannot tell: too few rounds, a straight line predicts as well, or every floor from 0 to (nearly)
    the last error agrees with them."""
    rounds = len(found.n)
    if choice is None or rounds < FEWEST_FOR_CURVES:
        return missing(rounds, f"a curve with a floor needs {FEWEST_FOR_CURVES} rounds")
    if choice.family not in CURVES:
        return untold(rounds, "data cannot tell: a straight line predicts later rounds as well as a curve with a floor")
    floor = floor_interval(found)
    if floor.low <= 0 and floor.high >= _NEAR * found.errors[-1]:
        return untold(rounds, f"data cannot tell: every floor from 0% to {floor.high:.1%} agrees with the errors")
    value, limit = float(found.fit(choice.family).floor[0]), ""
    if not floor.low <= value <= floor.high:
        limit = f"of the other curve: the chosen one ends at {value:.1%}, which the errors rule out"
        value = floor.value
    return Estimate(rounds, value, floor.low, floor.high, _BY_PROFILE, limit)


def next_gain(found: Evidence, agreeing: Sequence[Candidate], per: float) -> Estimate:
    """By how much the first of ``agreeing`` falls over the next ``per`` examples; the interval holds the percentile
    intervals of all, as far as errors are left. Missing with too few rounds and where no change was chosen."""
    rounds = len(found.n)
    if rounds < FEWEST_FOR_CURVES:
        return missing(rounds, TOO_FEW)
    if agreeing[0].family == "constant":
        return untold(rounds, "no change predicts later rounds as well as any curve, and has no gain")
    left = float(found.errors[-1])
    if left == 0:
        return untold(rounds, "no errors are left to gain")
    drawn = [_fall(item.refits, found.n[-1], per) for item in agreeing]
    value = float(_fall(agreeing[0].point, found.n[-1], per)[0])
    ends = np.quantile(drawn, [0.025, 0.975], axis=1)
    low, high = min(float(ends[0].min()), value), max(float(ends[1].max()), value)
    if high - low < ROUNDING:
        return untold(rounds, UNMOVED)
    return Estimate(rounds, value, low, max(value, min(high, left)), _BY_ALL)


def _fall(fits: Fits, last: float, per: float) -> Floats:
    """By how much each fit falls over ``per`` examples after ``last``, errors held to 0 … 1: [draws]."""
    before, after = np.clip(fits.at(np.array([last, last + per])), 0, 1).T
    return np.asarray(before - after)


def _parameters(point: Fits, refits: Fits, rounds: int) -> dict[str, Estimate | None]:
    """The parameters that the family's formula has."""
    curved, line = point.family in CURVES, point.family == "linear"
    factor = _LINE_PER if line else 1.0

    def told(value: Floats, drawn: Floats) -> Estimate:
        return _percentiles(value, drawn[:, None], rounds, _BY_REFITS)[0]

    return {
        "start": None if curved else _as_share(told(point.floor, refits.floor)),
        "scale": told(factor * point.scale, factor * refits.scale) if curved or line else None,
        "shape": told(point.shape, refits.shape) if curved else None,
    }


def _as_share(found: Estimate) -> Estimate:
    """An error as far as it can be one: far from the first round a line goes anywhere."""
    if found.value is None or found.low is None or found.high is None:
        return found
    if not 0 <= found.value <= 1:
        return untold(found.n, _NO_SHARE)
    if found.low < 0 or found.high > 1:
        return Estimate(found.n, found.value, None, None, limit=_ENDS_NO_SHARE)
    return found


def _percentiles(values: Floats, drawn: Floats, n: int, method: str) -> list[Estimate]:
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    low, high = np.minimum(low, values), np.maximum(high, values)
    ends = zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(n, *found, method, _NO_WIDTH if found[1] == found[2] else "") for found in ends]
