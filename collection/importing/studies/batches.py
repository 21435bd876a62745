"""Many rows a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
BATCH = 1_000
# Characters of a batch's texts: long rows come fewer at a time.
MOST_CHARACTERS = 10_000_000


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in their order, BATCH at a time or fewer with MOST_CHARACTERS; no more are taken than a batch needs."""
    batch: list[T] = []
    characters = 0
    for item in items:
        batch.append(item)
        characters += _characters(item)
        if len(batch) >= BATCH or characters >= MOST_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _characters(item: object) -> int:
    """The characters of all texts in a row."""
    if isinstance(item, str):
        return len(item)
    if isinstance(item, dict):
        return sum(map(_characters, item.values()))
    return sum(map(_characters, item)) if isinstance(item, list | tuple) else 0
