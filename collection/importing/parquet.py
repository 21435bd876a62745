"""Reading Parquet, whose few packed kilobytes may stand for gigabytes: what it unpacks to is known before it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from collection.errors import Invalid
from collection.importing.lines import check_unpacked, pieces
from collection.importing.parquet_pages import Malformed, check_pages
from collection.importing.rows import Cell, Limits, Nested, Row, Stream, too_many_rows

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_LARGEST_FOOTER = 5_000_000
_ROWS_AT_ONCE = 1_000
_DAMAGED = "The file cannot be read as Parquet: it is damaged or encrypted."


def open_parquet(file: BinaryIO, limits: Limits) -> Stream:
    """The columns and rows of a flat, unencrypted Parquet file. Raises Invalid on field ``file`` for any other."""
    # Parquet is read from its end: there is no way to stream it. The packed file is within the limit of bytes.
    content = b"".join(pieces(file, limits))
    _check_ends(content)
    # Not at the top: importing it takes half a second, which the web process need not spend at its start.
    import pyarrow as pa
    import pyarrow.parquet as pq

    def opened(**options: Any) -> Any:
        return pq.ParquetFile(
            pa.BufferReader(content),
            pre_buffer=False,
            thrift_string_size_limit=_LARGEST_FOOTER,
            thrift_container_size_limit=100_000,
            schema_depth_limit=10,
            arrow_extensions_enabled=False,
            **options,
        )

    refused = (pa.ArrowException, OSError, Malformed)
    try:
        plain = opened()
        schema = plain.schema_arrow
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        if nested:
            message = f"Column {nested[0][:80]!r} is nested; a flat table is needed. Please leave that column out."
            raise Invalid("file", message, "nested")
        _check_size(plain.metadata, content, limits)
    except refused:
        raise Invalid("file", _DAMAGED, "damaged") from None

    def texts(kind: Any) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

    def readable(kind: Any) -> bool:
        if pa.types.is_dictionary(kind):
            return readable(kind.value_type)
        numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        return bool(texts(kind) or numbers or pa.types.is_null(kind))

    columns = tuple(schema.names)
    readable_columns = [field.name for field in schema if readable(field.type)]
    text_columns = [field.name for field in schema if texts(field.type)]

    def read(wanted: Collection[str] | None, whole: int) -> Iterator[Row]:
        kept = readable_columns if wanted is None else [name for name in readable_columns if name in wanted]
        others = dict.fromkeys((name for name in columns if name not in readable_columns), Nested.OTHER)
        try:
            # Equal texts of a column are read once: a text of megabytes in each of many rows takes no space.
            table = opened(read_dictionary=text_columns)
            first = [] if kept == readable_columns else _first(table, readable_columns, whole)
            for number, cells in enumerate(_unpacked(table, kept, limits), start=1):
                shown = first[number - 1] if number <= len(first) else {}
                yield Row(number, {**shown, **cells, **others})
        except UnicodeDecodeError:
            raise Invalid("file", "The file has a text in it that is not UTF-8.", "encoding") from None
        except refused:
            raise Invalid("file", _DAMAGED, "damaged") from None

    return Stream(columns, read, limits)


def _check_ends(content: bytes) -> None:
    check_unpacked(content)
    if content.startswith(_ENCRYPTED):
        raise Invalid("file", "The Parquet file is encrypted.", "encrypted")
    if not content.startswith(_MAGIC):
        raise Invalid("file", "The file is not Parquet.", "wrong_kind")
    if len(content) < 12 or not content.endswith(_MAGIC):
        raise Invalid("file", "The Parquet file is cut off: its end is missing.", "damaged")
    if int.from_bytes(content[-8:-4], "little") > _LARGEST_FOOTER:
        raise Invalid("file", "The Parquet file describes itself at far too great a length.", "too_large")


def _check_size(metadata: Any, content: bytes, limits: Limits) -> None:
    if metadata.num_rows > limits.rows:
        raise too_many_rows(limits)
    # Before the columns are gone through: a group without rows costs a few bytes, and there may be millions.
    if metadata.num_row_groups > max(1, metadata.num_rows) or metadata.num_columns > limits.columns:
        raise Invalid("file", "The Parquet file has too many columns, or empty row groups.", "too_large")
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        raise Malformed
    if sum(max(0, group.total_byte_size) for group in groups) > limits.bytes:
        raise _too_large(limits)
    # What a file says of itself may be a lie: the pages are what is unpacked.
    chunks = []
    for group in groups:
        for column in map(group.column, range(group.num_columns)):
            start = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset:
                start = min(start, column.dictionary_page_offset)
            chunks.append((start, column.total_compressed_size))
    if not check_pages(content, chunks, limits.bytes):
        raise _too_large(limits)


def _first(table: Any, columns: list[str], count: int) -> list[dict[str, Cell]]:
    if not count or not columns:
        return []
    batch = next(table.iter_batches(batch_size=count, columns=columns, use_threads=False), None)
    return [] if batch is None else _rows(batch, columns)


def _unpacked(table: Any, columns: list[str], limits: Limits) -> Iterator[dict[str, Cell]]:
    if not columns:
        yield from ({} for _ in range(table.metadata.num_rows))
        return
    characters = 0
    for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns, use_threads=False):
        for row in _rows(batch, columns):
            # Many rows may share one text in the file; whoever takes the rows makes each its own.
            characters += sum(len(cell) for cell in row.values() if isinstance(cell, str))
            if characters > limits.bytes:
                raise _too_large(limits)
            yield row


def _rows(batch: Any, columns: list[str]) -> list[dict[str, Cell]]:
    values = [_values(batch.column(name)) for name in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _values(array: Any) -> list[Cell]:
    if not hasattr(array, "dictionary"):
        values: list[Cell] = array.to_pylist()
        return values
    indices = array.indices.to_pylist()
    # One object for all rows that share a text, and only for texts in use.
    known = {index: array.dictionary[index].as_py() for index in set(indices) if index is not None}
    return [None if index is None else known[index] for index in indices]


def _too_large(limits: Limits) -> Invalid:
    size = f"{limits.bytes / 1_000_000:g} MB"
    return Invalid("file", f"Unpacked, the file is larger than {size}, which is the most that is taken.", "too_large")
