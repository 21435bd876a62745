"""Reading uploaded tables: CSV, JSON lines, Parquet, or one text a line, row by row and within hard limits."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO

from collection.errors import Invalid
from collection.importing.jsonl import read_object
from collection.importing.lines import lines
from collection.importing.parquet import open_parquet
from collection.importing.rows import Cell, Fault, Limits, Nested, Row, Stream

__all__ = [
    "FORMATS",
    "MOST_FAULTS",
    "TEXT_COLUMN",
    "Fault",
    "Limits",
    "Row",
    "Stream",
    "Table",
    "format_of",
    "open_table",
    "read_table",
]

FORMATS = ("csv", "jsonl", "parquet", "text")
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
}
# The one column of the format ``text``.
TEXT_COLUMN = "text"
# How many faults are named one by one.
MOST_FAULTS = 100
_DELIMITERS = (",", ";", "\t")
# Objects may leave members out: the columns of a JSON-lines file are those of this many first rows.
_LOOKED_AT = 100


@dataclass(frozen=True)
class Table:
    """A whole table in memory, with the first faults met while it was read."""

    columns: tuple[str, ...]
    rows: list[Row]
    faults: list[Fault]


def format_of(name: str) -> str | None:
    """The format that a file's name tells; None if it tells none."""
    return _ENDINGS.get(PurePath(name).suffix.lower())


def open_table(file: BinaryIO, format: str, limits: Limits | None = None) -> Stream:
    """The columns and rows of a file of one of FORMATS; no more of it is read than is asked for.

    Raises Invalid on field ``file``, here or while the rows are read, for what is too large, packed, not UTF-8, has no
    header or doubled columns, or is not of that format; and on ``format`` for an unknown one. What is wrong with one
    row is a Fault in its place.
    """
    taken = limits or Limits()
    if format == "csv":
        return _open_csv(file, taken)
    if format == "jsonl":
        return _open_jsonl(file, taken)
    if format == "parquet":
        return open_parquet(file, taken)
    if format == "text":
        return _open_text(file, taken)
    raise Invalid("format", f"Must be one of: {', '.join(FORMATS)}.")


def read_table(file: BinaryIO, format: str, limits: Limits | None = None) -> Table:
    """The whole of a table, with at most MOST_FAULTS faults. Raises Invalid as ``open_table`` does."""
    stream = open_table(file, format, limits)
    table = Table(stream.columns, [], [])
    for item in stream.rows():
        if isinstance(item, Row):
            table.rows.append(item)
        elif len(table.faults) < MOST_FAULTS:
            table.faults.append(item)
    return table


def _open_csv(file: BinaryIO, limits: Limits) -> Stream:
    source = lines(file, limits)
    skipped = 0
    for first in source:
        if first.strip():
            break
        skipped += 1
    else:
        raise Invalid("file", "The file is empty.")
    records = _records(itertools.chain([first], source), _delimiter(first), skipped)
    header = next(records)
    if isinstance(header, Fault):
        raise Invalid("file", f"Line {header.line}: {header.message}")
    columns = _named(header[1])

    def read(wanted: Collection[str] | None, whole: int) -> Iterator[Row | Fault]:
        for record in records:
            if isinstance(record, Fault):
                yield record
                continue
            line, values = record
            if len(values) == len(columns):
                yield Row(line, dict(zip(columns, values, strict=True)))
            elif any(value.strip() for value in values):
                cells = "1 cell" if len(values) == 1 else f"{len(values)} cells"
                yield Fault(line, "", f"Has {cells}, but the header names {len(columns)}.")

    return Stream(columns, read, limits)


def _delimiter(header: str) -> str:
    # Of the header alone: a sniffer that looks at texts takes the commas of sentences for delimiters.
    counts = dict.fromkeys(_DELIMITERS, 0)
    quoted = False
    for character in header:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in counts:
            counts[character] += 1
    return max(counts, key=counts.__getitem__)


def _records(source: Iterator[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]] | Fault]:
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        line = skipped + reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = str(error)
            if "field larger" in said:
                # What follows is the rest of that cell: read as rows it would be one false fault after another.
                yield Fault(line, "", "A cell has far too many characters; perhaps a quote is opened and never closed.")
                return
            if "end of data" in said:
                said = "A quote is opened in this row and never closed."
            elif "expected after" in said:
                said = "Text follows a closing quote; a quote inside a quoted cell is written twice."
            yield Fault(line, "", said)
            continue
        if values:
            yield line, values


def _named(header: list[str]) -> tuple[str, ...]:
    names = [name.strip() for name in header]
    if not any(names):
        raise Invalid("file", "The file has no header: its first line must name the columns.")
    # The index that pandas writes has no name.
    return tuple(name or f"(column {number})" for number, name in enumerate(names, start=1))


def _open_jsonl(file: BinaryIO, limits: Limits) -> Stream:
    rows = _objects(file, limits)
    looked_at = list(itertools.islice(rows, _LOOKED_AT))
    columns = dict.fromkeys(column for item in looked_at if isinstance(item, Row) for column in item.cells)

    def read(wanted: Collection[str] | None, whole: int) -> Iterator[Row | Fault]:
        return itertools.chain(looked_at, rows)

    return Stream(tuple(columns), read, limits)


def _objects(file: BinaryIO, limits: Limits) -> Iterator[Row | Fault]:
    for number, line in enumerate(lines(file, limits), start=1):
        if not line.strip():
            continue
        try:
            row = read_object(line)
        except Invalid as error:
            yield Fault(number, "", error.message[:1].upper() + error.message[1:])
            continue
        if len(row) > limits.columns:
            raise Invalid("file", f"Line {number} has {len(row)} members; at most {limits.columns} are taken.")
        yield Row(number, {member: _plain(value) for member, value in row.items()})


def _plain(value: Any) -> Cell:
    if isinstance(value, list):
        return Nested.LIST
    return Nested.OBJECT if isinstance(value, dict) else value


def _open_text(file: BinaryIO, limits: Limits) -> Stream:
    def read(wanted: Collection[str] | None, whole: int) -> Iterator[Row | Fault]:
        for number, line in enumerate(lines(file, limits), start=1):
            if line.strip():
                yield Row(number, {TEXT_COLUMN: line.rstrip("\r\n")})

    return Stream((TEXT_COLUMN,), read, limits)
