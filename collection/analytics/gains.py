"""What more examples, or more hours, still bring: the slope of the error over the latest rounds. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from collection.analytics.fits import Floats
from collection.analytics.metrics import Estimate, missing

WINDOW = 5
ROUNDING = 1e-9
"""A difference of amounts below this part of them is what sums of floating-point numbers leave behind."""
UNMOVED = "every draw gave the same, so chance cannot be told"


def slopes(spent: Floats, window: int = WINDOW) -> Floats:
    """The weights that turn errors into how fast they fell, per unit of ``spent`` [rounds]: [rounds, rounds].

    Row k is the least-squares slope over the latest ``window`` rounds up to k, with its sign turned; nothing but zeros
    where there are no two amounts that differ by more than rounding. A line over rounds is told from noise long before
    one step is.
    """
    found = np.zeros((len(spent), len(spent)))
    for last in range(1, len(spent)):
        rounds = slice(max(0, last + 1 - window), last + 1)
        about = spent[rounds] - spent[rounds].mean()
        if np.ptp(about) > ROUNDING * np.abs(spent[rounds]).max():
            found[last, rounds] = -about / (about @ about)
    return found


def gains(spent: Floats, errors: Floats, draws: Floats, per: float, what: str = "examples") -> list[Estimate]:
    """How much the error fell for every ``per`` of ``spent`` about each round, with percentile intervals.

    ``spent`` and ``errors`` are [rounds], ``draws`` [draws, rounds] of errors; rounds go together within a draw, so
    what they share (the same test rows) cancels. ``n`` counts the rounds of the window. ``spent`` may be NaN from a
    round on, where it is not known; then there are gains up to there.
    Where no draw differs there is no interval: without width it would make any gain look sure. There is no gain where
    the window spans less than ``per``: it would be more than was ever seen. None is more than all test rows.
    """
    known = np.isfinite(spent)
    if not known.all():
        upto = int(known.argmin())
        rest = [missing(0, f"the {what} up to this round are not known")] * (len(spent) - upto)
        return (gains(spent[:upto], errors[:upto], draws[:, :upto], per, what) if upto else []) + rest
    weights = slopes(spent)
    # What rounding leaves of equal errors must not look like a gain.
    values = np.clip(np.round(weights @ errors * per, 12), -1, 1)
    low, high = np.round(np.quantile(draws @ weights.T, [0.025, 0.975], axis=0) * per, 12)
    found = []
    for index, row in enumerate(weights):
        count = min(index + 1, WINDOW)
        span = float(spent[index] - spent[index + 1 - count])
        value, ends = float(values[index]), (float(low[index]), float(high[index]))
        if not row.any():
            found.append(missing(0, f"a gain needs two rounds with different {what}"))
        elif span < per * (1 - ROUNDING):
            found.append(missing(count, f"fewer {what} lie between the rounds than the gain is for"))
        elif ends[0] == ends[1]:
            found.append(Estimate(count, value, None, None, limit=UNMOVED))
        else:
            method = f"least-squares slope over {count} rounds, percentile bootstrap"
            found.append(Estimate(count, value, max(ends[0], -1.0), min(ends[1], 1.0), method))
    return found


def last_clear(found: Sequence[Estimate]) -> int | None:
    """The index of the last gain whose interval lies above zero; None if there is none."""
    clear = [index for index, item in enumerate(found) if item.low is not None and item.low > 0]
    return clear[-1] if clear else None
