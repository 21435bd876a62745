"""Files as people upload them, good and bad."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def upload(content: str | bytes) -> io.BytesIO:
    """A file of that content."""
    return io.BytesIO(content.encode() if isinstance(content, str) else content)


def parquet(columns: dict[str, Sequence[Any]] | pa.Table, **options: Any) -> io.BytesIO:
    """A Parquet file of those columns."""
    file = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **options)
    return upload(file.getvalue())


class Endless(io.RawIOBase):
    """A file that never ends and cannot be sought in; ``given`` is how many bytes were read of it."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self.given = 0
        self.largest = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "somebody wants the whole of it"
        repeated = self._pattern * (size // len(self._pattern) + 2)
        start = self.given % len(self._pattern)
        self.given += size
        self.largest = max(self.largest, size)
        return repeated[start : start + size]
