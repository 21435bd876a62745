"""What fitted curves say of rounds to come, how often they were right before, and what it takes to reach an error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from collection.analytics.candidates import Candidate, candidates
from collection.analytics.fits import CURVES, FAMILIES, FEWEST_FOR_CURVES, PARAMETERS, Evidence, Floats, fit
from collection.analytics.gains import ROUNDING
from collection.analytics.metrics import Estimate, missing, share, untold

AHEAD = 5
UNMOVED = "every draw gave the same, so chance cannot be told"
# Below this many rounds only straight lines are fitted, and a curve that bends leaves their intervals.
TOO_FEW = f"to look ahead takes {FEWEST_FOR_CURVES} rounds"
# Of fewer forecasts Wilson's interval spans half of all shares and more.
FEWEST_FORECASTS = 5
_LEAVES = "the straight line through the errors leaves 0% to 100% there"
# An extrapolation by more than this factor is marked as such.
_FAR = 3.0
_NEVER = 0.025


def coming(n: Floats, rounds: int, ahead: int = AHEAD) -> Floats:
    """How many examples the ``ahead`` rounds after the first ``rounds`` have; after the last of ``n`` [rounds] each has
    one more step, the middle one so far."""
    further = n[-1] + np.median(np.diff(n)) * np.arange(1, ahead + 1)
    return np.concatenate([n, further])[rounds : rounds + ahead]


def forecast(
    found: Evidence, agreeing: Sequence[Candidate], ahead: Floats, random: np.random.Generator
) -> list[Estimate]:
    """Errors to be measured at ``ahead`` examples on the same test rows with as many seeds, with prediction intervals.

    The first of ``agreeing`` gives the value; the interval holds those of all, for which family is true is part of what
    is not known. Missing with too few rounds, where a straight line leaves the errors that can be, and where chance
    cannot be told.
    """
    rounds = len(found.n)
    if rounds < FEWEST_FOR_CURVES:
        return [missing(rounds, TOO_FEW)] * len(ahead)
    ends = np.array([_ends(found, item, ahead, random) for item in agreeing])
    values = agreeing[0].point.at(ahead)[0]
    lows, highs = np.minimum(ends[:, 0].min(axis=0), values), np.maximum(ends[:, 1].max(axis=0), values)
    return [
        _predicted(rounds, agreeing[0].family, *told)
        for told in zip(values.tolist(), lows.tolist(), highs.tolist(), strict=True)
    ]


def _predicted(rounds: int, family: str, value: float, low: float, high: float) -> Estimate:
    if family == "linear" and not 0 < value < 1:
        return untold(rounds, _LEAVES)
    if high - low < ROUNDING:
        return untold(rounds, UNMOVED)
    return Estimate(rounds, value, low, high, "refits and a new round's scatter, percentiles over families that agree")


def _ends(found: Evidence, item: Candidate, ahead: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """The prediction interval under one family: its ends [ahead].

    It has two parts: the fit's own uncertainty, from fits to rounds redrawn about it, and what a new round
    will add by chance. Chance is what scatters draws about their own curves; what moves a whole curve, as the choice of
    test rows does, is left out, for rounds to come share it.
    """
    freedom = len(found.n) - PARAMETERS[item.family]
    scatter = np.var(found.draws - item.refits.at(found.n), axis=0) @ found.weights / freedom
    redrawn = item.point.at(found.n) + random.normal(0, np.sqrt(scatter / found.weights), found.draws.shape)
    told = fit(item.family, found.n, redrawn, found.weights, zooms=2).at(ahead)
    predicted = np.clip(told + random.normal(0, np.sqrt(scatter / found.weights[-1]), told.shape), 0, 1)
    low, high = np.quantile(predicted, [0.025, 0.975], axis=0)
    return low, high


def foretold(n: Floats, errors: Floats, draws: Floats, ahead: Floats, random: np.random.Generator) -> list[Estimate]:
    """The :func:`forecast` that these rounds alone make: ``n`` and ``errors`` [rounds], ``draws`` [draws, rounds] of
    test rows and seeds, ``ahead`` [forecasts]."""
    found = Evidence.of(n, errors, draws, random)
    return forecast(found, candidates(found, found.held_out().choose(len(n)).family), ahead, random)


def back_test(told: Sequence[Sequence[Estimate]], errors: Floats, ahead: int = AHEAD) -> list[Estimate]:
    """The share of past rounds inside the interval forecast 1 … ``ahead`` rounds before, from the rounds until then.

    ``told`` has the forecasts of the ``ahead`` rounds after the first ``FEWEST_FOR_CURVES``, then of those after one
    round more each; those beyond the last of ``errors`` [rounds] do not count.
    ``n`` of each counts the rounds that were forecast; missing below ``FEWEST_FORECASTS``.
    """
    inside, trials = np.zeros(ahead, dtype=int), np.zeros(ahead, dtype=int)
    for origin, items in enumerate(told, FEWEST_FOR_CURVES):
        for index, (item, error) in enumerate(zip(items, errors[origin:], strict=False)):
            inside[index] += within(item, float(error))
            trials[index] += item.value is not None
    return [_share_inside(int(hits), int(count)) for hits, count in zip(inside, trials, strict=True)]


def _share_inside(hits: int, count: int) -> Estimate:
    if count < FEWEST_FORECASTS:
        return missing(count, f"a share takes {FEWEST_FORECASTS} forecasts, and {count} could be made")
    return share(hits, count)


def within(item: Estimate, value: float) -> bool:
    """Whether the estimate's interval holds the value."""
    return item.low is not None and item.high is not None and item.low <= value <= item.high


def examples_to_reach(error: float, agreeing: Sequence[Candidate], n: Floats, floor_low: float) -> Estimate:
    """How many examples the first of ``agreeing`` needs to come down to an error, with an interval that holds the
    percentile intervals of all.

    ``floor_low`` is the lower end of the floor's interval. Missing, and why, with too few rounds, or if the curve or
    any part of the interval never gets there: no interval without an upper end is given.
    """
    rounds, most, chosen = len(n), float(n[-1]), agreeing[0]
    if rounds < FEWEST_FOR_CURVES:
        return missing(rounds, TOO_FEW)
    if chosen.family not in CURVES:
        return untold(rounds, "data cannot tell: a straight line predicts later rounds as well as any curve")
    needed = float(chosen.point.examples_at(error)[0])
    if floor_low >= error:
        return untold(rounds, "every floor that agrees with the data is above it")
    if not np.isfinite(needed):
        return untold(rounds, f"the fitted floor ({float(chosen.point.floor[0]):.1%} errors) is above it")
    lows, highs = [needed], [needed]
    for item in agreeing:
        reached = item.refits.examples_at(error)
        never = float(np.mean(~np.isfinite(reached)))
        if never >= _NEVER:
            whose = "its" if item is chosen else f"that of another that agrees ({FAMILIES[item.family]})"
            why = f"the fitted curve gets there at {needed:,.0f} examples, but in {never:.0%} of the draws"
            return untold(rounds, f"data cannot tell: {why} {whose} end is above")
        low, high = np.quantile(reached, [0.025, 0.975], method="higher")
        lows.append(float(low))
        highs.append(float(high))
    times = max(highs) / most
    far = f"reaches to {times:.0f} times the examples there are; a curve may bend" if times > _FAR else ""
    method = "fitted curves, percentile bootstrap of their fits, over families that agree"
    return Estimate(rounds, needed, min(lows), max(highs), method, far)
