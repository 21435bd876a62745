"""Reading Parquet, in a process of its own: its reader is not safe with files from strangers.

A few packed kilobytes may stand for gigabytes, whatever the file says of itself; and a damaged or partly encrypted file
can end the process that reads it (pyarrow 26 aborts on an encrypted column under an open footer). There it ends a
process with bounded memory and time, and nothing else. It keeps pyarrow, half a second to import, out of the web
process too.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Collection, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from collection.errors import Invalid
from collection.importing.lines import check_unpacked, pieces
from collection.importing.rows import Limits, Nested, Row, Stream, too_many_rows

_PROGRAM = Path(__file__).with_name("parquet_process.py")
# Address space and processor time of the process; pyarrow alone takes some hundred megabytes of the former.
_MEMORY = 2_000_000_000
_SECONDS = 60
_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_LARGEST_FOOTER = 5_000_000


def open_parquet(file: BinaryIO, limits: Limits) -> Stream:
    """The columns and rows of a flat, unencrypted Parquet file. Raises Invalid on field ``file`` for any other."""
    # Parquet is read from its end: there is no way to stream it. As it comes it is within the limit of bytes.
    content = b"".join(pieces(file, limits))
    _check_ends(content)
    with contextlib.closing(answers(content, {"wanted": None}, limits)) as told:
        described = next(told)
    columns, readable = tuple(described["columns"]), described["readable"]

    def read(wanted: Collection[str] | None, whole: int) -> Iterator[Row]:
        kept = [name for name in readable if wanted is None or name in wanted]
        others = {name: Nested.OTHER for name in columns if name not in readable}
        with contextlib.closing(answers(content, {"wanted": kept, "whole": whole}, limits)) as told:
            for number, cells in enumerate(told, start=1):
                yield Row(number, cells | others)

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


def answers(content: bytes | BinaryIO, request: Mapping[str, Any], limits: Limits) -> Generator[dict[str, Any]]:
    """What the process says to a request, object by object. It ends with the generator.

    A file, which must be one of the system's, is read by the process from where it lies. Raises Invalid on field
    ``file`` for what the process refuses or cannot read.
    """
    told = {"footer": _LARGEST_FOOTER, **request, **vars(limits), "memory": _MEMORY, "seconds": _SECONDS}
    process = subprocess.Popen(
        # Isolated, and without our environment: no secret is within the reach of what it reads.
        [sys.executable, "-I", str(_PROGRAM), json.dumps(told)],
        stdin=subprocess.PIPE if isinstance(content, bytes) else content,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
    )
    assert process.stdout is not None
    try:
        if isinstance(content, bytes):
            assert process.stdin is not None
            # It reads all before it says anything; if it ends before that, the answer is missing.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(content)
                process.stdin.close()
        for line in process.stdout:
            said = json.loads(line)
            if said == "end":
                return
            if isinstance(said, str):
                raise _refusal(said, limits)
            yield said
        raise _refusal("damaged", limits)
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        process.stdout.close()


def _refusal(said: str, limits: Limits) -> Invalid:
    if said == "rows":
        return too_many_rows(limits)
    size = f"{limits.bytes / 1_000_000:g} MB"
    messages = {
        "large": f"Unpacked, the file is larger than {size}, which is the most that is taken.",
        "columns": f"The file has more than {limits.columns} columns, which is the most that is taken.",
        "encoding": "The file has a text in it that is not UTF-8.",
        "nested": "The file has nested columns; a flat table is needed. Please leave these columns out",
        "schema": "The columns are not those of a release",
        "line": f"A row has more than {limits.line:,} bytes, which is the most that is taken",
    }
    code, _, detail = said.partition(":")
    if code in messages:
        return Invalid("file", messages[code] + (f": {detail}." if detail else ""), code)
    return Invalid("file", "The file cannot be read as Parquet: it is damaged, encrypted or far too large.", "damaged")
