"""The file that a backup is: a zip, written under another name until it is whole, and checked as it is read."""

from __future__ import annotations

import hashlib
import os
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backups.manifest import MANIFEST, BackupError, Kept, Manifest
from modelserver.durable import flush
from modelserver.unzipping import UNREADABLE

CHUNK_BYTES = 1 << 20
# A manifest names every file: some 150 bytes each.
_LARGEST_MANIFEST = 1 << 30


class Writer:
    """What puts files into a new backup, one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, name: str, chunks: Iterable[bytes], *, pack: bool = False) -> Kept:
        """Write a file, piece by piece; packed, if it is text."""
        hashed, size = hashlib.sha256(), 0
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        # How long it will be is not known before it ends.
        with self._archive.open(info, "w", force_zip64=True) as file:
            for chunk in chunks:
                file.write(chunk)
                hashed.update(chunk)
                size += len(chunk)
        return Kept(size, hashed.hexdigest())


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """A new backup that gets its name when the block has ended well; otherwise nothing is left of it.

    Only its owner can read it: it has everybody's e-mail addresses. Raises BackupError if the name is taken, and
    OSError if the disk is full.
    """
    if path.exists():
        raise BackupError(f"{path} is there already")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            yield Writer(archive)
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


class Reader:
    """A backup that is there: its ``manifest`` with the hash of that, and its files by their names."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = archive.namelist()
        if len(set(names)) != len(names):
            raise BackupError("it has two files of one name")
        if MANIFEST not in names or archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
            raise BackupError(f"it has no {MANIFEST}")
        content = b"".join(self._chunks(MANIFEST))
        self.manifest, self.manifest_sha256 = Manifest.parse(content), hashlib.sha256(content).hexdigest()
        self._files = self.manifest.files()
        for name in sorted(self._files.keys() ^ (set(names) - {MANIFEST})):
            raise BackupError(f"{name} is {'missing' if name in self._files else 'not in its manifest'}")

    def read(self, name: str) -> Iterator[bytes]:
        """A file's content in chunks. Raises BackupError, at the latest after the last one, if it is not what the
        manifest says: whoever gets to the end has the very file."""
        kept, hashed, size = self._files[name], hashlib.sha256(), 0
        for chunk in self._chunks(name):
            hashed.update(chunk)
            size += len(chunk)
            if size > kept.size:
                break
            yield chunk
        if (size, hashed.hexdigest()) != (kept.size, kept.sha256):
            raise BackupError(f"{name} is damaged: it is not what the manifest says")

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self._archive.open(name) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except UNREADABLE as error:
            raise BackupError(f"{name} is damaged: {error}") from None


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """A backup, to be read. Raises BackupError if it is none, or is not whole."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise BackupError(f"there is no file {path}") from None
    except UNREADABLE as error:
        raise BackupError(f"{path} is no backup, or not a whole one: {error}") from None
    with archive:
        yield Reader(archive)
