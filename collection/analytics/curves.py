"""Curves, ready to be drawn as SVG and to be read aloud."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 160, 40


@dataclass(frozen=True)
class LossCurve:
    """A loss over the steps of a training: ``line`` is an SVG polyline's points in a box of WIDTH x HEIGHT, the highest
    loss at its top and the lowest at its bottom; ``words`` say the same."""

    line: str
    words: str
    width: int = WIDTH
    height: int = HEIGHT


def loss_curve(points: Iterable[Sequence[float]]) -> LossCurve | None:
    """The curve through (step, loss) points in their order; None for fewer than two. A loss that is no number is left
    out."""
    known = [(step, loss) for step, loss in points if math.isfinite(loss)]
    if len(known) < 2:
        return None
    steps, losses = [step for step, _ in known], [loss for _, loss in known]
    low, high = min(losses), max(losses)
    across = WIDTH / ((steps[-1] - steps[0]) or 1)
    # A flat curve lies in the middle.
    up = [(loss - low) / (high - low) if high > low else 0.5 for loss in losses]
    line = " ".join(
        f"{(step - steps[0]) * across:.1f},{HEIGHT * (1 - share):.1f}" for step, share in zip(steps, up, strict=True)
    )
    ends = f"from {losses[0]:.3f} at step {steps[0]} to {losses[-1]:.3f} at step {steps[-1]}"
    return LossCurve(line, f"Loss curve: {ends}, lowest {low:.3f}.")
