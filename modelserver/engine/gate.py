"""How many requests may be in a stage at once: one more is refused, at once and by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Full(RuntimeError):
    """As many requests are in the stage as may be."""


class Gate:
    """Counts requests in and out of a stage that takes ``capacity`` of them. Belongs to one event loop."""

    def __init__(self, stage: str, capacity: int) -> None:
        self._stage = stage
        self._capacity = capacity
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the stage for as long as the context lasts. Raises Full."""
        if self._inside >= self._capacity:
            raise Full(f"{self._inside} requests are {self._stage} already")
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
