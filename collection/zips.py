"""Files as a zip that is made while it is sent, a chunk at a time; the same files always give the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

MEDIA_TYPE = "application/zip"


@dataclass(frozen=True)
class Entry:
    """A file of the zip, ``size`` in bytes; ``content`` is taken when its turn comes."""

    name: str
    size: int
    content: Iterable[bytes]


@dataclass(frozen=True)
class Archive:
    """A zip that is read from its source while ``parts`` are taken, a chunk at a time.

    ``sha256`` is that of what it holds, as its manifest has it. ``size`` is in bytes, None where only the end tells.
    A file that is not what its hash says ends ``parts`` with an error, before the zip is whole.
    """

    name: str
    sha256: str
    size: int | None
    parts: Iterator[bytes]

    def headers(self) -> dict[str, str]:
        """The HTTP headers that it is sent with."""
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return length | {
            "Content-Type": MEDIA_TYPE,
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "X-Checksum-Sha256": self.sha256,
            "Cache-Control": "private, no-store",
        }


def archived(name: str, sha256: str, entries: Sequence[Entry], made: datetime) -> Archive:
    """The entries as a zip, in their order and all with the same time."""
    return Archive(name, sha256, _size(entries, made), _zipped(entries, made))


class _Outbox(io.RawIOBase):
    """A file that cannot be sought: what is written waits here until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Keep it until it is taken."""
        self._waiting.append(bytes(content))
        return len(content)

    def taken(self) -> bytes:
        """All that waits."""
        found = b"".join(self._waiting)
        self._waiting.clear()
        return found


def _zipped(entries: Iterable[Entry], made: datetime) -> Iterator[bytes]:
    """A zip of the entries, stored as they are; at most one chunk of their content is in memory at a time."""
    outbox = _Outbox()
    moment = (made.year, made.month, made.day, made.hour, made.minute, made.second)
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, moment)
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=entry.size > zipfile.ZIP64_LIMIT) as file:
                for chunk in entry.content:
                    file.write(chunk)
                    yield outbox.taken()
    yield outbox.taken()


def _size(entries: Sequence[Entry], made: datetime) -> int | None:
    """The zip's size in bytes: what it is around empty files, and the files. None for one so large that the format
    adds fields of its own."""
    around = sum(len(part) for part in _zipped([Entry(item.name, 0, ()) for item in entries], made))
    total = around + sum(item.size for item in entries)
    return total if total < zipfile.ZIP64_LIMIT else None
