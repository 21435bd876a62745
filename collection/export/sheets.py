"""A release's tables as CSV (RFC 4180, UTF-8) that a spreadsheet runs no formula of, and back exactly. Pure.

Texts and times stand as they are; every other value is JSON. A cell that would begin with one of ``GUARDED`` begins
with an apostrophe, which reading takes away again (OWASP, "CSV Injection"). An empty cell is None in a column that may
have no value and "" elsewhere; "" in the former is an apostrophe alone. Nothing hangs on what is quoted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import orjson

from collection.errors import Invalid
from collection.export.cells import Row, check_cell, half_a_character, no_value
from collection.export.columns import OPTIONAL, Kind

GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")
_AS_THEY_ARE: frozenset[Kind] = frozenset({"text", "time"})


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Kind], file: BinaryIO) -> int:
    """Write rows, which may be many, below a line with the names of the columns. Returns how many there were.

    Raises Invalid naming the column for a text with half a character, for None where a value must be, and for a cell
    too long for readers of CSV.
    """
    plan = [(column, kind in _AS_THEY_ARE, column in OPTIONAL) for column, kind in columns.items()]
    writer = csv.writer(_Encoded(file))
    writer.writerow(columns)
    longest = csv.field_size_limit()
    count = 0
    for row in rows:
        cells = [_cell(column, as_it_is, optional, row[column]) for column, as_it_is, optional in plan]
        try:
            writer.writerow(cells)
        except UnicodeEncodeError:
            raise half_a_character(_unwritable(cells, columns)) from None
        if sum(map(len, cells)) > longest:
            _check_lengths(cells, columns, longest)
        count += 1
    return count


def read_csv(file: BinaryIO, columns: Mapping[str, Kind]) -> Iterator[tuple[int, Row | Invalid]]:
    """The rows that `write_csv` wrote, each with the line where it begins; in place of a bad one what is wrong with it.

    That names the column, or ``row``. Raises Invalid on field ``file`` for what is not UTF-8, has other columns, or
    cannot be taken apart into rows.
    """
    with _left_open(file) as text:
        reader = csv.reader(text, strict=True)
        line = 1
        try:
            header = next(reader, [])
            if header != list(columns):
                raise Invalid("file", f"Line 1 must name the columns {', '.join(columns)}.", "columns")
            line = reader.line_num + 1
            for cells in reader:
                yield line, _row(cells, columns)
                line = reader.line_num + 1
        except UnicodeDecodeError:
            raise Invalid("file", f"Not UTF-8, in line {line} or soon after it.", "encoding") from None
        except csv.Error as error:
            raise Invalid("file", f"Line {line}: not CSV ({error}).", "damaged") from None


class _Encoded:
    """What csv writes to: a binary file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


class _left_open(io.TextIOWrapper):
    """A binary file as text, byte-order mark or not; it stays open when this is done with."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8-sig", newline="")

    def __exit__(self, *raised: object) -> None:
        self.detach()


def _cell(column: str, as_it_is: bool, optional: bool, value: Any) -> str:
    if value is None:
        if not optional:
            raise no_value(column)
        return ""
    try:
        cell: str = value if as_it_is else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise half_a_character(column) from None
    if cell.startswith(GUARDED) or (optional and not cell):
        return f"'{cell}"
    return cell


def _unwritable(cells: list[str], columns: Mapping[str, Kind]) -> str:
    return next(
        column
        for column, cell in zip(columns, cells, strict=True)
        if any("\ud800" <= character <= "\udfff" for character in cell)
    )


def _check_lengths(cells: list[str], columns: Mapping[str, Kind], longest: int) -> None:
    for column, cell in zip(columns, cells, strict=True):
        if len(cell) > longest:
            message = f"Longer than the {longest:,} characters that a cell of a CSV file may have."
            raise Invalid(column, message, "too_long")


def _row(cells: list[str], columns: Mapping[str, Kind]) -> Row | Invalid:
    if len(cells) != len(columns):
        return Invalid("row", f"Has {len(cells)} cells, and there are {len(columns)} columns.", "columns")
    try:
        return {column: _value(column, kind, cell) for (column, kind), cell in zip(columns.items(), cells, strict=True)}
    except Invalid as error:
        return error


def _value(column: str, kind: Kind, cell: str) -> Any:
    value: Any = cell.removeprefix("'")
    if not cell and column in OPTIONAL:
        value = None
    elif kind not in _AS_THEY_ARE:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Invalid(column, f"Not JSON ({error.msg}).", "damaged") from None
        if value is None:
            raise no_value(column)
    check_cell(column, kind, value)
    return value
