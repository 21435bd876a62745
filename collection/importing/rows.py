"""What a table is made of as it is read, and how much of one is taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from collection.errors import Invalid

LONGEST_NAME = 200


class Nested(Enum):
    """What stands for a cell whose content is no plain value and cannot be a text or a label."""

    LIST = "[…]"
    OBJECT = "{…}"
    OTHER = "(…)"


Cell = str | int | float | bool | None | Nested


@dataclass(frozen=True)
class Limits:
    """How much is read before a file is refused. ``bytes`` bounds the unpacked content of a packed format too."""

    bytes: int = 50_000_000
    rows: int = 200_000
    columns: int = 100
    # Characters in one cell, and in one line of a text file. The csv module has a bound of its own, 131,072
    # characters a cell; it is one for the whole process and left alone.
    cell: int = 100_000
    line: int = 1_000_000


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file, for the person who made it; ``column`` is empty where the whole line is meant."""

    line: int
    column: str
    message: str


@dataclass(frozen=True)
class Row:
    """One row. ``line`` is where it begins, from 1; in Parquet, which has no lines, it is the row's number."""

    line: int
    cells: Mapping[str, Cell]


# Gives rows, and faults in place of rows that cannot be read. It may leave out columns that are not wanted (None
# wants all) after the first so many rows.
Read = Callable[[Collection[str] | None, int], Iterator[Row | Fault]]


class Stream:
    """A file's columns, and its rows as they are read. The rows can be read once."""

    def __init__(self, columns: tuple[str, ...], read: Read, limits: Limits) -> None:
        """Raises Invalid on field ``file`` for too many columns, and for names that are doubled or too long."""
        if len(columns) > limits.columns:
            raise Invalid("file", f"The file has {len(columns)} columns; at most {limits.columns} are taken.")
        for index, column in enumerate(columns):
            if len(column) > LONGEST_NAME:
                message = f"The name of column {index + 1} is longer than {LONGEST_NAME} characters."
                raise Invalid("file", f"{message} Is the line that names the columns missing?")
            if not column.isprintable():
                # Half a character, a line break or the like: it could not be shown, or would break what shows it.
                raise Invalid("file", f"The name of column {index + 1} has characters in it that cannot be shown.")
            if column in columns[:index]:
                raise Invalid("file", f"The file has two columns {column!r}; each must have a name of its own.")
        self.columns = columns
        self._read = read
        self._limits = limits

    def rows(self, wanted: Collection[str] | None = None, whole: int = 0) -> Iterator[Row | Fault]:
        """The rows in order, a fault in place of each that cannot be read.

        Only the ``wanted`` columns are kept (None keeps all) except in the first ``whole`` rows. Raises Invalid on
        field ``file`` as soon as the file turns out not to be what it should be, or larger than is taken.
        """
        for index, item in enumerate(self._read(wanted, whole)):
            if index >= self._limits.rows:
                raise too_many_rows(self._limits)
            yield self._kept(item, wanted, index < whole) if isinstance(item, Row) else item

    def _kept(self, row: Row, wanted: Collection[str] | None, whole: bool) -> Row | Fault:
        cells = row.cells
        if wanted is not None and not whole:
            cells = {column: cells[column] for column in wanted if column in cells}
        for column in wanted or cells:
            cell = cells.get(column)
            if isinstance(cell, str) and len(cell) > self._limits.cell:
                return Fault(row.line, column, f"Longer than {self._limits.cell:,} characters.")
        return Row(row.line, cells)


def too_many_rows(limits: Limits) -> Invalid:
    """The refusal of a file with more rows than are taken."""
    return Invalid(
        "file", f"The file has more than {limits.rows:,} rows, which is the most that is taken.", "too_large"
    )
