"""Where published model versions lie: ``<root>/<name>/<version>/``, at any fsspec URL."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from modelserver.artifacts import (
    MANIFEST_FILE,
    ArtifactError,
    Manifest,
    manifest_sha256,
    parse_manifest,
    read_manifest,
    verify_files,
)
from modelserver.durable import flush
from modelserver.wire import ModelRef

ABANDONED_AFTER_S = 24 * 3600
CHUNK_BYTES = 1 << 20


class VersionExists(RuntimeError):
    """Another artifact has been published under this version."""


class VersionMissing(LookupError):
    """The repository has no such version."""


@dataclass(frozen=True)
class PublishedFile:
    """A file of a published version, where it lies; ``size`` in bytes, and the sha256 that it must have."""

    name: str
    path: str
    size: int
    sha256: str


class ModelRepository:
    """A model repository. A version is there once its manifest is, which comes last; it is never changed.

    ``cache`` is a folder for copies of a remote repository's versions; a repository on a local path needs none.
    Safe to share between threads, and between processes that publish and fetch at the same time.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        self._filesystem, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")
        self._local = isinstance(self._filesystem, LocalFileSystem)
        if not self._local and cache is None:
            raise ValueError("a remote model repository needs a cache folder")
        self._cache = cache or Path(self._root)

    def publish(self, folder: Path, ref: ModelRef) -> str:
        """Publish an artifact under a version; returns its manifest's sha256. The same artifact again is fine.

        Raises ArtifactError if the artifact is not whole or its encoder is not in the repository, and VersionExists
        if the version is another one.
        """
        manifest = read_manifest(folder)
        verify_files(folder, manifest)
        self._check_encoder(manifest)
        content = (folder / MANIFEST_FILE).read_bytes()
        published = self._manifest_bytes(ref)
        if published is None:
            names = [*manifest.files, MANIFEST_FILE]
            if self._local:
                self._publish_local(folder, names, ref)
            else:
                for name in names:
                    self._filesystem.put_file(str(folder / name), f"{self._path(ref)}/{name}")
            # Of two who publish at once both look at what stands there now.
            published = self._manifest_bytes(ref)
        if published != content:
            raise VersionExists(f"{ref} is published already, with another content")
        return manifest_sha256(folder)

    def fetch(self, ref: ModelRef) -> Path:
        """A local folder with the version; the version that its encoder is, if it has one, lies where it looks for it.

        What is downloaded is checked against its hashes. Raises VersionMissing if the repository lacks the version
        and ArtifactError if it is damaged or its encoder is not the one it was made with.
        """
        content = self._manifest_bytes(ref)
        if content is None:
            raise VersionMissing(f"there is no model {ref}")
        folder = Path(self._path(ref)) if self._local else self._download(ref, content)
        manifest = read_manifest(folder)
        self._check_encoder(manifest)
        if manifest.encoder_ref is not None:
            self.fetch(manifest.encoder_ref)
        return folder

    def exists(self, ref: ModelRef) -> bool:
        """Whether the version is published."""
        return self._manifest_bytes(ref) is not None

    def describe(self, ref: ModelRef) -> tuple[Manifest, str]:
        """A version's manifest and the manifest's sha256, without its weights. Raises as ``fetch`` does."""
        content = self._manifest_bytes(ref)
        if content is None:
            raise VersionMissing(f"there is no model {ref}")
        return parse_manifest(content), hashlib.sha256(content).hexdigest()

    def files(self, ref: ModelRef) -> list[PublishedFile]:
        """A version's manifest and the files that it names, none of them copied or read.

        Raises VersionMissing if the repository lacks the version and ArtifactError if a file of it is not there.
        """
        manifest, digest = self.describe(ref)
        return [
            self._published(ref, name, sha256) for name, sha256 in [(MANIFEST_FILE, digest), *manifest.files.items()]
        ]

    def read(self, file: PublishedFile) -> Iterator[bytes]:
        """A file's content in chunks of at most CHUNK_BYTES, hashed as they are read.

        Raises ArtifactError after the last chunk if the content is not what the hash says: whoever gets to the end
        has the very file.
        """
        hashed = hashlib.sha256()
        try:
            with self._filesystem.open(file.path, "rb") as opened:
                while chunk := opened.read(CHUNK_BYTES):
                    hashed.update(chunk)
                    yield chunk
        except FileNotFoundError:
            raise ArtifactError(f"{file.name} is missing") from None
        if hashed.hexdigest() != file.sha256:
            raise ArtifactError(f"{file.name} has another sha256 than its manifest says")

    def versions(self, name: str) -> list[int]:
        """The published versions of a model, ascending. Raises WireError if that is no model name."""
        ModelRef(name, 0)
        # Some remote file systems remember listings, and others publish meanwhile.
        self._filesystem.invalidate_cache()
        try:
            entries = self._filesystem.ls(f"{self._root}/{name}", detail=False)
        except FileNotFoundError:
            return []
        last_parts = (str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)
        numbers = sorted(int(part) for part in last_parts if part.isascii() and part.isdigit())
        return [number for number in numbers if self.exists(ModelRef(name, number))]

    def discard(self, ref: ModelRef) -> None:
        """Remove a version that nothing points to. Does nothing if there is none."""
        path = self._path(ref)
        if self._local:
            _remove(Path(path))
            return
        if self.exists(ref):
            self._filesystem.rm_file(f"{path}/{MANIFEST_FILE}")
        if self._filesystem.exists(path):
            self._filesystem.rm(path, recursive=True)

    def _path(self, ref: ModelRef) -> str:
        return f"{self._root}/{ref.name}/{ref.version}"

    def _manifest_bytes(self, ref: ModelRef) -> bytes | None:
        try:
            content: bytes = self._filesystem.cat_file(f"{self._path(ref)}/{MANIFEST_FILE}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return content

    def _published(self, ref: ModelRef, name: str, sha256: str) -> PublishedFile:
        path = f"{self._path(ref)}/{name}"
        try:
            return PublishedFile(name, path, int(self._filesystem.size(path)), sha256)
        except FileNotFoundError:
            raise ArtifactError(f"{name} of {ref} is missing in the repository") from None

    def _check_encoder(self, manifest: Manifest) -> None:
        """An adapter is worth nothing without the very encoder it was trained on."""
        ref = manifest.encoder_ref
        if ref is None or manifest.encoder is None:
            return
        content = self._manifest_bytes(ref)
        if content is None:
            raise ArtifactError(f"its encoder {ref} is not in the repository")
        if hashlib.sha256(content).hexdigest() != manifest.encoder["manifest_sha256"]:
            raise ArtifactError(f"its encoder {ref} is another one than it was trained on")

    def _publish_local(self, folder: Path, names: list[str], ref: ModelRef) -> None:
        target = Path(self._path(ref))
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        temporary = _temporary(target)
        temporary.mkdir()
        try:
            for name in names:
                shutil.copyfile(folder / name, temporary / name)
                flush(temporary / name)
            flush(temporary)
            _move_in(temporary, target)
            flush(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _download(self, ref: ModelRef, manifest: bytes) -> Path:
        target = self._cache / ref.name / str(ref.version)
        if (target / MANIFEST_FILE).is_file():
            if (target / MANIFEST_FILE).read_bytes() == manifest:
                return target
            # A copy of a version that has been discarded since.
            _remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        temporary = _temporary(target)
        temporary.mkdir()
        try:
            (temporary / MANIFEST_FILE).write_bytes(manifest)
            described = read_manifest(temporary)
            for name in described.files:
                try:
                    self._filesystem.get_file(f"{self._path(ref)}/{name}", str(temporary / name))
                except FileNotFoundError:
                    raise ArtifactError(f"{name} of {ref} is missing in the repository") from None
            verify_files(temporary, described)
            _move_in(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


def _move_in(temporary: Path, target: Path) -> None:
    """Give a finished folder its name, unless a finished one has it already."""
    try:
        temporary.rename(target)
    except OSError:
        if not (target / MANIFEST_FILE).is_file():
            raise


def _remove(target: Path) -> None:
    """Take a folder's name away at once, then delete it: nobody sees a part of it under its name."""
    gone = _temporary(target)
    with contextlib.suppress(FileNotFoundError):
        target.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half done."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - ABANDONED_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)
