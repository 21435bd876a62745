"""Who is named in a report: the columns that hold people's names, and giving people other names throughout."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from collection.analytics.sections import Cell, Section, Table

# Nothing but these columns names anybody: neither findings, limits, notes nor the specifications of charts do.
_NAMES = frozenset({"writer", "validator", "lowest_without", "highest_without"})
WRITERS, VALIDATORS = "writers-people", "agreement-validators"
# The tables with a row for each person: the count by which rows are ordered, and then the name.
_ORDERED = {WRITERS: ("texts", "writer"), VALIDATORS: ("votes", "validator")}

Row = Mapping[str, Cell]


def busiest_first(table: str, rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows of WRITERS or VALIDATORS in their order: who did most first, then by name."""
    count, name = _ORDERED[table]
    return tuple(sorted(rows, key=lambda row: (-int(str(row[count])), str(row[name]))))


def names_people(table: Table) -> bool:
    """Whether anybody may be named in a table, and so in the charts of it."""
    return any(column.name in _NAMES for column in table.columns)


def named(sections: Sequence[Section]) -> set[str]:
    """The names of everybody whom a report names."""
    rows = (row for section in sections for table in section.tables for row in table.rows)
    return {cell for row in rows for column, cell in row.items() if column in _NAMES and _is_name(cell)}


def renamed(sections: Sequence[Section], names: Mapping[str, str]) -> list[Section]:
    """The same report with other names; the order of rows does not tell the former ones. Raises KeyError for a name
    that has no other."""
    return [
        dataclasses.replace(section, tables=tuple(_renamed(table, names) for table in section.tables))
        for section in sections
    ]


def _renamed(table: Table, names: Mapping[str, str]) -> Table:
    if not names_people(table):
        return table
    rows: tuple[Row, ...] = tuple(
        {column: names[cell] if column in _NAMES and _is_name(cell) else cell for column, cell in row.items()}
        for row in table.rows
    )
    return dataclasses.replace(table, rows=busiest_first(table.id, rows) if table.id in _ORDERED else rows)


def _is_name(cell: Cell) -> TypeGuard[str]:
    return isinstance(cell, str) and cell != ""
