"""The formats of a release: of each, the function that makes an arm's files from its canonical rows. For workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.export.columns import Kind
from collection.export.making import Making
from collection.export.parquet import write_parquet
from collection.export.rows import BATCH, Row
from collection.export.sheets import write_csv

Columns = Mapping[str, Kind]


@dataclass(frozen=True)
class Canonical:
    """The canonical rows of an arm: JSON lines of each table, examples and, if chosen, attempts; and their columns.

    ``splits`` are those that have examples. ``beat`` is called now and then while rows are read.
    """

    arm: str
    paths: Mapping[str, Path]
    columns: Mapping[str, Columns]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    beat: Callable[[], None]

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table."""
        return map(orjson.loads, self._lines(table))

    def rows_of_split(self, split: str) -> Iterator[Row]:
        """The examples of a split. No other rows are parsed."""
        # What stands before this column is made by the program: the first that looks like it is it.
        wanted = f'"split":"{split}"'.encode()
        start = len('"split":"')
        for line in self._lines("examples"):
            at = line.index(b'"split":"')
            if line[at : at + start + len(split) + 1] == wanted:
                yield orjson.loads(line)

    def _lines(self, table: str) -> Iterator[bytes]:
        with self.paths[table].open("rb") as file:
            for index, line in enumerate(file):
                if index % BATCH == 0:
                    self.beat()
                yield line


def _jsonl(arm: Canonical, making: Making) -> None:
    """The canonical files themselves lie where this format has them."""


def _csv(arm: Canonical, making: Making) -> None:
    for table, columns in arm.columns.items():

        def write(file: BinaryIO, table: str = table, columns: Columns = columns) -> Mapping[str, Any]:
            return {"rows": write_csv(arm.rows(table), columns, file)}

        making.file(f"csv/{arm.arm}/{table}.csv", write)


def _parquet(arm: Canonical, making: Making) -> None:
    for table, columns in arm.columns.items():
        _write_parquet(arm, making, f"parquet/{arm.arm}/{table}.parquet", columns, partial(arm.rows, table))


def _huggingface(arm: Canonical, making: Making) -> None:
    """A file a split, which the card's YAML names (see card); ``datasets`` can't open a split without rows."""
    for split in arm.splits:
        path = f"data/{arm.arm}/{split}.parquet"
        _write_parquet(arm, making, path, arm.columns["examples"], partial(arm.rows_of_split, split))


def _write_parquet(
    arm: Canonical, making: Making, path: str, columns: Columns, rows: Callable[[], Iterator[Row]]
) -> None:
    making.file(path, lambda file: {"rows": write_parquet(rows(), columns, arm.labels, file)})


WRITERS: Mapping[str, Callable[[Canonical, Making], None]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "huggingface": _huggingface,
}
