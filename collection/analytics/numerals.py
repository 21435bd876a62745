"""Numbers in digits: as many as their interval bears, and never a zero that is none."""

from __future__ import annotations

import math
from collections.abc import Iterable

_MOST = 6


def decimals(ends: Iterable[float], least: int) -> int:
    """How many decimals tell an interval's ends apart by two digits of its width: from ``least`` to 6."""
    known = sorted(ends)
    width = known[-1] - known[0] if known else 0.0
    return min(max(least, 1 - math.floor(math.log10(width))), _MOST) if width > 0 else least


def digits(number: float, places: int, *, signed: bool = False) -> str:
    """A number with thousands separated and so many decimals, in full however large it is.

    One that would round to zero and is not is "<0.01", or ">-0.01"; zero has no sign.
    """
    sign = "+" if signed else ""
    if float(f"{number:.{places}f}") != 0:
        return f"{number:{sign},.{places}f}"
    if number == 0:
        return f"{0:.{places}f}"
    return f"{'<' + sign if number > 0 else '>-'}{10**-places:.{places}f}"
