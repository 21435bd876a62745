"""How far a backup or a restore is."""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts what it is told, as a bar on the error stream if ``show``."""

    def __init__(self, title: str, total: int, unit: str, *, show: bool) -> None:
        self.count = 0
        # What is empty leaves no line behind.
        leave = total > 0
        self._bar = tqdm(total=total, desc=title, unit=unit, unit_scale=unit == "B", leave=leave, disable=not show)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def more(self, count: int) -> None:
        """So many more are done."""
        self.count += count
        self._bar.update(count)
