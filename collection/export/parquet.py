"""A release's tables as typed Parquet. For workers: it loads pyarrow.

The same rows give the same bytes with the same pyarrow: nothing of the time or the machine is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from collection.errors import Invalid
from collection.export.cells import half_a_character, no_value
from collection.export.columns import OPTIONAL, VOTE, Kind

_ROWS_A_GROUP = 5_000
_TIME = pa.timestamp("us", tz="UTC")
_PLAIN: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "count": pa.int64(),
    "flag": pa.bool_(),
    "number": pa.float64(),
    "time": _TIME,
}


def parquet_schema(columns: Mapping[str, Kind], labels: Sequence[str]) -> pa.Schema:
    """The types of the columns: times in microseconds UTC, ``shares`` as a struct by label, ``votes`` as a list."""
    votes = pa.list_(pa.struct([pa.field(name, _PLAIN[kind]) for name, kind in VOTE.items()]))
    shares = pa.struct([pa.field(label, pa.float64()) for label in labels])
    types = {**_PLAIN, "shares": shares, "votes": votes}
    return pa.schema([pa.field(column, types[kind]) for column, kind in columns.items()])


def write_parquet(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Kind], labels: Sequence[str], file: BinaryIO
) -> int:
    """Write rows, which may be many, as one Parquet file. Returns how many there were.

    ``labels`` in the order of the task's. Raises Invalid naming the column for a text with half a character, a time not
    in the form of columns.py, a share of no label, a value of another kind, and None where a value must be.
    """
    schema = parquet_schema(columns, labels)
    convert = {column: _WRITTEN.get(kind) for column, kind in columns.items()}
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        waiting = iter(rows)
        while group := list(islice(waiting, _ROWS_A_GROUP)):
            arrays = [_array(field, convert[field.name], group, labels) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=_ROWS_A_GROUP)
            count += len(group)
    return count


def _array(
    field: pa.Field,
    convert: Callable[[Any, Sequence[str]], Any] | None,
    group: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
) -> pa.Array:
    values = [row[field.name] for row in group]
    if field.name not in OPTIONAL and None in values:
        raise no_value(field.name)
    try:
        if convert is not None:
            values = [None if value is None else convert(value, labels) for value in values]
        return pa.array(values, field.type)
    except UnicodeEncodeError:
        raise half_a_character(field.name) from None
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise Invalid(field.name, f"Cannot be written as {field.type} ({error}).", "wrong_kind") from None


def _time_written(value: str, _labels: Sequence[str] = ()) -> datetime:
    time = datetime.fromisoformat(value)
    if f"{time.isoformat(timespec='microseconds')[:26]}Z" != value:
        raise ValueError(f"{value} is not in the form of a release's times")
    return time


def _shares_written(value: Mapping[str, float], labels: Sequence[str]) -> Mapping[str, float]:
    if list(value) != [label for label in labels if label in value]:
        raise ValueError(f"must be by label, in the order {', '.join(labels)}")
    return value


def _votes_written(value: Sequence[Mapping[str, Any]], _labels: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {name: _time_written(vote[name]) if kind == "time" else vote[name] for name, kind in VOTE.items()}
        for vote in value
    ]


# What is not written as it stands.
_WRITTEN: Mapping[Kind, Callable[[Any, Sequence[str]], Any]] = {
    "time": _time_written,
    "shares": _shares_written,
    "votes": _votes_written,
}
