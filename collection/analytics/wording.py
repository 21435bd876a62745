"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from annotators.money import minor_per_unit
from collection.analytics.metrics import Estimate
from collection.analytics.numerals import decimals, digits
from collection.analytics.sections import Cell, is_currency

NOTHING = "–"


def worded(cell: Cell, unit: str = "") -> str:
    """A cell of a table in words: ``73.4% [71.9, 74.9]``, ``4 [3, no limit]``, or why there is no figure."""
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
    if cell.low is None and cell.high is None:
        return f"{_number(cell.value, unit)}{_sign(unit)}"
    value = _scaled(cell.value, unit)
    ends = [None if end is None else _scaled(end, unit) for end in (cell.low, cell.high)]
    places = _places(value, [end for end in ends if end is not None], unit)
    low, high = ("no limit" if end is None else digits(end, places) for end in ends)
    return f"{digits(value, places)}{_sign(unit)} [{low}, {high}]"


def _places(value: float, ends: Sequence[float], unit: str) -> int:
    """How many decimals a figure and the one or two ends that its interval has are given with."""
    parts = [value, *ends]
    least = _least(parts, unit)
    if is_currency(unit) or all(part.is_integer() for part in parts):
        return least
    apart = ends if len(ends) > 1 else parts
    return decimals(apart, least) if max(apart) > min(apart) else _places_alone(value, unit)


def _number(value: float, unit: str) -> str:
    number = _scaled(value, unit)
    return digits(number, _places_alone(number, unit))


def _places_alone(number: float, unit: str) -> int:
    """How many decimals a figure without an interval, or with one without width, is given with."""
    short = unit in ("", "h", "examples") and not number.is_integer() and abs(number) < 100
    return 3 if short else _least([number], unit)


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
