"""Studies whose learning curve is known: how often the intervals of floors, gains and forecasts hold the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.coverage_cases import Case, Covered, holds
from collection.analytics.candidates import candidates
from collection.analytics.fits import Evidence, Floats
from collection.analytics.forecasts import forecast
from collection.analytics.gains import FEWEST_OF_ONE_SEED, gains, slopes
from collection.analytics.resampling import drawn_errors
from collection.analytics.returns import floor_of, next_gain
from collection.analytics.two_way import Ints, cluster_sums, ratios

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


def no_change(n: Floats) -> Floats:
    """A quarter of errors, whatever the examples."""
    return np.full(len(n), 0.25)


def answers(
    random: np.random.Generator, curve: Curve, rounds: int, seeds: int, ahead: int = 0, seed_sd: float = _SEED_SD
) -> tuple[Floats, NDArray[np.bool_], Ints]:
    """A study of 10,000 examples in so many rounds and ``ahead`` more: the examples of each [rounds], what its versions
    got wrong [rounds, seeds, rows], and the context of each test row."""
    n = np.linspace(1, rounds + ahead, rounds + ahead) * 10_000 / rounds
    contexts = random.integers(0, _CONTEXTS, _ROWS)
    clusters = np.unique(contexts, return_inverse=True)[1]
    shared = np.sqrt(_CONTEXT_SHARE) * random.normal(size=_CONTEXTS)[contexts]
    shared += np.sqrt(_ROW_SHARE) * random.normal(size=_ROWS)
    rates = np.clip(curve(n)[:, None] + random.normal(0, seed_sd, (len(n), seeds)), 0.001, 0.999)
    own = random.standard_normal((len(n), seeds, _ROWS), dtype=np.float32)
    return n, shared + np.sqrt(1 - _CONTEXT_SHARE - _ROW_SHARE) * own < norm.ppf(rates)[..., None], clusters


def study(
    random: np.random.Generator, curve: Curve, rounds: int, seeds: int, ahead: int = 0
) -> tuple[Floats, Evidence]:
    """The errors of each round as measured, and what fits are made of: these do not see the rounds ``ahead``."""
    n, wrong, clusters = answers(random, curve, rounds, seeds, ahead)
    errors, draws = drawn_errors(list(wrong), clusters, _DRAWS, int(random.integers(2**32)))
    return errors, Evidence.of(n[:rounds], errors[:rounds], draws[:, :rounds], random)


def floor(random: np.random.Generator, curve: Curve, rounds: int, seeds: int) -> Covered:
    """The floor, where the data can tell one."""
    _, found = study(random, curve, rounds, seeds)
    return Covered({"floor": holds(floor_of(found, found.held_out().choose(rounds)), _FLOOR)})


def gain(
    random: np.random.Generator, rounds: int, seeds: int, curve: Curve = power_law, seed_sd: float = _SEED_SD
) -> Covered:
    """The gain over the latest rounds, at the last one; where there is none, whether its interval leaves out zero."""
    n, wrong, clusters = answers(random, curve, rounds, seeds, seed_sd=seed_sd)
    rows = cluster_sums(np.ones(_ROWS), clusters)
    hits = cluster_sums(wrong.reshape(rounds * seeds, _ROWS).astype(float), clusters)
    told = gains(n, ratios(hits, rows, np.repeat(np.arange(rounds), seeds)), range(rounds), 100)[-1]
    truth = round(float(slopes(n)[-1] @ curve(n)) * 100, 12)
    held = holds(told, truth)
    alarms = {} if truth or held is None else {"gain for 100 examples": not held}
    return Covered({"gain for 100 examples": held}, alarms)


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


def _few_rounds() -> Iterator[tuple[str, Case]]:
    """Studies of few rounds; those whose rounds have one training seed from as many on as a gain takes."""
    for (called, curve), rounds, seeds, (spread, seed_sd) in product(
        (("", power_law), ("-no-gain", no_change)),
        (2, 3, 4, 5),
        (1, 2, 3),
        (("", _SEED_SD), ("-that-differ-much", 2 * _SEED_SD)),
    ):
        if seeds == 1 and rounds < FEWEST_OF_ONE_SEED:
            continue
        name = f"gain-{rounds}-rounds-{seeds}-seed{'s' * (seeds > 1)}{spread}{called}"
        yield name, partial(gain, rounds=rounds, seeds=seeds, curve=curve, seed_sd=seed_sd)


CASES: dict[str, Case] = {
    "floor-power-20-rounds": partial(floor, curve=power_law, rounds=20, seeds=10),
    "floor-power-10-rounds": partial(floor, curve=power_law, rounds=10, seeds=10),
    "floor-power-20-rounds-3-seeds": partial(floor, curve=power_law, rounds=20, seeds=3),
    "floor-exponential-20-rounds": partial(floor, curve=exponential, rounds=20, seeds=10),
    "gain-20-rounds": partial(gain, rounds=20, seeds=10),
    "gain-10-rounds": partial(gain, rounds=10, seeds=10),
    "gain-20-rounds-1-seed": partial(gain, rounds=20, seeds=1),
    **dict(_few_rounds()),
    "fitted-gain-20-rounds": partial(fitted_gain, rounds=20, seeds=10),
    **{f"fitted-gain-{rounds}-rounds-3-seeds": partial(fitted_gain, rounds=rounds, seeds=3) for rounds in (6, 8, 10)},
    "forecast-20-rounds": partial(coming_round, rounds=20, seeds=10),
    **{f"forecast-{rounds}-rounds-3-seeds": partial(coming_round, rounds=rounds, seeds=3) for rounds in (6, 8, 10)},
}
