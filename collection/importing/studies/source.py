"""The files of a release that came as a folder or a zip: named by its manifest, of the content that it says."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.errors import Invalid
from collection.export.layout import FORMAT, MANIFEST
from collection.export.making import release_sha256
from collection.importing.faults import Faults
from modelserver.unzipping import UNREADABLE
from modelserver.wire import SHA256

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,5}")
_LARGEST_MANIFEST = 50_000_000
_MOST_FILES = 10_000
# What a zip says of its files: some hundred bytes each.
_LARGEST_DIRECTORY = 4_000_000
# LZMA takes the memory that the file asks for.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_PIECE = 1 << 20
# The bit of a file's flags in a zip.
_ENCRYPTED = 1


@dataclass(frozen=True)
class Source:
    """A release whose files lie in ``folder``, each as ``manifest`` names it."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """The release's own."""
        return str(self.manifest["sha256"])

    def has(self, path: str) -> bool:
        """Whether the release has that file."""
        return path in self.manifest["files"]

    def open(self, path: str) -> BinaryIO:
        """One of its files."""
        return (self.folder / path).open("rb")


def open_source(path: Path, scratch: Path, faults: Faults, largest: int, sign: Callable[[int, int], None]) -> Source:
    """The release in a folder or zip; of a zip the files are unpacked into ``scratch``.

    Every file is compared with its sha256, and what differs is noted in ``faults``. Nothing is unpacked that the
    manifest does not name, nothing outside of ``scratch``, and no more bytes than the manifest says, at most
    ``largest`` in all. ``sign`` is called with the bytes seen and all bytes. Raises Invalid on ``file`` for what is no
    release.
    """
    with _opened(path) as reader:
        return _compared(reader, scratch, faults, largest, sign)


def _compared(
    reader: _Folder | _Zip, scratch: Path, faults: Faults, largest: int, sign: Callable[[int, int], None]
) -> Source:
    manifest = _manifest(reader)
    files: Mapping[str, Any] = manifest["files"]
    whole = sum(item["size"] for item in files.values())
    if whole > largest:
        raise Invalid("file", f"Unpacked, the release has {whole:,} bytes; at most {largest:,} are taken.", "too_large")
    seen = 0
    for name, said in sorted(files.items()):
        digest, size = hashlib.sha256(), 0
        try:
            for piece in reader.copied(name, said["size"], scratch):
                digest.update(piece)
                size += len(piece)
                sign(seen + size, whole)
        except (FileNotFoundError, KeyError):
            faults.add(name, 0, "", "The file is missing.")
            continue
        except (_Unreadable, OSError) as error:
            faults.add(name, 0, "", f"The file cannot be read: {error}.")
            continue
        seen += size
        if size != said["size"] or digest.hexdigest() != said["sha256"]:
            message = "The file is not what release.json says: it was changed or cut off after the release was made."
            faults.add(name, 0, "", message)
    if release_sha256(files) != manifest["sha256"]:
        faults.add(MANIFEST, 0, "sha256", "Is not that of the files: release.json was changed after it was made.")
    return Source(reader.root(scratch), manifest)


@contextmanager
def _opened(path: Path) -> Iterator[_Folder | _Zip]:
    if path.is_dir():
        yield _Folder(path)
        return
    with _Bounded(io.FileIO(path)) as file:
        yield _Zip(file)


class _Bounded(io.BufferedReader):
    """A zip. Its list of files is all that zipfile reads of it at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_DIRECTORY:
            message = f"The zip's list of its files has {size:,} bytes; at most {_LARGEST_DIRECTORY:,} are taken."
            raise Invalid("file", message, "too_large")
        return super().read(size)


class _Unreadable(Exception):
    """Why a file in a zip is not unpacked."""


class _Folder:
    """A release as it lies in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def manifest(self) -> bytes:
        with (self._path / MANIFEST).open("rb") as file:
            return file.read(_LARGEST_MANIFEST + 1)

    def copied(self, name: str, size: int, scratch: Path) -> Iterator[bytes]:
        """The pieces of a file, at most one byte more than it should have; it stays where it is."""
        path = self._path / name
        if path.is_symlink() or not path.resolve().is_relative_to(self._path.resolve()):
            raise FileNotFoundError(name)
        with path.open("rb") as file:
            yield from _pieces(file, size)

    def root(self, scratch: Path) -> Path:
        return self._path


class _Zip:
    """A release in a zip, at its top or in a folder there."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            if not zipfile.is_zipfile(file):
                raise Invalid("file", "A release is a folder with release.json in it, or a zip of such a folder.")
            self._archive = zipfile.ZipFile(file)
        except UNREADABLE as error:
            raise Invalid("file", f"The zip is damaged: {error}.", "damaged") from None
        names = [item.filename for item in self._archive.infolist()[: _MOST_FILES + 1]]
        if len(names) > _MOST_FILES:
            raise Invalid("file", f"The zip has more than {_MOST_FILES:,} files.", "too_large")
        tops = [name.removesuffix(MANIFEST) for name in names if name.split("/")[-1] == MANIFEST]
        tops = [top for top in tops if top.count("/") <= 1]
        if len(tops) != 1:
            raise Invalid("file", "The zip has no release.json at its top or in the one folder there.")
        self._top = tops[0]

    def manifest(self) -> bytes:
        return b"".join(self._unpacked(MANIFEST, _LARGEST_MANIFEST))

    def copied(self, name: str, size: int, scratch: Path) -> Iterator[bytes]:
        """The pieces of a file, at most one byte more than it should have, as they are unpacked."""
        target = scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as copy:
            for piece in self._unpacked(name, size):
                copy.write(piece)
                yield piece

    def root(self, scratch: Path) -> Path:
        return scratch

    def _unpacked(self, name: str, size: int) -> Iterator[bytes]:
        info = self._archive.getinfo(self._top + name)
        if info.flag_bits & _ENCRYPTED:
            raise _Unreadable("it is encrypted")
        if info.compress_type not in _METHODS:
            raise _Unreadable("it is packed in a way that is not unpacked here; the usual one (deflate) is")
        try:
            with self._archive.open(info) as file:
                yield from _pieces(file, size)
        except UNREADABLE as error:
            raise _Unreadable(str(error)) from None


def _pieces(file: Any, size: int) -> Iterator[bytes]:
    left = size + 1
    while left and (piece := file.read(min(_PIECE, left))):
        left -= len(piece)
        yield piece


def _manifest(reader: _Folder | _Zip) -> Mapping[str, Any]:
    try:
        content = reader.manifest()
    except (_Unreadable, OSError) as error:
        raise Invalid("file", f"There is no release.json that can be read ({error}).") from None
    try:
        manifest = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Invalid("file", f"release.json is not JSON: {error}.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise Invalid("file", f"release.json is not of the format {FORMAT!r}.", "wrong_kind")
    files = manifest.get("files")
    if not isinstance(files, dict) or len(files) > _MOST_FILES or not _is_sha256(manifest.get("sha256")):
        raise Invalid("file", "release.json names no files and their sha256.")
    for name, said in files.items():
        if not _NAME.fullmatch(name):
            raise Invalid("file", f"release.json names a file {name[:80]!r}, which no release has.")
        size = said.get("size") if isinstance(said, dict) else None
        if type(size) is not int or size < 0 or not _is_sha256(said.get("sha256")):
            raise Invalid("file", f"release.json does not say the size and sha256 of {name}.")
    return manifest


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and SHA256.fullmatch(value) is not None
