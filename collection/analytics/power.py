"""What a study of two arms will be able to see: simulated power, and the smallest design that has enough of it.

The model: two arms end with an error rate each, the second by ``reduction`` lower. Their errors on one row go together
(``row_correlation``), those of versions of one arm more so (``seed_correlation``); differences within one context go
together (``icc``); training seeds and writers move a whole version or arm. The test is the paired t test over contexts
and seeds with the two-way variance of Cameron, Gelbach & Miller (2011, J. Bus. Econ. Stat. 29) and Satterthwaite's
degrees of freedom. Its parts are normal and chi-squared under the model, so they are drawn instead of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

from collection.analytics.fits import Floats
from collection.analytics.metrics import Estimate, share
from collection.analytics.sections import is_currency

ENOUGH = 0.8
# No study is larger, and figures of this size can still be multiplied.
LARGEST = 1_000_000_000
_ALPHA = 0.05
_COUNTS = {"rounds": 1, "quota": 1, "arms": 2, "adversarial_arms": 0, "test_rows": 2, "contexts": 2}
_COUNTS |= {"seeds": 1, "writers": 1, "full_after": 1}
_SHARES = ("icc", "row_correlation", "seed_correlation", "vmer")
_AMOUNTS = ("seed_sd", "writer_sd", "base_pay", "fooling_bonus", "validation_pay", "votes")
# Field of Design → the least and the most that it may be.
BOUNDS: dict[str, tuple[int, int]] = {
    **{name: (least, LARGEST) for name, least in _COUNTS.items()},
    **dict.fromkeys(_SHARES, (0, 1)),
    **dict.fromkeys(_AMOUNTS, (0, LARGEST)),
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a design: ``fields`` are those that it is about; people are told the first."""

    fields: tuple[str, ...]
    message: str


class DesignError(ValueError):
    """A design that cannot be; ``faults`` is all that is wrong with it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.fields[0]}: {fault.message}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True)
class Design:
    """A study, and what is assumed of the world. Rates and shares are from 0 to 1, pay is in minor units.

    ``quota`` is accepted examples a round in every arm; ``adversarial_arms`` of the ``arms`` pay the bonus.
    ``contexts`` is how many the ``test_rows`` have; ``icc`` is the correlation of two rows of one context in the
    difference of two arms' errors. ``seed_sd`` is the s.d. of a version's error over training seeds; ``writer_sd``
    that of an arm's error if a single person wrote it all, and ``writers`` is how many write in an arm.

    ``base_error`` is the error of the arm compared with. ``reduction`` is by what share the other makes fewer, once
    each has ``full_after`` examples; with fewer examples in proportion less, with more no more. ``vmer`` is the share
    of accepted examples that fooled a model, ``votes`` what an accepted example takes. ``estimated`` names the
    fields that are from a study. Raises DesignError with all that is wrong.
    """

    rounds: int = 20
    quota: int = 100
    arms: int = 3
    adversarial_arms: int = 2
    test_rows: int = 766
    contexts: int = 100
    icc: float = 0.05
    seeds: int = 10
    seed_sd: float = 0.01
    base_error: float = 0.25
    reduction: float = 0.2
    full_after: int = 2000
    row_correlation: float = 0.5
    seed_correlation: float = 0.6
    writers: int = 10
    writer_sd: float = 0.0
    base_pay: float = 0.0
    fooling_bonus: float = 0.0
    validation_pay: float = 0.0
    votes: float = 3.0
    vmer: float = 0.3
    currency: str = "USD"
    estimated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = tuple(_faults(self))
        if faults:
            raise DesignError(faults)

    @property
    def examples(self) -> int:
        """Accepted examples of an arm."""
        return self.rounds * self.quota

    @property
    def difference(self) -> float:
        """How far the error rates of the two arms will be apart, with these many examples."""
        return self.base_error * self.reduction * min(1.0, self.examples / self.full_after)

    @property
    def cost(self) -> float:
        """What annotators will earn, in minor units: base pay, bonuses and votes of all arms."""
        bonuses = self.adversarial_arms * self.vmer * self.fooling_bonus
        return self.examples * (self.arms * (self.base_pay + self.votes * self.validation_pay) + bonuses)


def _faults(design: Design) -> Iterator[Fault]:
    for name, (least, most) in BOUNDS.items():
        if not least <= getattr(design, name) <= most:
            yield Fault((name,), f"Must be from {least:,} to {most:,}.")
    if not 0 < design.base_error < 1:
        yield Fault(("base_error",), "Must be between 0 and 1.")
    elif not design.base_error - 1 < design.base_error * design.reduction < design.base_error:
        yield Fault(("reduction", "base_error"), "Must be below 1, and leave an error rate below 1.")
    if design.contexts > design.test_rows:
        yield Fault(("contexts", "test_rows"), "Must not be more than the rows of the test set.")
    if design.adversarial_arms > design.arms:
        yield Fault(("adversarial_arms", "arms"), "Must not be more than the arms.")
    if design.row_correlation > design.seed_correlation:
        message = "Must not be above that of two seeds: versions of two arms cannot agree more than those of one."
        yield Fault(("row_correlation", "seed_correlation"), message)
    if not is_currency(design.currency):
        yield Fault(("currency",), "Must be three capital letters (ISO 4217).")


@dataclass(frozen=True)
class Power:
    """``power`` is the probability that the test sees the assumed difference, ``type_one`` that it sees one where there
    is none; ``width`` is the mean width of the 95% interval of the difference in error rates."""

    power: Estimate
    type_one: Estimate
    width: float


def simulate(design: Design, simulations: int = 1000, seed: int = 0) -> Power:
    """Power, type I error and width over so many simulated studies, with Wilson's intervals for the simulation.

    The same seed gives every design the same luck, so that designs differ in nothing else. Work does not grow with
    the test set.
    """
    seen, width = _studies(design, design.difference, simulations, seed)
    none, _ = _studies(design, 0.0, simulations, seed)
    return Power(_simulated(seen), _simulated(none), float(width.mean()))


def _simulated(seen: NDArray[np.bool_]) -> Estimate:
    found = share(int(seen.sum()), len(seen))
    return dataclasses.replace(found, method=f"{len(seen):,} simulated studies, Wilson")


def _studies(design: Design, difference: float, simulations: int, seed: int) -> tuple[NDArray[np.bool_], Floats]:
    """Whether each study saw the difference, and the width of its interval."""
    random = np.random.default_rng(seed)
    luck, of_contexts, of_first, of_second = random.random((4, simulations))
    rows, seeds, contexts = design.test_rows, design.seeds, design.contexts
    first = design.base_error * (1 - design.base_error)
    second = (design.base_error - difference) * (1 - design.base_error + difference)
    same = design.seed_correlation + (1 - design.seed_correlation) / seeds
    # Models that never disagree leave no variance; a little of it keeps degrees of freedom defined.
    paired = max(1e-9, (first + second) * same - 2 * design.row_correlation * float(np.sqrt(first * second)))
    over_contexts = paired * (1 + (rows / contexts - 1) * design.icc) / rows
    estimated = over_contexts * chi2.ppf(of_contexts, contexts - 1) / (contexts - 1)
    squared_df = estimated**2 / (contexts - 1)
    total = estimated.copy()
    for variance, chance in ((first, of_first), (second, of_second)):
        # Seeds differ on the test rows by chance too; contexts have told of that already.
        by_rows = variance * (1 - design.seed_correlation) / rows
        if seeds > 1:
            observed = (design.seed_sd**2 + by_rows) * chi2.ppf(chance, seeds - 1) / (seeds - 1)
            over_seeds = np.maximum(observed - by_rows, 0) / seeds
            total += over_seeds
            squared_df += over_seeds**2 / (seeds - 1)
    unseen = 2 * design.writer_sd**2 / design.writers
    true = over_contexts + 2 * design.seed_sd**2 / seeds + unseen
    critical = t.ppf(1 - _ALPHA / 2, np.maximum(total**2 / squared_df, 1))
    half = critical * np.sqrt(total)
    observed_difference = difference + norm.ppf(luck) * np.sqrt(true)
    return np.abs(observed_difference) > half, 2 * half


# What may be varied → the grid of its values; a test set grows by contexts of the size there is.
GRIDS = {
    "quota": (5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000),
    "rounds": tuple(range(1, 41)),
    "test_rows": (50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000, 7500, 10_000, 20_000),
    "seeds": (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50),
}


def varied(design: Design, name: str, value: int) -> Design:
    """The design with one thing of ``GRIDS`` changed, as far as a study can be large, contexts growing with the test
    set."""
    value = min(value, LARGEST)
    changed: dict[str, Any] = {name: value}
    if name == "test_rows":
        changed["contexts"] = min(value, max(2, round(design.contexts * value / design.test_rows)))
    return dataclasses.replace(design, **changed)


@dataclass(frozen=True)
class Smallest:
    """The smallest value of one thing, all else as in the design, at which power is ``ENOUGH``; ``design`` is None
    where no value of the grid, up to ``most``, has enough."""

    varied: str
    design: Design | None
    power: Estimate
    most: int


def smallest(design: Design, name: str, simulations: int = 1000, seed: int = 0) -> Smallest:
    """The smallest design along one grid of ``GRIDS``, by bisection: power grows with each of them."""
    grid = GRIDS[name]

    def power(value: int) -> Estimate:
        return simulate(varied(design, name, value), simulations, seed).power

    found = _first(grid, lambda value: (power(value).value or 0.0) >= ENOUGH)
    last = grid[-1] if found is None else found
    return Smallest(name, None if found is None else varied(design, name, found), power(last), grid[-1])


def _first(grid: tuple[int, ...], enough: Callable[[int], bool]) -> int | None:
    low, high = 0, len(grid)
    while low < high:
        middle = (low + high) // 2
        if enough(grid[middle]):
            high = middle
        else:
            low = middle + 1
    return grid[low] if low < len(grid) else None
