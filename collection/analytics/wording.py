"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from annotators.money import minor_per_unit
from collection.analytics.metrics import Estimate
from collection.analytics.numerals import decimals, digits
from collection.analytics.sections import Cell, is_currency

NOTHING = "–"


def worded(cell: Cell, unit: str = "") -> str:
    """A cell of a table in words: ``73.4% [71.9, 74.9]``, or why there is no figure."""
    if isinstance(cell, Estimate):
        return _estimate(cell, unit)
    if cell is None or cell == "":
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    return _number(cell, unit) + _sign(unit)


def _estimate(cell: Estimate, unit: str) -> str:
    if cell.value is None:
        return cell.limit or NOTHING
    if cell.low is None or cell.high is None:
        return f"{_number(cell.value, unit)}{_sign(unit)}"
    parts = [_scaled(part, unit) for part in (cell.value, cell.low, cell.high)]
    least = _least(parts, unit)
    places = least if is_currency(unit) or all(part.is_integer() for part in parts) else decimals(parts[1:], least)
    value, low, high = (digits(part, places) for part in parts)
    return f"{value}{_sign(unit)} [{low}, {high}]"


def _number(value: float, unit: str) -> str:
    number = _scaled(value, unit)
    places = _least([number], unit)
    if unit in ("", "h", "examples") and not number.is_integer() and abs(number) < 100:
        places = 3
    return digits(number, places)


def _scaled(value: float, unit: str) -> float:
    """The number that is shown of a value."""
    return 100.0 * value if unit == "share" else value / minor_per_unit(unit) if is_currency(unit) else float(value)


def _least(numbers: Sequence[float], unit: str) -> int:
    """How many decimals numbers of the unit have at the least."""
    if is_currency(unit):
        return len(str(minor_per_unit(unit))) - 1
    short = unit in ("s", "min") and max(map(abs, numbers)) < 10
    return int(unit == "share" or short)


def _sign(unit: str) -> str:
    if unit == "share":
        return "%"
    return f" {unit}" if unit and unit != "examples" else ""
