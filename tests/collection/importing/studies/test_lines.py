"""JSON lines of releases: bounded in length and depth, each fault with its line."""

from __future__ import annotations

import io

import pytest

from collection.errors import Invalid
from collection.importing.studies.lines import DEEPEST, read_lines


def deep(levels: int) -> bytes:
    """A row whose recipe is so many lists in each other."""
    return b'{"name":"x","recipe":' + b"[" * levels + b"]" * levels + b"}\n"


def test_what_is_nested_deeper_than_is_taken_is_refused_by_its_column() -> None:
    rows = list(read_lines(io.BytesIO(deep(DEEPEST) + deep(DEEPEST + 1) + deep(1_000) + b'{"last":1}\n')))
    assert [line for line, _ in rows] == [1, 2, 3, 4]
    assert isinstance(rows[0][1], dict)
    assert rows[3][1] == {"last": 1}
    for _, found in rows[1:3]:
        assert isinstance(found, Invalid)
        assert (found.field, found.message) == ("recipe", "Is nested more than 50 deep.")


def test_a_line_that_is_too_long_ends_the_reading_by_its_number() -> None:
    rows = read_lines(io.BytesIO(b'{"a":1}\n' + b'{"a":"' + b"x" * 100 + b'"}\n'), 100)
    assert next(rows) == (1, {"a": 1})
    with pytest.raises(Invalid, match="Line 2 is longer than 100 bytes"):
        next(rows)
