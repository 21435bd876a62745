"""The files of a release in the folder that will be published: each made once, by whichever build comes to it first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.export.layout import MANIFEST
from collection.export.whole import read_note, whole, write_note, write_whole
from modelserver.wire import file_sha256


class Making:
    """Files by their path within the release, with what a note beside the folder says of each."""

    def __init__(self, folder: Path, notes: Path) -> None:
        self.folder = folder
        self._notes = notes
        self.files: dict[str, dict[str, Any]] = {}
        self.told: dict[str, dict[str, Any]] = {}

    def file(self, path: str, write: Callable[[BinaryIO], Mapping[str, Any]]) -> None:
        """Make a file, unless a build that was killed has made it. ``write`` gives what is to be told of it: ``rows``
        and whatever else."""
        note, target = self._notes / f"{path}.json", self.folder / path
        found = read_note(note) if target.exists() else None
        if found is None:
            with whole(target) as file:
                told = dict(write(file))
            known = {"sha256": file_sha256(target), "size": target.stat().st_size, "rows": told.pop("rows", None)}
            found = {"file": known, "told": told}
            write_note(note, found)
        self.files[path], self.told[path] = found["file"], found["told"]

    def content(self, path: str, content: bytes, rows: int | None = None) -> None:
        """The same for content that is at hand."""

        def write(file: BinaryIO) -> Mapping[str, Any]:
            file.write(content)
            return {"rows": rows}

        self.file(path, write)

    def manifest(self, facts: Mapping[str, Any]) -> tuple[str, int]:
        """Write ``release.json`` over all files; gives the sha256 and the size in bytes of the release."""
        sha256 = release_sha256(self.files)
        size = sum(item["size"] for item in self.files.values())
        content = {**facts, "files": dict(sorted(self.files.items())), "sha256": sha256}
        encoded = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_whole(self.folder / MANIFEST, encoded)
        digest = hashlib.sha256(encoded).hexdigest()
        self.files[MANIFEST] = {"sha256": digest, "size": len(encoded), "rows": None}
        return sha256, size + len(encoded)


def release_sha256(files: Mapping[str, Mapping[str, Any]]) -> str:
    """The checksum of a release: the sha256 over the sorted lines ``sha256  path`` of its files, but the manifest.

    ``sha256sum`` writes the same lines, and ``LC_ALL=C sort`` sorts them.
    """
    lines = sorted(f"{item['sha256']}  {path}\n" for path, item in files.items() if path != MANIFEST)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def plain_json(value: object) -> bytes:
    """JSON for people and programs, the names sorted."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)
