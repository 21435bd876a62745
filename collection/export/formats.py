"""The formats of a release: of each, the function that makes its files from the canonical rows of an arm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from collection.export.columns import Kind
from collection.export.making import Making
from collection.export.rows import BATCH, Row


@dataclass(frozen=True)
class Canonical:
    """The canonical rows of an arm: JSON lines of examples and, if chosen, attempts; with their columns.

    ``beat`` is called now and then while they are read.
    """

    arm: str
    examples: Path
    attempts: Path | None
    example_columns: Mapping[str, Kind]
    attempt_columns: Mapping[str, Kind]
    labels: tuple[str, ...]
    beat: Callable[[], None]

    def rows(self, path: Path) -> Iterator[Row]:
        """The rows of one of the files."""
        with path.open("rb") as file:
            for index, line in enumerate(file):
                if index % BATCH == 0:
                    self.beat()
                yield orjson.loads(line)


def _jsonl(arm: Canonical, making: Making) -> None:
    """The canonical files themselves lie where this format has them."""


WRITERS: Mapping[str, Callable[[Canonical, Making], None]] = {
    "jsonl": _jsonl,
}
