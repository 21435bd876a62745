"""A model version to download: its files from the model repository as a zip, made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collection.cards import card_of
from collection.errors import Conflict
from collection.models import Experiment
from collection.versions import Lineage
from modelserver.artifacts import ArtifactError
from modelserver.repository import ModelRepository, VersionMissing

MEDIA_TYPE = "application/zip"
CARD_FILE = "README.md"
Moment = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Archive:
    """A zip that is read from the repository while ``parts`` are taken, a chunk at a time.

    ``size`` is in bytes, None where only the end tells. A file that is not what its manifest says ends ``parts`` with
    ArtifactError, before the zip is whole. The same version and scores always give the same bytes.
    """

    name: str
    manifest_sha256: str
    size: int | None
    parts: Iterator[bytes]

    def headers(self) -> dict[str, str]:
        """The HTTP headers that it is sent with."""
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return length | {
            "Content-Type": MEDIA_TYPE,
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "X-Checksum-Sha256": self.manifest_sha256,
            "Cache-Control": "private, no-store",
        }


@dataclass(frozen=True)
class _Entry:
    """A file of the zip; ``content`` is taken when its turn comes."""

    name: str
    size: int
    content: Iterable[bytes]


def archive_of(experiment: Experiment, lineage: Lineage, repository: ModelRepository) -> Archive:
    """The files of a version in a folder, and a card that tells where it comes from.

    Raises Conflict if the repository lacks the version or a file of it, holds another one, or does not answer.
    """
    version = lineage.version
    try:
        manifest, digest = repository.describe(version.ref)
        files = repository.files(version.ref)
    except VersionMissing:
        raise Conflict("no_files", f"The model repository has no files of {version}.") from None
    except ArtifactError as error:
        raise Conflict("damaged", f"The files of {version} are damaged: {error}.") from None
    except OSError:
        raise Conflict("no_repository", "The model repository does not answer right now. Please try again.") from None
    if digest != version.manifest_sha256:
        raise Conflict("damaged", f"The model repository holds another {version} than was registered.")
    folder = f"{version.name}-{version.version}"
    card = card_of(experiment, lineage, manifest).encode()
    entries = [
        _Entry(CARD_FILE, len(card), [card]),
        *(_Entry(f"{folder}/{file.name}", file.size, repository.read(file)) for file in files),
    ]
    made = version.created_at
    moment = (made.year, made.month, made.day, made.hour, made.minute, made.second)
    return Archive(f"{folder}.zip", digest, _size(entries, moment), zipped(entries, moment))


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


def zipped(entries: Iterable[_Entry], moment: Moment) -> Iterator[bytes]:
    """A zip of the entries, stored as they are; at most one chunk of their content is in memory at a time."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, moment)
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=entry.size > zipfile.ZIP64_LIMIT) as file:
                for chunk in entry.content:
                    file.write(chunk)
                    yield outbox.taken()
    yield outbox.taken()


def _size(entries: list[_Entry], moment: Moment) -> int | None:
    """The zip's size in bytes: what it is around empty files, and the files. None for one so large that the format
    adds fields of its own."""
    around = sum(len(part) for part in zipped([_Entry(item.name, 0, ()) for item in entries], moment))
    total = around + sum(item.size for item in entries)
    return total if total < zipfile.ZIP64_LIMIT else None
