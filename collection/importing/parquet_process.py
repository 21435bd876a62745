"""The process that reads one Parquet file: the file comes in, its columns or rows go out as lines of JSON.

Started by ``parquet``, by its path, with neither the packages of the product nor its environment. A string in place of
an object is the end, or the reason why the file is refused; if there is neither, the file was too much for this
process. A request with a ``schema`` is for the rows of a release: its tables are nested, and longer than memory.
"""

from __future__ import annotations

import base64
import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

_ROWS_AT_ONCE = 1_000
# Of a release: what one batch takes grows with its texts.
_TYPED_ROWS_AT_ONCE = 200


def main() -> None:
    """Read the file from the standard input and answer the request in the first argument."""
    request = json.loads(sys.argv[1])
    typed = "schema" in request
    if not typed:
        _bound(resource.RLIMIT_CPU, request["seconds"])
    _bound(resource.RLIMIT_CORE, 0)
    if sys.platform != "darwin":
        # macOS does not bound address space.
        _bound(resource.RLIMIT_AS, request["memory"])
    try:
        for said in _typed_rows(request) if typed else _answers(sys.stdin.buffer.read(), request):
            sys.stdout.buffer.write(said if isinstance(said, bytes) else _line(said))
        final = "end"
    except _Refused as error:
        final = str(error)
    except UnicodeDecodeError:
        final = "encoding"
    sys.stdout.buffer.write(_line(final))


def _line(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False, default=_time).encode() + b"\n"


def _time(value: datetime) -> str:
    # As releases write times.
    return f"{value.isoformat(timespec='microseconds')[:26]}Z"


def _bound(kind: int, most: int) -> None:
    allowed = resource.getrlimit(kind)[1]
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(kind, (most, most))


class _Refused(Exception):
    """Why the file is not read on."""


def _answers(content: bytes, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # After the bounds are set, and after the file is there.
    import pyarrow as pa

    file = _opened(pa.BufferReader(content), request)
    _check(file, pa, request)
    schema = file.schema_arrow
    readable = [field.name for field in schema if _readable(pa.types, field.type)]
    if request["wanted"] is None:
        yield {"columns": schema.names, "readable": readable}
        return
    # Equal texts of a column are read once: a text of megabytes in each of many rows takes no space.
    # Not where it is written as differences, which pyarrow 26 cannot read so.
    differences = _written_as_differences(file.metadata)
    texts = [item.name for item in schema if _is_text(pa.types, item.type) and item.name not in differences]
    yield from _rows(_opened(pa.BufferReader(content), request, read_dictionary=texts), readable, request)


def _opened(source: Any, request: dict[str, Any], **options: Any) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        source,
        pre_buffer=False,
        thrift_string_size_limit=request["footer"],
        thrift_container_size_limit=100_000,
        schema_depth_limit=10,
        arrow_extensions_enabled=False,
        **options,
    )


def _typed_rows(request: dict[str, Any]) -> Iterator[bytes]:
    """The rows as lines, if the file has the very columns of the schema. It is read from where it lies, in batches."""
    _more_time(request["seconds"])
    import pyarrow as pa

    wanted = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(request["schema"])))
    file = _opened(pa.PythonFile(sys.stdin.buffer, mode="r"), request)
    found = file.schema_arrow
    if found.names != wanted.names:
        raise _Refused("schema:must be " + ", ".join(wanted.names))
    if other := next((field for field in wanted if found.field(field.name).type != field.type), None):
        raise _Refused(f"schema:{other.name} must be {other.type}")
    _check_size(file.metadata, request)
    count = size = 0
    for batch in file.iter_batches(batch_size=_TYPED_ROWS_AT_ONCE, use_threads=False):
        _more_time(request["seconds"])
        for row in batch.to_pylist():
            count += 1
            line = _line(row)
            size += len(line)
            if len(line) > request["line"]:
                raise _Refused(f"line:{count}")
            if size > request["bytes"]:
                raise _Refused("large")
            yield line


def _more_time(seconds: int) -> None:
    """Bound the processor time until the next batch: how many there are, a good file decides."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    most = int(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _check(file: Any, pa: Any, request: dict[str, Any]) -> None:
    metadata, schema = file.metadata, file.schema_arrow
    if metadata.num_rows > request["rows"]:
        raise _Refused("rows")
    if nested := [field.name for field in schema if pa.types.is_nested(field.type)]:
        raise _Refused("nested:" + ", ".join(repr(name[:80]) for name in nested[:10]))
    if metadata.num_columns > request["columns"]:
        raise _Refused("columns")
    _check_size(metadata, request)


def _check_size(metadata: Any, request: dict[str, Any]) -> None:
    # As the file says; if that is a lie, the rows are counted too, and memory is bounded.
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    if sum(max(0, group.total_byte_size) for group in groups) > request["bytes"]:
        raise _Refused("large")


def _written_as_differences(metadata: Any) -> set[str]:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    columns = [group.column(index) for group in groups for index in range(group.num_columns)]
    return {column.path_in_schema for column in columns if any("DELTA" in name for name in column.encodings)}


def _is_text(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _readable(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        return _readable(types, kind.value_type)
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(_is_text(types, kind) or number or types.is_null(kind))


def _rows(file: Any, readable: list[str], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    wanted = request["wanted"]
    first: list[dict[str, Any]] = []
    if request["whole"] and readable != wanted:
        batches = file.iter_batches(batch_size=request["whole"], columns=readable, use_threads=False)
        first = _cells(next(batches), readable) if file.metadata.num_rows else []
    if not wanted:
        yield from first
        yield from ({} for _ in range(file.metadata.num_rows - len(first)))
        return
    count = characters = 0
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=wanted, use_threads=False):
        for row in _cells(batch, wanted):
            count += 1
            # Many rows may share one text in the file; whoever takes the rows makes each its own.
            characters += sum(len(cell) for cell in row.values() if isinstance(cell, str))
            if count > request["rows"]:
                raise _Refused("rows")
            if characters > request["bytes"]:
                raise _Refused("large")
            yield first[count - 1] | row if count <= len(first) else row


def _cells(batch: Any, columns: list[str]) -> list[dict[str, Any]]:
    values = [_values(batch.column(name)) for name in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _values(array: Any) -> list[Any]:
    if not hasattr(array, "dictionary"):
        return list(array.to_pylist())
    indices = array.indices.to_pylist()
    # One object for all rows that share a text, and only for texts in use.
    known = {index: array.dictionary[index].as_py() for index in set(indices) if index is not None}
    return [None if index is None else known[index] for index in indices]


if __name__ == "__main__":
    main()
