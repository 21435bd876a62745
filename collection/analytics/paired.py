"""Two ways of collecting on the same test rows: exact tests, area under the curve, the round of overtaking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from collection.analytics.metrics import Estimate, missing
from collection.analytics.two_way import Floats

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """Rows that only the first and only the second version gets right, and the exact and mid-p values of no
    difference, which take rows as independent."""

    first_only: int
    second_only: int
    exact: float
    mid_p: float


def mcnemar(first: Flags, second: Flags) -> McNemar:
    """McNemar's test for right answers [rows] of two single versions.

    Exact (McNemar 1947, Psychometrika 12) and mid-p (Fagerland, Lydersen & Laake 2013, BMC Med. Res. Methodol. 13).
    """
    one, other = int((first & ~second).sum()), int((second & ~first).sum())
    count, fewer = one + other, min(one, other)
    if count == 0:
        return McNemar(0, 0, 1.0, 1.0)
    exact = min(2 * float(binom.cdf(fewer, count, 0.5)), 1.0)
    at = float(binom.pmf(fewer, count, 0.5))
    # Half the chance of what was seen is taken off on each side; equal counts have but one such outcome.
    return McNemar(one, other, exact, exact - (at / 2 if one == other else at))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number by Holm's step-down method (Holm 1979, Scand. J. Statist. 6)."""
    # As statsmodels' multipletests, which collects garbage at every call: most of a second beside a large study.
    found = np.array(p_values, dtype=float)
    order = np.argsort(found, kind="stable")
    raised = np.maximum.accumulate(found[order] * np.arange(len(found), 0, -1))
    found[order] = np.minimum(raised, 1.0)
    return [float(p) for p in found]


def mean_height(x: Floats, low: float, high: float) -> Floats:
    """Weights [points] whose product with heights at ``x`` (increasing) is the mean height from ``low`` to ``high``
    of the line through the points: the area under it by the trapezoid rule, over the width.

    Raises ValueError if the range is empty or leaves that of ``x``.
    """
    if not x[0] <= low < high <= x[-1]:
        raise ValueError("the range must lie within the points and have a width")
    grid = np.unique(np.concatenate([[low], x[(x > low) & (x < high)], [high]]))
    widths = np.diff(grid)
    trapezoid = (np.append(widths, 0) + np.append(0, widths)) / 2 / (high - low)
    heights = np.stack([np.interp(grid, x, unit) for unit in np.eye(len(x))])
    return np.asarray(heights @ trapezoid)


@dataclass(frozen=True)
class Crossover:
    """From which round on one side stays ahead to the last round, after the other was: ``overtakes`` is 1 if it is
    the first, -1 if it is the second, 0 if no such round was seen; ``share`` of draws that saw it happen."""

    overtakes: int
    round: Estimate
    share: float | None


def crossover(rounds: Sequence[int], differences: Floats, draws: Floats) -> Crossover:
    """The round of overtaking, from differences [rounds] of the first less the second, and draws of them [draws,
    rounds]. The interval is that of the percentiles of draws (Efron 1979, Annals of Statistics 7).

    In a draw in which the one that overtakes led all the way, the round is the first; in a draw in which it does not
    lead at the end there is none, and where that is more than 1 in 40 draws the interval has no upper end.
    """
    signs = np.sign(differences)
    side = int(signs[-1]) if len(signs) else 0
    if side == 0 or not (signs[:-1] == -side).any():
        return Crossover(0, missing(len(rounds), "no crossover seen"), None)
    at = _stays_ahead(side * differences[None, :])[0]
    drawn = _stays_ahead(side * draws)
    happened = float(((drawn > 0) & (drawn < len(rounds))).mean())
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf").tolist()
    top = len(rounds) - 1
    if (drawn == drawn[0]).all():
        limits = ["every draw gave the same round: draws do not tell how far it could be another"]
    else:
        limits = ["wider than need be: draws add noise to noise"]
    if low == 0:
        limits.append("it may have been ahead from the first round on")
    if high > top:
        limits.append("the interval has no upper end: it may not have overtaken by the last round")
    limit = "; ".join(limits)
    upper = float(rounds[int(high)]) if high <= top else None
    method = "percentiles of the two-way bootstrap"
    return Crossover(
        side,
        Estimate(len(rounds), float(rounds[at]), float(rounds[min(int(low), top)]), upper, method, limit),
        happened,
    )


def _stays_ahead(differences: Floats) -> NDArray[np.int64]:
    """The place [draws] from which all differences [draws, rounds] are positive; their number if the last is not."""
    behind = differences <= 0
    last = differences.shape[1] - np.argmax(behind[:, ::-1], axis=1)
    return np.where(behind.any(axis=1), last, 0).astype(np.int64)
