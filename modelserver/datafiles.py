"""Files of labelled rows, kept by the sha256 of their content where every worker can read them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from modelserver.durable import flush
from modelserver.wire import SHA256, WireError, file_sha256


@dataclass(frozen=True)
class Row:
    """One labelled input of the model; ``texts`` in the order of the task's fields."""

    id: str
    texts: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class StoredFile:
    """Content by its hash, with the number of rows in it."""

    sha256: str
    rows: int


def rows_sha256(rows: Iterable[Row]) -> str:
    """The hash under which a data store keeps these rows."""
    return hashlib.sha256("".join(_lines(rows)).encode()).hexdigest()


def _lines(rows: Iterable[Row]) -> list[str]:
    return [
        json.dumps({"id": row.id, "label": row.label, "texts": list(row.texts)}, ensure_ascii=False, sort_keys=True)
        + "\n"
        for row in rows
    ]


class DataStore:
    """A folder at any fsspec URL; ``cache`` is where remote files are copied to be read."""

    def __init__(self, url: str, cache: Path) -> None:
        self._filesystem, self._root = fsspec.url_to_fs(url)
        self._cache = cache

    def put(self, rows: Iterable[Row]) -> StoredFile:
        """Store rows as JSON lines. The same rows in the same order always give the same hash.

        A damaged file of that name is replaced. On a local path the file outlives a crash once this returns.
        """
        lines = _lines(rows)
        content = "".join(lines).encode()
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not self._holds(path, content):
            self._write(path, content)
        return StoredFile(digest, len(lines))

    def fetch(self, digest: str) -> Path:
        """A local file with that content. Raises WireError if there is none, or if it is not what its name says."""
        if not SHA256.fullmatch(digest):
            raise WireError("sha256", f"{digest!r} is not a sha256")
        self._cache.mkdir(parents=True, exist_ok=True)
        local = self._cache / f"{digest}.jsonl"
        if not local.exists():
            try:
                content = self._filesystem.cat_file(self._path(digest))
            except FileNotFoundError:
                raise WireError("sha256", f"the data store has no file {digest}") from None
            temporary = local.with_name(f".{local.name}.{uuid.uuid4().hex}.tmp")
            temporary.write_bytes(content)
            os.replace(temporary, local)
        if file_sha256(local) != digest:
            local.unlink()
            raise WireError("sha256", f"the data file {digest} has another content than its name says")
        return local

    def rows(self, digest: str) -> list[Row]:
        """A stored file's rows, in their order. Raises WireError as ``fetch`` does."""
        with self.fetch(digest).open(encoding="utf-8") as file:
            found = [json.loads(line) for line in file]
        return [Row(row["id"], tuple(row["texts"]), row["label"]) for row in found]

    def row_ids(self, digest: str) -> list[str]:
        """The ids of a stored file's rows, in their order. Raises WireError as ``fetch`` does."""
        with self.fetch(digest).open(encoding="utf-8") as file:
            return [json.loads(line)["id"] for line in file]

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest}.jsonl"

    def _holds(self, path: str, content: bytes) -> bool:
        # The name alone proves nothing: a full disk or a crash may have left a part of the content under it.
        try:
            return bool(self._filesystem.cat_file(path) == content)
        except FileNotFoundError:
            return False

    def _write(self, path: str, content: bytes) -> None:
        """Give the content its name once it is whole; whoever reads meanwhile gets what was there before."""
        self._filesystem.makedirs(self._root, exist_ok=True)
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            self._filesystem.pipe_file(temporary, content)
            if isinstance(self._filesystem, LocalFileSystem):
                flush(Path(temporary))
                os.replace(temporary, path)
                flush(Path(self._root))
            else:
                self._filesystem.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.rm_file(temporary)
            raise
