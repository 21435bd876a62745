"""The pages of a Parquet file: to what size each will be unpacked, by its own header, which is what the reader obeys.

A page header is a struct in Thrift's compact protocol (thrift.apache.org, "Thrift compact protocol encoding"; the
struct is PageHeader in apache/parquet-format, parquet.thrift).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from collection.errors import Invalid

# Fields of PageHeader, and the encoding inside the headers of data pages of the first and second kind.
_UNPACKED, _PACKED = 2, 3
_ENCODINGS = ((5, 2), (8, 4))
# Each value may repeat the value before it and add a letter: kilobytes become gigabytes without any packing.
_DELTA_BYTE_ARRAY = 7
_MOST_PAGES = 100_000
_DEEPEST = 8


class Malformed(ValueError):
    """This is no page header."""


def check_pages(content: bytes, chunks: Iterable[tuple[int, int]], most: int) -> bool:
    """Whether all pages of the column chunks (start, length) unpack to at most that many bytes.

    Raises Malformed, and Invalid on field ``file`` for pages that could grow without end though their size is small.
    """
    unpacked = count = 0
    for start, length in chunks:
        at, end = start, start + length
        if start < 0 or length < 0 or end > len(content):
            raise Malformed
        while at < end:
            header, at = _struct(content, at, 0)
            sizes = header.get(_UNPACKED), header.get(_PACKED)
            if not all(isinstance(size, int) and size >= 0 for size in sizes):
                raise Malformed
            for page, encoding in _ENCODINGS:
                if isinstance(header.get(page), dict) and header[page].get(encoding) == _DELTA_BYTE_ARRAY:
                    raise Invalid("file", "The file has a column in DELTA_BYTE_ARRAY encoding, which is not read here.")
            at += header[_PACKED]
            unpacked += header[_UNPACKED]
            count += 1
            if unpacked > most or count > _MOST_PAGES:
                return False
        if at != end:
            raise Malformed
    return True


def _struct(content: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > _DEEPEST:
        raise Malformed
    fields: dict[int, Any] = {}
    number = 0
    while True:
        byte, at = _byte(content, at)
        if byte == 0:
            return fields, at
        if byte >> 4:
            number += byte >> 4
        else:
            number, at = _integer(content, at)
        # A truth value has no bytes of its own in a struct: it is the type.
        fields[number], at = (byte & 15 == 1, at) if byte & 15 in (1, 2) else _value(content, at, byte & 15, depth)


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind == 3:
        return _byte(content, at)
    if kind in (4, 5, 6):
        return _integer(content, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(content, at)
        return None, at + length
    if kind == 12:
        return _struct(content, at, depth + 1)
    # Lists, sets and maps: no page header has one.
    raise Malformed


def _byte(content: bytes, at: int) -> tuple[int, int]:
    if at >= len(content):
        raise Malformed
    return content[at], at + 1


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte, at = _byte(content, at)
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise Malformed


def _integer(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at
