"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from modelserver.durable import flush

BUFFER_BYTES = 1 << 20
_COPIED_BYTES = 1 << 30


@contextmanager
def whole(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which has its name once all of it is written; of one that is not finished nothing stays.

    ``durable``: it is on the disk before it has its name, so that one with the name is whole after a crash of the
    machine too. Two who write the same file at once do not meet. Raises OSError, for a full disk too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb", buffering=BUFFER_BYTES) as file:
            yield file
        if durable:
            flush(temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def append(part: BinaryIO, file: BinaryIO) -> None:
    """Write all of an open file that nothing was read from to the end of another, by the system if it can. Raises
    OSError."""
    file.flush()
    try:
        while os.copy_file_range(part.fileno(), file.fileno(), _COPIED_BYTES):
            pass
    except (AttributeError, OSError):
        # Not there, or not between these file systems; or a full disk, which comes again at once.
        shutil.copyfileobj(part, file, BUFFER_BYTES)


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Keep what is known of a file that is whole. After a crash of the machine it may be lost."""
    with whole(path, durable=False) as file:
        file.write(orjson.dumps(note))


def read_note(path: Path) -> dict[str, Any] | None:
    """A note; None if there is none, or it was lost."""
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return found


def write_whole(path: Path, content: bytes) -> None:
    """A file of content that is at hand."""
    with whole(path) as file:
        file.write(content)
