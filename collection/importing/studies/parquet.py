"""A release's Parquet, read exactly, by a process of its own (see importing.parquet). For workers: it loads pyarrow."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from collection.export.columns import Kind
from collection.export.parquet import parquet_schema
from collection.importing.parquet import answers
from collection.importing.rows import Limits

Row = dict[str, Any]
# Some ten kilobytes for each 5,000 rows.
_LARGEST_FOOTER = 50_000_000


def read_parquet(
    file: BinaryIO, columns: Mapping[str, Kind], labels: Sequence[str], limits: Limits
) -> Iterator[tuple[int, Row]]:
    """The rows that ``export.parquet`` wrote, each with its number from 1; ``limits`` bound a row and all of them.

    ``file`` must be one of the system's. A share that a row does not have is left out; whether a value may be None is
    not checked. Raises Invalid on field ``file`` for what is damaged, no Parquet, too large, too much for the process,
    or of other columns or types.
    """
    schema = base64.b64encode(parquet_schema(columns, labels).serialize()).decode()
    shares = [column for column, kind in columns.items() if kind == "shares"]
    request = {"schema": schema, "footer": _LARGEST_FOOTER}
    with contextlib.closing(answers(file, request, limits)) as rows:
        for number, row in enumerate(rows, start=1):
            for column in shares:
                if row[column] is not None:
                    row[column] = {label: share for label, share in row[column].items() if share is not None}
            yield number, row
