"""Where finished releases lie: ``<root>/<study>/<number>/`` at any fsspec URL, each whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fsspec
from django.conf import settings
from fsspec.implementations.local import LocalFileSystem

from collection.export.layout import MANIFEST
from collection.export.whole import append, whole
from modelserver.durable import flush

CHUNK_BYTES = 1 << 20
ABANDONED_AFTER_S = 24 * 3600


class DamagedFile(OSError):
    """A file of a release is missing in the storage, or has another content than was released."""


class ReleaseStorage:
    """A folder at any fsspec URL, and places in it; the place "" is the folder itself.

    Paths within it are made by the program, never taken from data.
    """

    def __init__(self, url: str) -> None:
        self._filesystem, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")
        self._local = isinstance(self._filesystem, LocalFileSystem)

    def publish(self, folder: Path, paths: Sequence[str], place: str, beat: Callable[[], None]) -> None:
        """Bring the files of a folder to a place; what a killed worker has left there is replaced.

        ``beat`` is called before each file that is copied, and before anything is replaced. On a local path the folder
        itself is moved there where that can be done, else copied, and appears at once. Elsewhere the manifest comes
        last: what has none is no release. Raises OSError.
        """
        if self._local:
            self._publish_local(folder, paths, Path(self._path(place)), beat)
            return
        self.remove(place)
        for path in [*(path for path in paths if path != MANIFEST), MANIFEST]:
            beat()
            self.put(folder / path, place, path)

    def put(self, file: Path, place: str, path: str) -> None:
        """Copy one file to its path in a place, over what is there. Raises OSError."""
        target = f"{self._path(place)}/{path}"
        if self._local:
            with whole(Path(target)) as opened, file.open("rb") as source:
                append(source, opened)
            return
        self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._filesystem.put_file(str(file), target)

    def sizes(self, place: str) -> dict[str, int]:
        """Path and size in bytes of every file in a place; none if there is no such place."""
        root = self._path(place)
        try:
            found = self._filesystem.find(root, detail=True)
        except FileNotFoundError:
            return {}
        return {path.removeprefix(f"{root}/"): item["size"] for path, item in found.items()}

    def drop(self, place: str, path: str) -> None:
        """Take one file away."""
        self._filesystem.rm_file(f"{self._path(place)}/{path}")

    def read(self, place: str, path: str, sha256: str) -> Iterator[bytes]:
        """A file's content in chunks of at most CHUNK_BYTES, hashed as they are read.

        Raises DamagedFile, at the latest after the last chunk, unless that was the very content.
        """
        hashed = hashlib.sha256()
        try:
            with self._filesystem.open(f"{self._path(place)}/{path}", "rb") as opened:
                while chunk := opened.read(CHUNK_BYTES):
                    hashed.update(chunk)
                    yield chunk
        except FileNotFoundError:
            raise DamagedFile(f"{path} is missing in the storage") from None
        if hashed.hexdigest() != sha256:
            raise DamagedFile(f"{path} has another content than was released")

    def remove(self, place: str) -> None:
        """Take all files of a place away. Does nothing if there are none. Raises OSError if any of them stays; they are
        under another name then, and once more takes them away too."""
        target = self._path(place)
        if self._local:
            place_ = Path(target)
            with contextlib.suppress(FileNotFoundError):
                place_.rename(_beside(place_))
            # What could not be taken away before, too.
            for gone in place_.parent.glob(f".{place_.name}.*.tmp"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(gone)
            return
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(f"{target}/{MANIFEST}")
        if self._filesystem.exists(target):
            self._filesystem.rm(target, recursive=True)

    def _path(self, place: str) -> str:
        return f"{self._root}/{place}" if place else self._root

    def _publish_local(self, folder: Path, paths: Sequence[str], target: Path, beat: Callable[[], None]) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        coming, going = _beside(target), _beside(target)
        try:
            try:
                folder.rename(coming)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                for path in paths:
                    beat()
                    (coming / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / path, coming / path)
                    flush(coming / path)
            # The last moment at which a worker that was given up can be stopped.
            beat()
            with contextlib.suppress(FileNotFoundError):
                target.rename(going)
            for part in {coming, *(Path(coming / path).parent for path in paths)}:
                flush(part)
            coming.rename(target)
            try:
                flush(target.parent)
            except OSError:
                target.rename(coming)
                raise
        finally:
            shutil.rmtree(coming, ignore_errors=True)
            shutil.rmtree(going, ignore_errors=True)


def release_storage() -> ReleaseStorage:
    """The site's storage of releases."""
    return ReleaseStorage(settings.RELEASES_URL)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half done."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - ABANDONED_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)
