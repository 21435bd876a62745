"""Cases for ``python -m benchmarks.coverage``, a file a theme; each has a ``CASES`` of made-up experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from collection.analytics.metrics import Estimate


@dataclass(frozen=True)
class Covered:
    """What one made-up experiment showed: for each figure whether its 95% interval held the truth (None: the figure
    could not be given), and for each test whether it raised a false alarm at 5% where there was nothing to find."""

    intervals: Mapping[str, bool | None] = field(default_factory=dict)
    alarms: Mapping[str, bool] = field(default_factory=dict)


Case = Callable[[np.random.Generator], Covered]


def holds(estimate: Estimate, truth: float) -> bool | None:
    """Whether the interval holds the truth; an end that is None is open. None if there is no figure."""
    if estimate.value is None:
        return None
    return (estimate.low is None or estimate.low <= truth) and (estimate.high is None or truth <= estimate.high)
