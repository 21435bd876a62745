"""What analytics gives back: sections of plain words, tables and charts. Pages, files and print lay these out."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collection.analytics.metrics import Estimate

Cell = str | int | float | bool | Estimate | None


@dataclass(frozen=True)
class Options:
    """How a report is made. ``as_released`` repeats quirks of the source study's scripts where they have one."""

    draws: int = 2000
    seed: int = 0
    as_released: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table. ``unit`` is "", "share", "s", "h", "examples" or a currency's code (then in minor units)."""

    name: str
    title: str
    unit: str = ""


def is_currency(unit: str) -> bool:
    """Whether a unit is a currency's code (ISO 4217)."""
    return re.fullmatch("[A-Z]{3}", unit) is not None


@dataclass(frozen=True)
class Table:
    """Figures with the method they are from. A row maps column names to cells; a cell that is missing is None."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Cell], ...]
    method: str
    notes: tuple[str, ...] = ()

    @property
    def caution(self) -> str:
        """A sentence on what the figures that it has, or their intervals, lack; "" where they lack nothing. Of what
        only some lack it has the number."""
        cells = (cell for row in self.rows for cell in row.values())
        lacks = [cell.limit for cell in cells if isinstance(cell, Estimate) and cell.value is not None]
        found = Counter(part for limit in lacks for part in limit.split("; ") if part)
        said = [
            part if count == len(lacks) else f"{part} ({count} of {len(lacks)} figures)"
            for part, count in found.items()
        ]
        return f"Take care: {'; '.join(said)}." if said else ""


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite specification without its data, which are ``flat`` rows of the section's table ``table``.

    ``description`` says in words what the chart shows, for those who do not see it.
    """

    id: str
    title: str
    description: str
    table: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """One question of the report. ``findings`` are sentences that claim no more than their intervals allow;
    ``limits`` say what could not be found out, and why. ``gist``, which is not stored, is what the first page has of
    the findings: all of them if it is empty."""

    id: str
    title: str
    findings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    limits: tuple[str, ...] = ()
    gist: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def to_plain(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = dataclasses.asdict(self)
        del plain["gist"]
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Section:
        """The section that ``to_plain`` gave, also after it was JSON."""
        return cls(
            id=plain["id"],
            title=plain["title"],
            findings=tuple(plain["findings"]),
            tables=tuple(_table(item) for item in plain["tables"]),
            charts=tuple(Chart(**item) for item in plain["charts"]),
            limits=tuple(plain["limits"]),
        )

    def table(self, id_: str) -> Table:
        """One of its tables. Raises KeyError."""
        for item in self.tables:
            if item.id == id_:
                return item
        raise KeyError(id_)


def _table(plain: Mapping[str, Any]) -> Table:
    rows = tuple(
        {name: Estimate(**cell) if isinstance(cell, Mapping) else cell for name, cell in row.items()}
        for row in plain["rows"]
    )
    columns = tuple(Column(**item) for item in plain["columns"])
    return Table(plain["id"], plain["title"], columns, rows, plain["method"], tuple(plain["notes"]))


def flat(columns: tuple[Column, ...], rows: tuple[Mapping[str, Cell], ...]) -> Iterator[dict[str, Any]]:
    """Rows of plain values: an estimate in the column ``x`` becomes ``x``, ``x_low``, ``x_high``, ``x_n``,
    ``x_method`` and ``x_limit``."""
    for row in rows:
        plain: dict[str, Any] = {}
        for column in columns:
            cell = row.get(column.name)
            if isinstance(cell, Estimate):
                plain[column.name] = cell.value
                plain |= {
                    f"{column.name}_{name}": getattr(cell, name) for name in ("low", "high", "n", "method", "limit")
                }
            else:
                plain[column.name] = cell
        yield plain
