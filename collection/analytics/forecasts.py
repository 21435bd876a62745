"""What a fitted curve says of rounds to come, how often it was right before, and what it takes to reach an error."""

from __future__ import annotations

import numpy as np

from collection.analytics.fits import FEWEST_ROUNDS, PARAMETERS, Evidence, Fits, Floats, HeldOut, fit
from collection.analytics.metrics import Estimate, share, untold

AHEAD = 5
# An extrapolation by more than this factor is marked as such.
_FAR = 3.0
_BACK_TEST_DRAWS = 300


def forecast(found: Evidence, family: str, ahead: Floats, random: np.random.Generator) -> list[Estimate]:
    """Errors to be measured at ``ahead`` examples on the same test rows with as many seeds, with prediction intervals.

    The interval has two parts: the fit's own uncertainty, from fits to rounds redrawn about it, and what a new round
    will add by chance. Chance is what scatters draws about their own curves; what moves a whole curve, as the choice of
    test rows does, is left out, for rounds to come share it.
    """
    rounds, point, refits = len(found.n), found.fit(family), found.refit(family)
    scatter = np.var(found.draws - refits.at(found.n), axis=0) @ found.weights / (rounds - PARAMETERS[family])
    redrawn = point.at(found.n) + random.normal(0, np.sqrt(scatter / found.weights), found.draws.shape)
    told = fit(family, found.n, redrawn, found.weights, zooms=2).at(ahead)
    predicted = np.clip(told + random.normal(0, np.sqrt(scatter / found.weights[-1]), told.shape), 0, 1)
    low, high = np.quantile(predicted, [0.025, 0.975], axis=0)
    value = np.clip(point.at(ahead)[0], 0, 1)
    ends = zip(value.tolist(), np.minimum(low, value).tolist(), np.maximum(high, value).tolist(), strict=True)
    return [Estimate(rounds, *told, "refits and a new round's scatter, percentiles") for told in ends]


def back_test(
    n: Floats, errors: Floats, draws: Floats, held_out: HeldOut, random: np.random.Generator, ahead: int = AHEAD
) -> list[Estimate]:
    """The share of past rounds inside the interval forecast 1 … ``ahead`` rounds before, from the rounds until then.

    The curve is chosen anew each time. ``draws`` are those of test rows and seeds alone.
    ``n`` of each counts the rounds that were forecast.
    """
    inside, trials = np.zeros(ahead, dtype=int), np.zeros(ahead, dtype=int)
    for origin in range(FEWEST_ROUNDS, len(n)):
        past = Evidence.of(n[:origin], errors[:origin], draws[:_BACK_TEST_DRAWS, :origin], random)
        later = slice(origin, origin + ahead)
        told = forecast(past, held_out.choose(origin).family, n[later], random)
        for index, (item, error) in enumerate(zip(told, errors[later], strict=True)):
            inside[index] += within(item, float(error))
            trials[index] += 1
    return [share(int(hits), int(count)) for hits, count in zip(inside, trials, strict=True)]


def within(item: Estimate, value: float) -> bool:
    """Whether the estimate's interval holds the value."""
    return item.low is not None and item.high is not None and item.low <= value <= item.high


def examples_to_reach(error: float, point: Fits, refits: Fits, n: Floats, floor_low: float) -> Estimate:
    """How many examples the fitted curve needs to come down to an error, with a percentile interval over ``refits``.

    ``point`` is the fit to the errors (one row), ``floor_low`` the lower end of the floor's interval. Missing, and
    why, if the curve or any part of the interval never gets there: no interval without an upper end is given.
    """
    rounds, most = len(n), float(n[-1])
    needed = float(point.examples_at(error)[0])
    if floor_low >= error:
        return untold(rounds, "every floor that agrees with the data is above it")
    if not np.isfinite(needed):
        return untold(rounds, f"the fitted floor ({float(point.floor[0]):.1%} errors) is above it")
    reached = refits.examples_at(error)
    never = float(np.mean(~np.isfinite(reached)))
    if never >= 0.025:
        why = (
            f"the fitted curve gets there at {needed:,.0f} examples, but in {never:.0%} of the draws its floor is above"
        )
        return untold(rounds, f"data cannot tell: {why}")
    low, high = np.quantile(reached, [0.025, 0.975], method="higher")
    far = "" if high <= _FAR * most else f"reaches to {high / most:.0f} times the examples there are; a curve may bend"
    method = "fitted curve, percentile bootstrap of its fits"
    return Estimate(rounds, needed, min(float(low), needed), max(float(high), needed), method, far)
