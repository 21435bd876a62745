"""Files of labelled rows, kept by the sha256 of their content where every worker can read them."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import fsspec

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


class DataStore:
    """A folder at any fsspec URL; ``cache`` is where remote files are copied to be read."""

    def __init__(self, url: str, cache: Path) -> None:
        self._filesystem, self._root = fsspec.url_to_fs(url)
        self._cache = cache

    def put(self, rows: Iterable[Row]) -> StoredFile:
        """Store rows as JSON lines. The same rows in the same order always give the same hash."""
        lines = [
            json.dumps({"id": row.id, "label": row.label, "texts": list(row.texts)}, ensure_ascii=False, sort_keys=True)
            for row in rows
        ]
        content = "".join(f"{line}\n" for line in lines).encode()
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not self._filesystem.exists(path):
            self._filesystem.makedirs(self._root, exist_ok=True)
            temporary = f"{path}.{uuid.uuid4().hex}.tmp"
            self._filesystem.pipe_file(temporary, content)
            self._filesystem.mv(temporary, path)
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

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest}.jsonl"
