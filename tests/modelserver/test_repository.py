"""Publishing and fetching model versions, on a local path and on a remote file system."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from modelserver.artifacts import ArtifactError, manifest_sha256
from modelserver.repository import ABANDONED_AFTER_S, CHUNK_BYTES, ModelRepository, VersionExists, VersionMissing
from modelserver.wire import ModelRef, WireError
from tests.modelserver.plain_artifacts import LABELS, plain_artifact

REF = ModelRef("nli", 0)


@pytest.fixture(params=["path", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A repository's address of each kind; the file system in memory stands for any remote one."""
    if request.param == "memory":
        root = f"memory://{uuid.uuid4().hex}"
        yield root
        filesystem, path = fsspec.url_to_fs(root)
        if filesystem.exists(path):
            filesystem.rm(path, recursive=True)
        return
    prefix = "file://" if request.param == "file" else ""
    yield f"{prefix}{tmp_path / 'repository'}"


@pytest.fixture
def repository(url: str, tmp_path: Path) -> ModelRepository:
    return ModelRepository(url, tmp_path / "cache")


def file_in(url: str, ref: ModelRef, name: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """A file of a published version, to be tampered with."""
    filesystem, root = fsspec.url_to_fs(url)
    return filesystem, f"{root}/{ref.name}/{ref.version}/{name}"


def test_what_is_published_is_fetched(repository: ModelRepository, tmp_path: Path) -> None:
    digest = plain_artifact(tmp_path / "new")
    assert not repository.exists(REF)
    assert repository.publish(tmp_path / "new", REF) == digest
    folder = repository.fetch(REF)
    assert manifest_sha256(folder) == digest
    assert (folder / "weights.safetensors").read_text() == "weights"
    assert repository.exists(REF)


def test_a_version_is_read_file_by_file_in_chunks_that_are_checked(
    repository: ModelRepository, url: str, tmp_path: Path
) -> None:
    digest = plain_artifact(tmp_path / "new", "w" * (CHUNK_BYTES + 1))
    with pytest.raises(VersionMissing):
        repository.files(REF)
    repository.publish(tmp_path / "new", REF)
    files = {file.name: file for file in repository.files(REF)}
    assert set(files) == {"manifest.json", "weights.safetensors", "tokenizer.json"}
    assert files["manifest.json"].sha256 == digest
    assert [len(chunk) for chunk in repository.read(files["weights.safetensors"])] == [CHUNK_BYTES, 1]
    filesystem, path = file_in(url, REF, "weights.safetensors")
    filesystem.pipe_file(path, b"x" * (CHUNK_BYTES + 1))
    with pytest.raises(ArtifactError, match="another sha256"):
        list(repository.read(files["weights.safetensors"]))
    filesystem.rm_file(path)
    with pytest.raises(ArtifactError, match="is missing"):
        list(repository.read(files["weights.safetensors"]))
    with pytest.raises(ArtifactError, match="is missing in the repository"):
        repository.files(REF)


def test_only_what_the_manifest_names_is_published(repository: ModelRepository, tmp_path: Path) -> None:
    plain_artifact(tmp_path / "new")
    (tmp_path / "new" / "notes.bin").write_text("not part of it")
    repository.publish(tmp_path / "new", REF)
    assert sorted(path.name for path in repository.fetch(REF).iterdir()) == [
        "manifest.json",
        "tokenizer.json",
        "weights.safetensors",
    ]


def test_another_repository_object_sees_it_at_once(repository: ModelRepository, url: str, tmp_path: Path) -> None:
    other = ModelRepository(url, tmp_path / "other-cache")
    assert other.versions("nli") == []
    plain_artifact(tmp_path / "new")
    repository.publish(tmp_path / "new", REF)
    assert other.versions("nli") == [0]
    assert other.fetch(REF).is_dir()


def test_the_same_artifact_may_be_published_twice(repository: ModelRepository, tmp_path: Path) -> None:
    plain_artifact(tmp_path / "new")
    assert repository.publish(tmp_path / "new", REF) == repository.publish(tmp_path / "new", REF)


def test_another_artifact_is_refused_and_changes_nothing(repository: ModelRepository, tmp_path: Path) -> None:
    digest = plain_artifact(tmp_path / "first", "one")
    plain_artifact(tmp_path / "second", "two")
    repository.publish(tmp_path / "first", REF)
    with pytest.raises(VersionExists, match="nli/0"):
        repository.publish(tmp_path / "second", REF)
    assert manifest_sha256(repository.fetch(REF)) == digest
    assert (repository.fetch(REF) / "weights.safetensors").read_text() == "one"


def test_of_many_who_publish_at_once_one_wins_and_its_artifact_is_whole(tmp_path: Path) -> None:
    repository = ModelRepository(str(tmp_path / "repository"))
    digests = [plain_artifact(tmp_path / f"new-{number}", str(number)) for number in range(8)]
    won: list[str] = []
    lost: list[VersionExists] = []
    start = threading.Barrier(8)

    def publish(number: int) -> None:
        start.wait()
        try:
            won.append(repository.publish(tmp_path / f"new-{number}", REF))
        except VersionExists as error:
            lost.append(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    folder = repository.fetch(REF)
    assert manifest_sha256(folder) == won[0]
    assert (folder / "weights.safetensors").read_text() == str(digests.index(won[0]))
    assert [path.name for path in folder.parent.iterdir()] == ["0"]


def test_a_damaged_artifact_is_not_published(repository: ModelRepository, tmp_path: Path) -> None:
    plain_artifact(tmp_path / "new")
    (tmp_path / "new" / "weights.safetensors").write_text("changed")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        repository.publish(tmp_path / "new", REF)
    assert not repository.exists(REF)
    assert repository.versions("nli") == []


def test_what_is_not_there_is_missing(repository: ModelRepository) -> None:
    with pytest.raises(VersionMissing, match="nli/0"):
        repository.fetch(REF)
    with pytest.raises(VersionMissing, match="nli/0"):
        repository.describe(REF)
    assert repository.versions("nli") == []


def test_versions_are_those_with_a_manifest_in_order(repository: ModelRepository, url: str, tmp_path: Path) -> None:
    plain_artifact(tmp_path / "new")
    for version in (10, 0, 9):
        repository.publish(tmp_path / "new", ModelRef("nli", version))
    for name in ("007/manifest.json", "²/manifest.json", "x/manifest.json", "4/weights.safetensors", ".8.tmp/a"):
        filesystem, path = file_in(url, REF, "")
        stray = f"{path.rstrip('/').rsplit('/', 1)[0]}/{name}"
        filesystem.makedirs(stray.rsplit("/", 1)[0], exist_ok=True)
        filesystem.pipe_file(stray, b"{}")
    assert repository.versions("nli") == [0, 9, 10]


@pytest.mark.parametrize("name", ["..", "a/b", "", "*", "A"])
def test_a_name_that_is_none_is_refused(repository: ModelRepository, name: str) -> None:
    with pytest.raises(WireError, match="name"):
        repository.versions(name)


def test_a_version_is_described_without_its_weights(repository: ModelRepository, url: str, tmp_path: Path) -> None:
    digest = plain_artifact(tmp_path / "new")
    repository.publish(tmp_path / "new", REF)
    filesystem, weights = file_in(url, REF, "weights.safetensors")
    filesystem.rm(weights)
    manifest, described = repository.describe(REF)
    assert (manifest.labels, described) == (LABELS, digest)


def test_an_adapter_is_fetched_with_its_encoder_where_it_looks_for_it(
    repository: ModelRepository, tmp_path: Path
) -> None:
    digest = plain_artifact(tmp_path / "base")
    repository.publish(tmp_path / "base", ModelRef("base", 4))
    plain_artifact(tmp_path / "adapter", encoder=(ModelRef("base", 4), digest))
    repository.publish(tmp_path / "adapter", REF)
    folder = repository.fetch(REF)
    assert manifest_sha256(folder.parent.parent / "base" / "4") == digest


@pytest.mark.parametrize("encoder", [(ModelRef("base", 5), None), (ModelRef("base", 4), "0" * 64)])
def test_an_adapter_without_its_very_encoder_is_not_published(
    repository: ModelRepository, tmp_path: Path, encoder: tuple[ModelRef, str | None]
) -> None:
    digest = plain_artifact(tmp_path / "base")
    repository.publish(tmp_path / "base", ModelRef("base", 4))
    plain_artifact(tmp_path / "adapter", encoder=(encoder[0], encoder[1] or digest))
    with pytest.raises(ArtifactError, match="encoder base"):
        repository.publish(tmp_path / "adapter", REF)
    assert not repository.exists(REF)


def test_an_adapter_whose_encoder_has_gone_is_not_fetched(repository: ModelRepository, tmp_path: Path) -> None:
    digest = plain_artifact(tmp_path / "base")
    repository.publish(tmp_path / "base", ModelRef("base", 4))
    plain_artifact(tmp_path / "adapter", encoder=(ModelRef("base", 4), digest))
    repository.publish(tmp_path / "adapter", REF)
    repository.discard(ModelRef("base", 4))
    with pytest.raises(ArtifactError, match="encoder base/4"):
        repository.fetch(REF)


def test_a_discarded_version_is_gone_and_may_be_published_anew(repository: ModelRepository, tmp_path: Path) -> None:
    plain_artifact(tmp_path / "first", "one")
    digest = plain_artifact(tmp_path / "second", "two")
    repository.publish(tmp_path / "first", REF)
    repository.fetch(REF)
    repository.discard(REF)
    repository.discard(REF)
    assert repository.versions("nli") == []
    repository.publish(tmp_path / "second", REF)
    assert manifest_sha256(repository.fetch(REF)) == digest
    assert (repository.fetch(REF) / "weights.safetensors").read_text() == "two"


def test_a_copy_is_downloaded_once(tmp_path: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}"
    repository = ModelRepository(url, tmp_path / "cache")
    plain_artifact(tmp_path / "new")
    repository.publish(tmp_path / "new", REF)
    first = repository.fetch(REF)
    filesystem, weights = file_in(url, REF, "weights.safetensors")
    filesystem.rm(weights)
    assert repository.fetch(REF) == first


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_download_that_is_damaged_leaves_nothing_and_may_be_tried_again(tmp_path: Path, damage: str) -> None:
    url = f"memory://{uuid.uuid4().hex}"
    repository = ModelRepository(url, tmp_path / "cache")
    plain_artifact(tmp_path / "new")
    repository.publish(tmp_path / "new", REF)
    filesystem, weights = file_in(url, REF, "weights.safetensors")
    filesystem.rm(weights)
    if damage == "changed":
        filesystem.pipe_file(weights, b"changed")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        repository.fetch(REF)
    assert list((tmp_path / "cache" / "nli").iterdir()) == []
    filesystem.pipe_file(weights, b"weights")
    assert repository.fetch(REF).is_dir()


def test_threads_that_download_at_once_get_the_same_folder(tmp_path: Path) -> None:
    digest = plain_artifact(tmp_path / "new")
    ModelRepository(str(tmp_path / "remote")).publish(tmp_path / "new", REF)
    # Not the file system in memory: there, all who read a file share one place in it.
    repository = ModelRepository(f"dir://remote::file://{tmp_path}", tmp_path / "cache")
    start = threading.Barrier(6)
    got: list[str] = []

    def fetch() -> None:
        start.wait()
        got.append(manifest_sha256(repository.fetch(REF)))

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [digest] * 6
    assert [path.name for path in (tmp_path / "cache" / "nli").iterdir()] == ["0"]


def test_what_a_killed_publisher_left_is_swept_but_not_what_one_is_writing(tmp_path: Path) -> None:
    repository = ModelRepository(str(tmp_path / "repository"))
    plain_artifact(tmp_path / "new")
    repository.publish(tmp_path / "new", REF)
    old, fresh = (tmp_path / "repository" / "nli" / f".1.{name}.tmp" for name in ("old", "fresh"))
    old.mkdir()
    fresh.mkdir()
    long_ago = time.time() - ABANDONED_AFTER_S - 60
    os.utime(old, (long_ago, long_ago))
    repository.publish(tmp_path / "new", ModelRef("nli", 1))
    assert not old.exists()
    assert fresh.exists()


def test_a_remote_repository_needs_a_cache() -> None:
    with pytest.raises(ValueError, match="cache"):
        ModelRepository("memory://somewhere")
