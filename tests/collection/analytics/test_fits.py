"""Fits of curves, against scipy and known truths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from collection.analytics.asymptotes import floor_interval
from collection.analytics.fits import Choice, Evidence, HeldOut, Profile, excess_variance, fit, weights_of
from collection.analytics.returns import floor_of

N = np.arange(1, 21) * 500.0
EVEN = np.ones(20)


def power(n: np.ndarray, floor: float, scale: float, shape: float) -> np.ndarray:
    return floor + scale * n**-shape


def exponential(n: np.ndarray, floor: float, scale: float, shape: float) -> np.ndarray:
    return floor + scale * np.exp(-n / shape)


@pytest.mark.parametrize(
    ("family", "curve", "truth", "limits"),
    [
        ("power", power, (0.15, 4, 0.45), ([0, 0, 0.02], [1, np.inf, 5])),
        ("exponential", exponential, (0.15, 0.25, 2500), ([0, 0, 100], [1, np.inf, 1e6])),
    ],
)
@pytest.mark.parametrize("noise", [0, 0.004])
def test_a_fit_is_that_of_scipy(
    family: str,
    curve: Callable[..., np.ndarray],
    truth: tuple[float, ...],
    limits: tuple[list[float], list[float]],
    noise: float,
) -> None:
    random = np.random.default_rng(1)
    errors, weights = curve(N, *truth) + random.normal(0, noise, 20), random.uniform(0.5, 2, 20)
    expected, _ = curve_fit(
        curve, N, errors, p0=truth, sigma=weights**-0.5, bounds=limits, xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    found = fit(family, N, errors[None], weights, zooms=14)
    assert [found.floor[0], found.scale[0], found.shape[0]] == pytest.approx(expected, rel=1e-3)
    assert found.at(N)[0] == pytest.approx(curve(N, *expected), abs=1e-7)
    assert found.loss[0] == pytest.approx(float(weights @ (errors - curve(N, *expected)) ** 2), abs=1e-10)


def test_a_straight_line_is_that_of_numpy() -> None:
    errors = np.random.default_rng(2).uniform(0.2, 0.3, 20)
    slope, start = np.polyfit(N, errors, 1)
    found = fit("linear", N, errors[None], EVEN)
    assert (found.floor[0], found.scale[0]) == pytest.approx((start, slope))


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.3), st.sampled_from(["power", "exponential"]))
@settings(max_examples=30, deadline=None)
def test_floors_and_scales_keep_their_bounds_and_many_rows_are_fitted_as_one(
    seed: int, spread: float, family: str
) -> None:
    errors = np.clip(np.random.default_rng(seed).normal(0.1, spread, (3, 20)), 0, 1)
    found = fit(family, N, errors, EVEN)
    assert (found.floor >= 0).all()
    assert (found.scale >= 0).all()
    assert np.isfinite(found.at(N)).all()
    assert (found.loss <= fit("constant", N, errors, EVEN).loss + 1e-9).all()
    alone = fit(family, N, errors[1:2], EVEN)
    assert alone.at(N)[0] == pytest.approx(found.at(N)[1], abs=1e-9)


@pytest.mark.parametrize("family", ["power", "exponential", "linear"])
def test_needed_examples_agree_with_the_curve(family: str) -> None:
    errors = power(N, 0.15, 4, 0.45)
    found = fit(family, N, errors[None], EVEN)
    halfway = float(found.at(np.array([4000.0]))[0, 0])
    assert found.examples_at(halfway)[0] == pytest.approx(4000, rel=1e-6)
    if family != "linear":
        assert found.examples_at(float(found.floor[0]) - 0.01)[0] == np.inf


def test_the_family_that_made_the_errors_is_chosen() -> None:
    random = np.random.default_rng(3)
    truths = {
        "power": power(N, 0.1, 4, 0.45),
        "exponential": exponential(N, 0.15, 0.25, 2500),
        "linear": 0.4 - 1e-5 * N,
        "constant": np.full(20, 0.3),
    }
    for family, errors in truths.items():
        held_out = HeldOut.of(N, errors + random.normal(0, 0.001, 20), EVEN)
        assert held_out.choose(20).family == family


def test_of_families_that_tie_the_simplest_is_chosen() -> None:
    held_out = HeldOut.of(N, np.full(20, 0.25), EVEN)
    assert held_out.choose(20).family == "constant"


def test_few_rounds_are_not_fitted_with_curves_and_fewer_not_at_all() -> None:
    held_out = HeldOut.of(N[:5], power(N[:5], 0.1, 4, 0.45), EVEN[:5])
    assert set(held_out.choose(5).losses) == {"constant", "linear"}
    with pytest.raises(ValueError, match="at least 4"):
        held_out.choose(3)


def test_weights_leave_out_what_moves_all_rounds_alike() -> None:
    random = np.random.default_rng(4)
    deviations = np.where(np.arange(20) < 10, 0.01, 0.02)
    draws = random.normal(0, deviations, (4000, 20))
    shifted = draws + random.normal(0, 0.5, (4000, 1))
    assert weights_of(shifted) == pytest.approx(weights_of(draws))
    assert weights_of(draws)[:10].mean() / weights_of(draws)[10:].mean() == pytest.approx(4, rel=0.2)
    assert weights_of(np.full((10, 20), 0.3)) == pytest.approx(EVEN)


def test_scatter_that_the_draws_do_not_explain_is_found() -> None:
    random = np.random.default_rng(5)
    truth = power(N, 0.15, 4, 0.45)
    draws = truth + random.normal(0, 0.002, (500, 20))
    found = [excess_variance(N, truth + random.normal(0, 0.01, 20), draws, EVEN) for _ in range(50)]
    assert np.mean(found) ** 0.5 == pytest.approx(0.0098, rel=0.1)


def test_a_floor_is_told_from_precise_errors_and_not_from_a_short_noisy_curve() -> None:
    random = np.random.default_rng(6)
    truth = power(N, 0.15, 4, 0.45)
    precise = Evidence.of(N, truth, truth + random.normal(0, 0.0005, (400, 20)), random)
    found = floor_interval(precise)
    assert found.low < 0.15 < found.high
    assert found.high - found.low < 0.03
    noisy = Evidence.of(N[:6], truth[:6], truth[:6] + random.normal(0, 0.02, (400, 6)), random)
    assert floor_interval(noisy).low == 0


@pytest.mark.parametrize(("noise", "reaches"), [(0.008, False), (0.014, True)])
def test_a_floor_reaches_to_that_of_the_other_curve_only_where_the_errors_speak_for_it_too(
    noise: float, reaches: bool
) -> None:
    random = np.random.default_rng(8)
    truth = power(N, 0.15, 4, 0.45)
    alike, apart = random.normal(0, 0.01, (400, 1)), random.normal(0, noise, (400, 20))
    found = Evidence.of(N, truth, truth + alike + apart, random)
    floor = floor_interval(found)
    assert floor.low < floor.value < floor.high
    assert floor.value == pytest.approx(0.15, abs=0.001)
    assert bool(floor.high > found.fit("exponential").floor[0]) is reaches
    told = floor_of(found, Choice("exponential", {}, 1))
    assert told.value == pytest.approx(0.221 if reaches else 0.15, abs=0.001)
    assert told.limit == (
        "" if reaches else "of the other curve: the chosen one ends at 22.1%, which the errors rule out"
    )


def test_a_floor_of_errors_without_any_spread_is_that_of_the_best_curve() -> None:
    truth = exponential(N, 0.15, 0.25, 2500)
    floor = floor_interval(Evidence.of(N, truth, np.tile(truth, (400, 1)), np.random.default_rng(9)))
    assert floor.value == pytest.approx(0.15, abs=0.001)
    assert floor.high - floor.low < 0.03


@pytest.mark.parametrize("shape", [0.4, 0.45, 0.49, 0.52, 1.0, 4.99])
def test_a_profile_finds_shapes_between_those_of_its_grid(shape: float) -> None:
    truth = power(N, 0.15, 0.25 / N[0] ** -shape, shape)
    profile = Profile("power", N, EVEN)
    held, fitted = profile.held(truth[None], 0.15)
    assert fitted == pytest.approx(truth, abs=0.0005)
    assert held[0] < 1e-5
    assert profile.free(truth[None])[0] < 1e-6


def test_the_floor_of_a_curve_that_the_errors_rule_out_is_not_given() -> None:
    random = np.random.default_rng(8)
    truth = exponential(N, 0.15, 0.25, 2500)
    found = Evidence.of(N, truth, truth + random.normal(0, 0.002, (400, 20)), random)
    told = floor_of(found, Choice("power", {}, 1))
    assert told.low is not None
    assert told.low > 0.14
    assert told.value == pytest.approx(0.15, abs=0.001)
    assert "the chosen one ends at 0.0%" in told.limit
    assert floor_of(found, Choice("exponential", {}, 1)).limit == ""


def test_a_floor_needs_six_rounds() -> None:
    random = np.random.default_rng(7)
    with pytest.raises(ValueError, match="at least 6"):
        floor_interval(Evidence.of(N[:5], np.full(5, 0.2), np.full((10, 5), 0.2), random))
