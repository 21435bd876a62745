"""Whether a row of a release holds what its columns say. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from collection.errors import Invalid
from collection.export.columns import OPTIONAL, VOTE, Kind

Row = dict[str, Any]

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_MEANS: Mapping[Kind, str] = {
    "text": "a text",
    "count": "a whole number from 0 on",
    "flag": "true or false",
    "number": "a number",
    "time": "a time in UTC like 2026-01-31T12:00:00.000000Z",
    "shares": "probabilities by label",
    "votes": f"a list of votes, each with {', '.join(VOTE)} in this order",
}


def check_row(row: object, columns: Mapping[str, Kind]) -> Row:
    """The row, if it has these columns, in their order, and in each what belongs there.

    Raises Invalid naming the column, or ``row`` where the columns are others.
    """
    if not isinstance(row, dict):
        raise Invalid("row", "Must be an object.")
    if list(row) != list(columns):
        for column in columns:
            if column not in row:
                raise Invalid(column, "Is missing.", "missing")
        for column in row:
            if column not in columns:
                raise Invalid("row", f"There is no column {str(column)[:80]!r}.", "unknown_column")
        raise Invalid("row", "The columns stand in another order.")
    for column, kind in columns.items():
        check_cell(column, kind, row[column])
    return row


def check_cell(column: str, kind: Kind, value: object) -> None:
    """Raises Invalid naming the column if the value is not of its kind, or None where there must be one."""
    if value is None:
        if column not in OPTIONAL:
            raise no_value(column)
    elif not _is(kind, value):
        raise Invalid(column, f"Must be {_MEANS[kind]}.", "wrong_kind")


def no_value(column: str) -> Invalid:
    """The refusal of None in a column where there must be a value."""
    return Invalid(column, "Must have a value.", "no_value")


def half_a_character(column: str) -> Invalid:
    """The refusal of a text with a lone surrogate, which no file in UTF-8 can hold."""
    return Invalid(column, "The text has half a character in it.", "surrogate")


def _is(kind: Kind, value: object) -> bool:
    match kind:
        case "text":
            return isinstance(value, str)
        case "count":
            return type(value) is int and value >= 0
        case "flag":
            return isinstance(value, bool)
        case "number":
            return _is_number(value)
        case "time":
            return isinstance(value, str) and _is_time(value)
        case "shares":
            return isinstance(value, dict) and all(map(_is_number, value.values()))
        case "votes":
            return isinstance(value, list) and all(map(_is_vote, value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: str) -> bool:
    if not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_vote(value: object) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == list(VOTE)
        and all(_is(kind, value[key]) for key, kind in VOTE.items())
    )
