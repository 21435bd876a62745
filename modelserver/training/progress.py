"""What a job shows of itself while it runs: progress.json, about once a second."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Literal

from modelserver.wire import PROGRESS_FILE, Progress, write_json

Phase = Literal["starting", "training", "evaluating", "saving", "done"]

SECONDS_BETWEEN = 1.0
CURVE_POINTS = 200
RECENT_STEPS = 50


class ProgressFile:
    """Keeps ``progress.json`` in a folder up to date. Phases are written at once, steps at most once a second."""

    def __init__(self, folder: Path) -> None:
        self.created = time.monotonic()
        self._path = folder / PROGRESS_FILE
        self._recent: deque[float] = deque(maxlen=RECENT_STEPS)
        self._curve: list[tuple[int, float]] = []
        self._since_point: list[float] = []
        self.phase("starting")

    def phase(self, phase: Phase, steps: int = 0) -> None:
        """Begin a phase of so many steps; 0 if they cannot be counted."""
        self._phase: Phase = phase
        self._steps = steps
        self._began = time.monotonic()
        self._write(0)

    def step(self, step: int, loss: float | None = None) -> None:
        """Say that ``step`` steps of the phase are done; ``loss`` is that of the last one."""
        if loss is not None:
            self._recent.append(loss)
            self._since_point.append(loss)
            # Ceiling division: every so many steps one point, so that the whole run has at most CURVE_POINTS.
            if step % -(-self._steps // CURVE_POINTS) == 0 or step == self._steps:
                self._curve.append((step, sum(self._since_point) / len(self._since_point)))
                self._since_point.clear()
        if time.monotonic() - self._written >= SECONDS_BETWEEN:
            self._write(step)

    def _write(self, step: int) -> None:
        self._written = time.monotonic()
        remaining = (self._written - self._began) / step * (self._steps - step) if step else None
        loss = sum(self._recent) / len(self._recent) if self._recent else None
        progress = Progress(self._phase, step, self._steps, loss, remaining, tuple(self._curve))
        write_json(self._path, progress.to_dict())
