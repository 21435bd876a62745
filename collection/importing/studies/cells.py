"""Whether the rows of a release's ``study/`` hold what they must (see export.study). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from collection.errors import Invalid
from collection.export.cells import check_cell
from modelserver.wire import SHA256

# A column's kind; with "?" behind it the column may be null.
Kinds = Mapping[str, str]
# The largest number in a column of whole numbers.
_LARGEST = 2**31 - 1
# Of tasks and test sets.
LONGEST_NAME = 100


def check_study_row(row: Mapping[str, Any], kinds: Kinds) -> None:
    """Raises Invalid naming the column that is missing, unknown, or holds something else than its kind."""
    for column in row:
        if column not in kinds:
            raise Invalid(str(column)[:80], "There is no such column.", "unknown_column")
    for column, kind in kinds.items():
        if column not in row:
            raise Invalid(column, "Is missing.", "missing")
        value = row[column]
        if value is None and kind.endswith("?"):
            continue
        check, means = _KINDS[kind.removesuffix("?")]
        if not check(column, value):
            raise Invalid(column, f"Must be {means}.", "wrong_kind")


def check_texts(value: object) -> bool:
    """Whether all texts in a plain value can be kept by any database: none has a NUL in it."""
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, dict):
        return all(check_texts(key) and check_texts(item) for key, item in value.items())
    return all(map(check_texts, value)) if isinstance(value, list) else True


def _time(column: str, value: object) -> bool:
    check_cell(column, "time", value)
    return value is not None


def _text(column: str, value: object) -> bool:
    return isinstance(value, str)


def _count(column: str, value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _whole(column: str, value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _sha256(column: str, value: object) -> bool:
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


def _sha256_or_empty(column: str, value: object) -> bool:
    return value == "" or _sha256(column, value)


def _name(column: str, value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_NAME


def _share(column: str, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


_KINDS: Mapping[str, tuple[Callable[[str, Any], bool], str]] = {
    "text": (_text, "a text"),
    "count": (_count, "a whole number from 0 on"),
    "whole": (_whole, "a whole number"),
    "time": (_time, "a time"),
    "sha256": (_sha256, "a sha256 in hexadecimal digits"),
    "sha256-or-empty": (_sha256_or_empty, "a sha256 in hexadecimal digits, or empty"),
    "name": (_name, f"a text of 1 to {LONGEST_NAME} characters"),
    "share": (_share, "a number from 0 to 1"),
    "object": (lambda _, value: isinstance(value, dict), "an object"),
    "texts": (lambda _, value: isinstance(value, list) and all(isinstance(item, str) for item in value), "texts"),
    "list": (lambda _, value: isinstance(value, list), "a list"),
    "counts": (lambda _, value: isinstance(value, list) and all(_count("", item) for item in value), "whole numbers"),
    "shares": (lambda _, value: isinstance(value, list) and all(_share("", item) for item in value), "shares of 1"),
}
