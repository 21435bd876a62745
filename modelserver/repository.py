"""Where published model versions lie: ``<root>/<name>/<version>/``, at any fsspec URL."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from modelserver.artifacts import MANIFEST_FILE, ArtifactError, manifest_sha256, read_manifest, verify_files
from modelserver.wire import ModelRef


class VersionExists(RuntimeError):
    """Another artifact has been published under this version."""


class VersionMissing(LookupError):
    """The repository has no such version."""


class ModelRepository:
    """A model repository. A version is there once its manifest is, which is written last; it is never changed.

    ``cache`` is a folder for copies of a remote repository's versions; a repository on a local path needs none.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        self._filesystem, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")
        self._local = isinstance(self._filesystem, LocalFileSystem)
        if not self._local and cache is None:
            raise ValueError("a remote model repository needs a cache folder")
        self._cache = cache

    def publish(self, folder: Path, ref: ModelRef) -> str:
        """Publish an artifact under a version; returns its manifest's sha256. The same artifact again is fine.

        Raises ArtifactError if the artifact is not whole and VersionExists if the version is another one.
        """
        manifest = read_manifest(folder)
        verify_files(folder, manifest)
        digest = manifest_sha256(folder)
        if self.exists(ref):
            return self._same(ref, digest)
        names = [*manifest.files, MANIFEST_FILE]
        if self._local:
            self._publish_local(folder, names, ref)
            return self._same(ref, digest)
        for name in names:
            self._filesystem.put_file(str(folder / name), f"{self._path(ref)}/{name}")
        return digest

    def fetch(self, ref: ModelRef) -> Path:
        """A local folder with the version; the version that its encoder is, if it has one, lies where it looks for it.

        Raises VersionMissing if the repository lacks it and ArtifactError if what it has is damaged.
        """
        if not self.exists(ref):
            raise VersionMissing(f"there is no model {ref}")
        folder = Path(self._path(ref)) if self._local else self._download(ref)
        encoder = read_manifest(folder).encoder_ref
        if encoder is not None:
            self.fetch(encoder)
        return folder

    def exists(self, ref: ModelRef) -> bool:
        """Whether the version is published."""
        return bool(self._filesystem.exists(f"{self._path(ref)}/{MANIFEST_FILE}"))

    def versions(self, name: str) -> list[int]:
        """The published versions of a model, ascending."""
        ModelRef(name, 0)
        try:
            entries = self._filesystem.ls(f"{self._root}/{name}", detail=False)
        except FileNotFoundError:
            return []
        numbers = [entry.rstrip("/").rsplit("/", 1)[-1] for entry in entries]
        found = sorted(int(number) for number in numbers if number.isdigit())
        return [version for version in found if self.exists(ModelRef(name, version))]

    def discard(self, ref: ModelRef) -> None:
        """Remove a version that nothing points to."""
        if self._filesystem.exists(self._path(ref)):
            self._filesystem.rm(self._path(ref), recursive=True)

    def _path(self, ref: ModelRef) -> str:
        return f"{self._root}/{ref.name}/{ref.version}"

    def _same(self, ref: ModelRef, digest: str) -> str:
        if manifest_sha256(self.fetch(ref)) != digest:
            raise VersionExists(f"{ref} is published already, with another content")
        return digest

    def _publish_local(self, folder: Path, names: list[str], ref: ModelRef) -> None:
        target = Path(self._path(ref))
        temporary = target.with_name(f".{ref.version}.{uuid.uuid4().hex}")
        temporary.mkdir(parents=True)
        try:
            for name in names:
                shutil.copyfile(folder / name, temporary / name)
            temporary.rename(target)
        except OSError:
            # Somebody else's folder may stand there by now: then it is compared with ours.
            if not self.exists(ref):
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _download(self, ref: ModelRef) -> Path:
        assert self._cache is not None
        target = self._cache / ref.name / str(ref.version)
        if (target / MANIFEST_FILE).is_file():
            return target
        temporary = target.with_name(f".{ref.version}.{uuid.uuid4().hex}")
        temporary.mkdir(parents=True)
        try:
            self._filesystem.get_file(f"{self._path(ref)}/{MANIFEST_FILE}", str(temporary / MANIFEST_FILE))
            manifest = read_manifest(temporary)
            for name in manifest.files:
                self._filesystem.get_file(f"{self._path(ref)}/{name}", str(temporary / name))
            verify_files(temporary, manifest)
            temporary.rename(target)
        except FileNotFoundError as error:
            raise ArtifactError(f"the repository's {ref} is not whole: {error}") from None
        except OSError:
            # Another thread or process has downloaded it meanwhile.
            if not (target / MANIFEST_FILE).is_file():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target
