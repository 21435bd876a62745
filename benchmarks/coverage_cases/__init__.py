"""Synthetic experiments with a known truth, to see how often the 95% intervals of the report hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Covered:
    """Whether an interval held the truth; ``given`` is False where the method gave no interval."""

    covered: bool
    given: bool = True
