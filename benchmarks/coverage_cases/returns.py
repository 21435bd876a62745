"""Studies whose learning curve is known: how often the intervals of floors, gains and forecasts hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.stats import norm

from benchmarks.coverage_cases import Case, Covered, holds
from collection.analytics.candidates import candidates
from collection.analytics.fits import Evidence, Floats
from collection.analytics.forecasts import forecast
from collection.analytics.gains import gains, slopes
from collection.analytics.resampling import drawn_errors
from collection.analytics.returns import floor_of, next_gain

Curve = Callable[[Floats], Floats]
_ROWS, _CONTEXTS, _DRAWS = 766, 100, 400
# A row is wrong where a standard normal falls below the curve's quantile; these shares of it belong to the context and
# to the row, whatever the version.
_CONTEXT_SHARE, _ROW_SHARE, _SEED_SD = 0.1, 0.5, 0.01
_FLOOR = 0.15


def power_law(n: Floats) -> Floats:
    """A power law to a floor of 15% errors: 39% at 500 examples, 21% at 10,000."""
    return np.asarray(_FLOOR + 4 * n**-0.45)


def exponential(n: Floats) -> Floats:
    """An exponential to the same floor: 35% at 500 examples, hardly above 15% at 10,000."""
    return np.asarray(_FLOOR + 0.25 * np.exp(-n / 2500))


def study(
    random: np.random.Generator, curve: Curve, rounds: int, seeds: int, ahead: int = 0
) -> tuple[Floats, Evidence]:
    """A study of 10,000 examples in so many rounds: the errors of each round as measured, and what fits are made of.
    ``ahead`` rounds more are measured on the same test rows, but no fit sees them."""
    n = np.linspace(1, rounds + ahead, rounds + ahead) * 10_000 / rounds
    contexts = random.integers(0, _CONTEXTS, _ROWS)
    clusters = np.unique(contexts, return_inverse=True)[1]
    shared = np.sqrt(_CONTEXT_SHARE) * random.normal(size=_CONTEXTS)[contexts]
    shared += np.sqrt(_ROW_SHARE) * random.normal(size=_ROWS)
    rates = np.clip(curve(n)[:, None] + random.normal(0, _SEED_SD, (len(n), seeds)), 0.001, 0.999)
    own = random.standard_normal((len(n), seeds, _ROWS), dtype=np.float32)
    wrong = shared + np.sqrt(1 - _CONTEXT_SHARE - _ROW_SHARE) * own < norm.ppf(rates)[..., None]
    errors, draws = drawn_errors(list(wrong), clusters, _DRAWS, int(random.integers(2**32)))
    return errors, Evidence.of(n[:rounds], errors[:rounds], draws[:, :rounds], random)


def floor(random: np.random.Generator, curve: Curve, rounds: int, seeds: int) -> Covered:
    """The floor, where the data can tell one."""
    _, found = study(random, curve, rounds, seeds)
    return Covered({"floor": holds(floor_of(found, found.held_out().choose(rounds)), _FLOOR)})


def gain(random: np.random.Generator, rounds: int, seeds: int) -> Covered:
    """The gain over the latest rounds, at the last one."""
    _, found = study(random, power_law, rounds, seeds)
    truth = float(slopes(found.n)[-1] @ power_law(found.n)) * 100
    return Covered({"gain for 100 examples": holds(gains(found.n, found.errors, found.draws, 100)[-1], truth)})


def fitted_gain(random: np.random.Generator, rounds: int, seeds: int) -> Covered:
    """By how much the curve falls over the next 100 examples."""
    _, found = study(random, power_law, rounds, seeds)
    before, after = power_law(found.n[-1] + np.array([0.0, 100.0]))
    told = next_gain(found, candidates(found, found.held_out().choose(rounds).family), 100)
    return Covered({"gain by the curve": holds(told, float(before - after))})


def coming_round(random: np.random.Generator, rounds: int, seeds: int) -> Covered:
    """The error measured five rounds on."""
    errors, found = study(random, power_law, rounds, seeds, ahead=5)
    step = found.n[1] - found.n[0]
    agreeing = candidates(found, found.held_out().choose(rounds).family)
    told = forecast(found, agreeing, found.n[-1:] + 5 * step, random)
    return Covered({"error five rounds on": holds(told[0], float(errors[-1]))})


CASES: dict[str, Case] = {
    "floor-power-20-rounds": partial(floor, curve=power_law, rounds=20, seeds=10),
    "floor-power-10-rounds": partial(floor, curve=power_law, rounds=10, seeds=10),
    "floor-power-20-rounds-3-seeds": partial(floor, curve=power_law, rounds=20, seeds=3),
    "floor-exponential-20-rounds": partial(floor, curve=exponential, rounds=20, seeds=10),
    "gain-20-rounds": partial(gain, rounds=20, seeds=10),
    "gain-10-rounds": partial(gain, rounds=10, seeds=10),
    "gain-20-rounds-1-seed": partial(gain, rounds=20, seeds=1),
    "fitted-gain-20-rounds": partial(fitted_gain, rounds=20, seeds=10),
    **{f"fitted-gain-{rounds}-rounds-3-seeds": partial(fitted_gain, rounds=rounds, seeds=3) for rounds in (6, 8, 10)},
    "forecast-20-rounds": partial(coming_round, rounds=20, seeds=10),
    **{f"forecast-{rounds}-rounds-3-seeds": partial(coming_round, rounds=rounds, seeds=3) for rounds in (6, 8, 10)},
}
