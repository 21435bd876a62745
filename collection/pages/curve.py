"""A loss curve as a line to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160


@dataclass(frozen=True)
class Curve:
    """``points`` in the units of an image of WIDTH x HEIGHT with the origin above left; ``rows`` are (step, loss)."""

    rows: tuple[tuple[int, float], ...]
    points: str
    highest: float
    lowest: float
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def first(self) -> tuple[int, float]:
        """The first step with its loss."""
        return self.rows[0]

    @property
    def last(self) -> tuple[int, float]:
        """The last step with its loss."""
        return self.rows[-1]


def curve_of(rows: Sequence[tuple[int, float]]) -> Curve | None:
    """The curve through (step, loss) points in the order of their steps; None where fewer than two make no line."""
    if len(rows) < 2:
        return None
    losses = [loss for _, loss in rows]
    first, steps = rows[0][0], (rows[-1][0] - rows[0][0]) or 1
    highest, lowest = max(losses), min(losses)
    span = (highest - lowest) or 1.0
    points = " ".join(
        f"{WIDTH * (step - first) / steps:.1f},{HEIGHT * (highest - loss) / span:.1f}" for step, loss in rows
    )
    return Curve(tuple((step, loss) for step, loss in rows), points, highest, lowest)
