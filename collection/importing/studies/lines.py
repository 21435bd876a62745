"""The lines of a release's JSON files, each an object, read one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import orjson

from collection.errors import Invalid

# Of a line that has a figure for every row of a test set or text of a round.
LONGEST_LINE = 10_000_000
# Nothing that a release says of a study is nested nearly so deeply.
DEEPEST = 50


def read_lines(file: BinaryIO, longest: int = LONGEST_LINE) -> Iterator[tuple[int, dict[str, Any] | Invalid]]:
    """The objects of a JSON-lines file, each with its line from 1; in place of a bad one what is wrong with it.

    A last line without its end was cut off. Raises Invalid on field ``file`` for a line of more than ``longest`` bytes.
    """
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise Invalid("file", f"Line {number} is longer than {longest:,} bytes.", "too_large")
        yield number, _object(line)


def check_depth(row: Mapping[str, object]) -> None:
    """Raises Invalid naming the column in which lists and objects stand in each other more than DEEPEST deep."""
    for column, value in row.items():
        level, depth = [value], 0
        while nested := [item for item in level if isinstance(item, dict | list)]:
            depth += 1
            if depth > DEEPEST:
                raise Invalid(column[:80], f"Is nested more than {DEEPEST} deep.", "nested")
            level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]


def _object(line: bytes) -> dict[str, Any] | Invalid:
    if not line.endswith(b"\n"):
        return Invalid("", "The file ends in the middle of this line: it was cut off.", "truncated")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return Invalid("", f"Not UTF-8 (byte 0x{line[error.start]:02X}).", "encoding")
    try:
        found = orjson.loads(line)
        if isinstance(found, dict):
            check_depth(found)
            return found
    except orjson.JSONDecodeError as error:
        return Invalid("", f"Not JSON ({error.msg}).", "not_json")
    except Invalid as error:
        return error
    return Invalid("", "Not an object.", "not_json")
