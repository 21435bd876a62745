"""Many rows a batch at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
BATCH = 1_000


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in their order, BATCH at a time; no more are taken than one batch needs."""
    waiting = iter(items)
    while batch := list(itertools.islice(waiting, BATCH)):
        yield batch
