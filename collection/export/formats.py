"""The formats of a release: of each, the function that makes an arm's files from its canonical rows. For workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.export.anli import write_anli
from collection.export.columns import Kind
from collection.export.layout import EXAMPLES, anli_path, source_study_path, split_path, table_path
from collection.export.making import Making
from collection.export.parquet import write_parquet
from collection.export.rows import BATCH, Row
from collection.export.sheets import write_csv
from collection.export.source_study import write_source_study
from collection.export.splits import SPLITS
from collection.schema import TaskSchema

Columns = Mapping[str, Kind]


@dataclass(frozen=True)
class Canonical:
    """The canonical rows of an arm: JSON lines of each table, examples and, if chosen, attempts; and their columns.

    ``splits`` are those that have examples. ``beat`` is called now and then while rows are read.
    """

    slug: str
    schema: TaskSchema
    paths: Mapping[str, Path]
    columns: Mapping[str, Columns]
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
        making.file(table_path("csv", arm.slug, table), partial(_write_csv, arm, table, columns))


def _write_csv(arm: Canonical, table: str, columns: Columns, file: BinaryIO) -> Mapping[str, Any]:
    return {"rows": write_csv(arm.rows(table), columns, file)}


def _parquet(arm: Canonical, making: Making) -> None:
    for table, columns in arm.columns.items():
        _write_parquet(arm, making, table_path("parquet", arm.slug, table), columns, partial(arm.rows, table))


def _huggingface(arm: Canonical, making: Making) -> None:
    """A file a split, which the card's YAML names; ``datasets`` opens none without rows."""
    for split in arm.splits:
        rows = partial(arm.rows_of_split, split)
        _write_parquet(arm, making, split_path(arm.slug, split), arm.columns[EXAMPLES], rows)


def _anli(arm: Canonical, making: Making) -> None:
    for split in sorted(set(SPLITS) & set(arm.splits)):
        for number, rows in groupby(arm.rows_of_split(split), itemgetter("round")):
            making.file(anli_path(arm.slug, number, split), partial(_write_anli, arm.schema, rows))


def _write_anli(schema: TaskSchema, rows: Iterator[Row], file: BinaryIO) -> Mapping[str, Any]:
    return {"rows": write_anli(rows, schema, file)}


def _source_study(arm: Canonical, making: Making) -> None:
    path = source_study_path(arm.slug)
    making.file(path, lambda file: {"rows": write_source_study(arm.rows(EXAMPLES), arm.schema, file)})


def _write_parquet(
    arm: Canonical, making: Making, path: str, columns: Columns, rows: Callable[[], Iterator[Row]]
) -> None:
    labels = arm.schema.label_names
    making.file(path, lambda file: {"rows": write_parquet(rows(), columns, labels, file)})


WRITERS: Mapping[str, Callable[[Canonical, Making], None]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "huggingface": _huggingface,
    "anli": _anli,
    "source-study": _source_study,
}
