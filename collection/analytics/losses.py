"""A loss over the steps of a training, ready to be drawn as SVG and to be read aloud."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LossCurve:
    """``rows`` are (step, loss); ``line`` is an SVG polyline's points in a box of ``width`` x ``height``, the highest
    loss at its top and the lowest at its bottom."""

    rows: tuple[tuple[int, float], ...]
    line: str
    highest: float
    lowest: float
    width: int
    height: int

    @property
    def first(self) -> tuple[int, float]:
        """The first step with its loss."""
        return self.rows[0]

    @property
    def last(self) -> tuple[int, float]:
        """The last step with its loss."""
        return self.rows[-1]

    @property
    def words(self) -> str:
        """The same, for those who do not see it."""
        (first, began), (last, ended) = self.first, self.last
        return f"Loss curve: from {began:.3f} at step {first} to {ended:.3f} at step {last}, lowest {self.lowest:.3f}."


def loss_curve(points: Iterable[Sequence[float]], width: int = 160, height: int = 40) -> LossCurve | None:
    """The curve through (step, loss) points in their order; None for fewer than two. A loss that is no number is left
    out."""
    rows = tuple((int(step), loss) for step, loss in points if math.isfinite(loss))
    if len(rows) < 2:
        return None
    steps, losses = [step for step, _ in rows], [loss for _, loss in rows]
    lowest, highest = min(losses), max(losses)
    across = width / ((steps[-1] - steps[0]) or 1)
    # A flat curve lies in the middle.
    up = [(loss - lowest) / (highest - lowest) if highest > lowest else 0.5 for loss in losses]
    line = " ".join(
        f"{(step - steps[0]) * across:.1f},{height * (1 - share):.1f}" for step, share in zip(steps, up, strict=True)
    )
    return LossCurve(rows, line, highest, lowest, width, height)
