"""Where the files of a site lie: folders at any fsspec URL, each named by a setting."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import fsspec
from django.conf import settings
from fsspec.implementations.local import LocalFileSystem

from backups.archive import CHUNK_BYTES
from backups.manifest import checked_path
from modelserver.durable import flush


class Store:
    """A folder of files that are written once, under names of their own."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._filesystem, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")

    def files(self) -> dict[str, int]:
        """The size of every finished file by its path, in the order of the paths.

        Whatever is half done has a name that begins with a dot or ends with .tmp, or is in a folder of such a name.
        """
        # Some remote file systems remember listings, and others publish meanwhile.
        self._filesystem.invalidate_cache()
        found = self._filesystem.find(self._root, detail=True)
        paths = {str(path).removeprefix(self._root).lstrip("/"): int(info["size"]) for path, info in found.items()}
        return {path: paths[path] for path in sorted(paths) if not _unfinished(path)}

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in chunks. Raises FileNotFoundError before the first one if it is gone."""
        with self._filesystem.open(self._place(path), "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def put(self, path: str, chunks: Iterable[bytes]) -> None:
        """Store a file; it has its name once it is whole. On a local path it outlives a crash once this returns."""
        place = self._place(path)
        local = isinstance(self._filesystem, LocalFileSystem)
        temporary = f"{place}.{uuid.uuid4().hex}.tmp" if local else place
        self._filesystem.makedirs(place.rpartition("/")[0], exist_ok=True)
        try:
            with self._filesystem.open(temporary, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
            if local:
                flush(Path(temporary))
                os.replace(temporary, place)
                flush(Path(place).parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.rm_file(temporary)
            raise

    def remove(self, path: str) -> None:
        """Take a file away; one that is gone is fine."""
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._place(path))

    def _place(self, path: str) -> str:
        return f"{self._root}/{checked_path(path)}"


def stores() -> dict[str, Store]:
    """The stores of this site by their names (see settings.BACKUP_STORES)."""
    return {name: Store(name, getattr(settings, setting)) for name, setting in settings.BACKUP_STORES.items()}


def _unfinished(path: str) -> bool:
    return any(part.startswith(".") or part.endswith(".tmp") for part in path.split("/"))
