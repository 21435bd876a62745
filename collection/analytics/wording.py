"""Figures as people read them."""

from __future__ import annotations

from annotators.money import minor_per_unit
from collection.analytics.metrics import Estimate
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
    value = _number(cell.value, unit)
    if cell.low is None or cell.high is None:
        return f"{value}{_sign(unit)}"
    return f"{value}{_sign(unit)} [{_number(cell.low, unit)}, {_number(cell.high, unit)}]"


def _number(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.1f}"
    if is_currency(unit):
        units = minor_per_unit(unit)
        return f"{value / units:,.{len(str(units)) - 1}f}"
    if unit in ("s", "min"):
        return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"
    if isinstance(value, int) or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 100 else f"{value:.3f}"


def _sign(unit: str) -> str:
    if unit == "share":
        return "%"
    return f" {unit}" if unit and unit != "examples" else ""
