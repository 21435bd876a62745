"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from modelserver.durable import flush

BUFFER_BYTES = 1 << 20


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which has its name once all of it is on the disk; of one that is not finished nothing stays.

    Two who write the same file at once do not meet. The name itself is on the disk once the folder is flushed. Raises
    OSError, for a full disk too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb", buffering=BUFFER_BYTES) as file:
            yield file
        flush(temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """The same for content that is at hand."""
    with whole(path) as file:
        file.write(content)
