"""The lines of a release's JSON files, each an object, read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from collection.errors import Invalid

# A row has two texts, some remarks and votes; each is bounded where it comes to a site.
LONGEST_LINE = 10_000_000


def read_lines(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | Invalid]]:
    """The objects of a JSON-lines file, each with its line from 1; in place of a bad one what is wrong with it.

    A last line without its end was cut off. Raises Invalid on field ``file`` for a line that is too long to be one.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise Invalid("file", f"Line {number} is longer than {LONGEST_LINE:,} bytes.", "too_large")
        yield number, _object(line)


def _object(line: bytes) -> dict[str, Any] | Invalid:
    if not line.endswith(b"\n"):
        return Invalid("", "The file ends in the middle of this line: it was cut off.", "truncated")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return Invalid("", f"Not UTF-8 (byte 0x{line[error.start]:02X}).", "encoding")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Invalid("", f"Not JSON ({error.msg}).", "not_json")
    return found if isinstance(found, dict) else Invalid("", "Not an object.", "not_json")
