"""What more examples, or more hours, still bring: the slope of the error over the latest rounds. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np

from collection.analytics.metrics import Estimate, missing
from collection.analytics.two_way import Floats, Ints, Rates, Spread, spreads

WINDOW = 5
ROUNDING = 1e-9
"""A difference of amounts below this part of them is what sums of floating-point numbers leave behind."""
FEWEST_OF_ONE_SEED = 4
"""Fewer rounds have at most one deviation from their line to tell luck in training from, which says next to nothing."""
UNTOLD = "nothing differs between contexts or training, so chance cannot be told"


def by_line(*kinds: str) -> str:
    """What an interval is called for which scatter about a line stands for training seeds."""
    names = " and ".join(f"{kind}s" for kind in kinds or ("row",))
    return f"jackknife over {names} and scatter of rounds about the line, with a t quantile"


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


def uncorrelated(slope: Floats) -> Floats:
    """Weights [rounds - 1, rounds] of slopes whose mean is the least-squares ``slope`` [rounds], of three rounds or
    more.

    Each is a slope itself: 0 for equal errors, right for any line. If errors scatter about a line, all alike and each
    by itself, these slopes are uncorrelated and of equal variance, as training seeds of one version are. Their squares
    about the mean are those of the errors about the line, with as many degrees of freedom: rounds less 2.
    """
    count = len(slope) - 1
    length = float(np.linalg.norm(slope))
    about_line = np.linalg.qr(np.column_stack([np.ones(count + 1), slope / length]), mode="complete")[0][:, 1:]
    turned = np.linalg.qr(np.ones((count, 1)), mode="complete")[0]
    found = sqrt(count) * length * turned @ about_line.T
    # Neither sign of an axis is the right one for the decomposition.
    return np.asarray(found * np.sign(found.mean(axis=0) @ slope))


def gains(spent: Floats, errors: Rates, groups: Sequence[int], per: float, what: str = "examples") -> list[Estimate]:
    """How much the error fell for every ``per`` of ``spent`` about each round, with its interval.

    ``spent`` is [rounds], ``groups`` [rounds] the group of ``errors`` of each round. ``n`` counts the rounds of the
    window. ``spent`` may be NaN from a round on, where it is not known; then there are gains up to there.
    A gain is a contrast of rates: what rounds share (the same test rows) cancels, and its interval is the two-way one
    of :func:`spreads`. Where a round of the window has one training seed, luck in training shows in the scatter of
    rounds about their line alone; then :func:`uncorrelated` slopes stand for seeds, and of fewer rounds than
    ``FEWEST_OF_ONE_SEED`` there is no gain.
    Where nothing differs there is no interval: without width it would make any gain look sure. There is no gain where
    the window spans less than ``per``: it would be more than was ever seen. None is more than all test rows.
    """
    known = np.isfinite(spent)
    upto = len(spent) if known.all() else int(known.argmin())
    rest = [missing(0, f"the {what} up to this round are not known")] * (len(spent) - upto)
    return [*_gains(spent[:upto], errors, np.array(groups[:upto], dtype=np.int64), per, what), *rest]


def _gains(spent: Floats, errors: Rates, groups: Ints, per: float, what: str) -> list[Estimate]:
    windows = [slice(max(0, last + 1 - WINDOW), last + 1) for last in range(len(spent))]
    lonely = [bool((errors.seeds[groups[rounds]] == 1).any()) for rounds in windows]
    weights = np.zeros((len(spent), len(errors.seeds)))
    weights[:, groups] = slopes(spent) * per
    told = spreads(errors, weights)
    scattered = [
        index
        for index, (rounds, alone) in enumerate(zip(windows, lonely, strict=True))
        if alone and weights[index].any() and rounds.stop - rounds.start >= FEWEST_OF_ONE_SEED
    ]
    about_lines = _about_lines(errors, [groups[windows[at]] for at in scattered], weights[scattered])
    for index, spread in zip(scattered, about_lines, strict=True):
        told[index] = spread
    # What rounding leaves of equal errors must not look like a gain.
    values = np.clip(np.round(weights @ np.nan_to_num(errors.means()), 12), -1, 1).tolist()
    found = []
    for index, rounds in enumerate(windows):
        count = rounds.stop - rounds.start
        if not weights[index].any():
            found.append(missing(0, f"a gain needs two rounds with different {what}"))
        elif float(spent[index] - spent[rounds.start]) < per * (1 - ROUNDING):
            found.append(missing(count, f"fewer {what} lie between the rounds than the gain is for"))
        elif lonely[index] and count < FEWEST_OF_ONE_SEED:
            found.append(missing(count, f"with one training seed a gain takes {FEWEST_OF_ONE_SEED} rounds"))
        else:
            method = (
                f"least-squares slope over {count} rounds, {by_line(*errors.kinds) if lonely[index] else errors.method}"
            )
            found.append(_gain(count, values[index], told[index], method))
    return found


def _about_lines(errors: Rates, windows: Sequence[Ints], weights: Floats) -> list[Spread]:
    """The spread of slopes with these weights [slopes, groups] over windows of groups, of which scatter about the line
    stands for seeds."""
    if not windows:
        return []
    means, seeds = errors.means(), errors.seeds[:, None]
    turned = [uncorrelated(row[groups]) for row, groups in zip(weights, windows, strict=True)]
    units = list(zip(turned, windows, strict=True))
    standing = Rates(
        rates=np.concatenate([each @ means[groups] for each, groups in units]),
        influence=np.concatenate([each @ (errors.moved[groups] / seeds[groups]) for each, groups in units]),
        rows=np.concatenate([np.tile(errors.covered[groups].mean(axis=0), (len(each), 1)) for each, groups in units]),
        group=np.repeat(np.arange(len(units)), [len(each) for each in turned]),
        limit=errors.limit,
        kinds=errors.kinds,
    )
    return spreads(standing, np.eye(len(units)))


def _gain(count: int, value: float, spread: Spread, method: str) -> Estimate:
    if spread.error == inf:
        return Estimate(count, value, None, None, limit=f"one {spread.kind} alone tells nothing of others")
    if spread.error == 0:
        return Estimate(count, value, None, None, limit=UNTOLD)
    low, high = max(value - spread.reach, -1.0), min(value + spread.reach, 1.0)
    return Estimate(count, value, low, high, method, spread.limit)


def last_clear(found: Sequence[Estimate]) -> int | None:
    """The index of the last gain whose interval lies above zero; None if there is none."""
    clear = [index for index, item in enumerate(found) if item.low is not None and item.low > 0]
    return clear[-1] if clear else None
