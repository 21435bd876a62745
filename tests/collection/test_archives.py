"""Versions to download: whole, checked as they are read, a chunk at a time, or refused before the first byte."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import fsspec
import pytest

from collection.archives import archive_of
from collection.errors import Conflict
from collection.models import Experiment
from collection.versions import lineage_of
from collection.zips import Archive
from modelserver.artifacts import ArtifactError
from modelserver.models import ModelVersion
from modelserver.repository import CHUNK_BYTES, ModelRepository
from modelserver.wire import ModelRef
from tests import factories
from tests.modelserver.plain_artifacts import plain_artifact

pytestmark = pytest.mark.django_db
WEIGHTS = "0123456789" * 300_000


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment."""
    return factories.running()


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """An empty one."""
    return ModelRepository(str(tmp_path / "repository"))


def published(
    experiment: Experiment, repository: ModelRepository, folder: Path, encoder: tuple[ModelRef, str] | None = None
) -> ModelVersion:
    """A trained version whose files are in the repository."""
    digest = plain_artifact(folder, WEIGHTS, encoder)
    version = factories.trained(experiment, manifest_sha256=digest)
    repository.publish(folder, version.ref)
    return version


def taken(experiment: Experiment, repository: ModelRepository, version: ModelVersion) -> tuple[Archive, bytes]:
    """The archive, and all its bytes."""
    archive = archive_of(experiment, lineage_of(experiment, version.name, version.version), repository)
    return archive, b"".join(archive.parts)


def test_an_archive_holds_what_its_manifest_names_and_says_where_it_comes_from(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path
) -> None:
    version = published(experiment, repository, tmp_path / "new")
    factories.scored(experiment, version)
    archive, content = taken(experiment, repository, version)
    assert (archive.name, archive.size) == ("study-dynamic-1.zip", len(content))
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        files = {name: opened.read(name) for name in opened.namelist()}
    manifest = files.pop("study-dynamic-1/manifest.json")
    assert hashlib.sha256(manifest).hexdigest() == archive.sha256 == version.manifest_sha256
    card = files.pop("README.md").decode()
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} == {
        f"study-dynamic-1/{name}": digest for name, digest in json.loads(manifest)["files"].items()
    }
    for words in ("round 1, from base/0", "7 rows", "2" * 64, version.manifest_sha256, '"epochs": 3', "0.800, 95%"):
        assert words in card


def test_the_same_version_gives_the_same_bytes(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path
) -> None:
    version = published(experiment, repository, tmp_path / "new")
    assert taken(experiment, repository, version)[1] == taken(experiment, repository, version)[1]


def test_no_more_than_a_chunk_is_held_at_a_time_and_nothing_is_read_before_it_is_asked_for(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path
) -> None:
    version = published(experiment, repository, tmp_path / "new")
    archive = archive_of(experiment, lineage_of(experiment, version.name, 1), repository)
    sizes = [len(part) for part in archive.parts]
    assert sum(sizes) > len(WEIGHTS) > 2 * CHUNK_BYTES
    # Beside a chunk there are at most the headers of a few files.
    assert max(sizes) < CHUNK_BYTES + 1000
    unread = archive_of(experiment, lineage_of(experiment, version.name, 1), repository)
    (tmp_path / "repository" / "study-dynamic" / "1" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors has another sha256"):
        list(unread.parts)


def test_a_damaged_file_ends_the_archive_before_it_is_a_zip(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path
) -> None:
    version = published(experiment, repository, tmp_path / "new")
    (tmp_path / "repository" / "study-dynamic" / "1" / "weights.safetensors").write_text("x" + WEIGHTS[1:])
    archive = archive_of(experiment, lineage_of(experiment, version.name, 1), repository)
    got: list[bytes] = []
    with pytest.raises(ArtifactError):
        got.extend(archive.parts)
    assert sum(map(len, got)) > len(WEIGHTS)
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(got)))


def test_what_cannot_be_sent_whole_is_refused_before_the_first_byte(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = published(experiment, repository, tmp_path / "new")
    base = lineage_of(experiment, "base", 0)
    with pytest.raises(Conflict, match="has no files of base/0"):
        archive_of(experiment, base, repository)
    repository.publish(tmp_path / "new", ModelRef("base", 0))
    with pytest.raises(Conflict, match="another base/0 than was registered"):
        archive_of(experiment, base, repository)
    (tmp_path / "repository" / "study-dynamic" / "1" / "tokenizer.json").unlink()
    with pytest.raises(Conflict, match=r"tokenizer\.json of study-dynamic/1 is missing"):
        archive_of(experiment, lineage_of(experiment, version.name, 1), repository)

    def away(_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(repository, "describe", away)
    with pytest.raises(Conflict, match="does not answer"):
        archive_of(experiment, base, repository)


def test_an_adapters_card_names_the_encoder_that_it_needs(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path
) -> None:
    encoder = ModelRef("encoder", 3)
    digest = plain_artifact(tmp_path / "encoder")
    repository.publish(tmp_path / "encoder", encoder)
    version = published(experiment, repository, tmp_path / "new", (encoder, digest))
    _, content = taken(experiment, repository, version)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        card = opened.read("README.md").decode()
    assert f"needs the version encoder/3, sha256 of its manifest {digest}" in card


def test_an_archive_too_large_for_the_plain_format_has_no_size_beforehand(
    experiment: Experiment, repository: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = published(experiment, repository, tmp_path / "new")
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", 1_000_000)
    archive, content = taken(experiment, repository, version)
    assert archive.size is None
    assert "Content-Length" not in archive.headers()
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None


def test_a_remote_repository_is_streamed_without_a_copy(experiment: Experiment, tmp_path: Path) -> None:
    repository = ModelRepository("memory://archives", tmp_path / "cache")
    version = published(experiment, repository, tmp_path / "new")
    try:
        archive, content = taken(experiment, repository, version)
        assert archive.size == len(content)
        assert not (tmp_path / "cache").exists()
    finally:
        fsspec.filesystem("memory").rm("/archives", recursive=True)
