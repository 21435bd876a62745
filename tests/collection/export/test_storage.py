"""Where releases lie: published whole, read in pieces that are checked, removed."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import fsspec
import pytest

from collection.export import storage as stored
from collection.export.storage import DamagedFile, ReleaseStorage

PATHS = ["a/one.txt", "two.txt", "release.json"]


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReleaseStorage]:
    """An empty one of each kind."""
    if request.param == "local":
        yield ReleaseStorage(f"file://{tmp_path}/stored")
        return
    fsspec.filesystem("memory").makedirs("/storage")
    yield ReleaseStorage("memory://storage")
    fsspec.filesystem("memory").rm("/storage", recursive=True)


def folder(tmp_path: Path, text: str = "content") -> Path:
    """Files to publish."""
    made = tmp_path / f"made-{text}"
    for path in PATHS:
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    return made


def content(storage: ReleaseStorage, path: str, text: str) -> bytes:
    """A file that must have that text."""
    return b"".join(storage.read("study/1", path, hashlib.sha256(text.encode()).hexdigest()))


def test_files_that_could_not_be_taken_away_are_told_and_go_the_next_time(tmp_path: Path) -> None:
    storage = ReleaseStorage(f"file://{tmp_path}/stored")
    publish(storage, folder(tmp_path))
    with (
        mock.patch.object(stored.shutil, "rmtree", side_effect=PermissionError("not yours")),
        pytest.raises(PermissionError),
    ):
        storage.remove("study/1")
    storage.remove("study/1")
    assert list((tmp_path / "stored/study").iterdir()) == []


def publish(storage: ReleaseStorage, made: Path) -> None:
    """Publish it as the first release of a study."""
    storage.publish(made, PATHS, "study/1", lambda: None)


def test_what_is_published_is_read_and_replaced_and_removed(storage: ReleaseStorage, tmp_path: Path) -> None:
    publish(storage, folder(tmp_path))
    assert {content(storage, path, "content") for path in PATHS} == {b"content"}
    publish(storage, folder(tmp_path, "other"))
    assert content(storage, "a/one.txt", "other") == b"other"
    storage.remove("study/1")
    storage.remove("study/1")
    with pytest.raises(DamagedFile, match=r"a/one\.txt is missing"):
        content(storage, "a/one.txt", "other")


def test_another_content_breaks_off_after_the_last_chunk(storage: ReleaseStorage, tmp_path: Path) -> None:
    publish(storage, folder(tmp_path))
    taken = []
    with pytest.raises(DamagedFile, match="another content"):
        taken.extend(storage.read("study/1", "two.txt", "0" * 64))
    assert taken == [b"content"]


def test_elsewhere_the_manifest_comes_last(tmp_path: Path) -> None:
    storage = ReleaseStorage("memory://storage")
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == len(PATHS):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        storage.publish(folder(tmp_path), ["release.json", "a/one.txt", "two.txt"], "study/1", stop)
    found = fsspec.filesystem("memory").find("/storage")
    assert [path.rpartition("/")[2] for path in found] == ["one.txt", "two.txt"]
    fsspec.filesystem("memory").rm("/storage", recursive=True)


def test_a_folder_on_another_disk_is_copied(tmp_path: Path) -> None:
    storage = ReleaseStorage(f"file://{tmp_path}/stored")
    made, rename = folder(tmp_path), Path.rename

    def on_another_disk(self: Path, target: Path) -> Path:
        if self == made:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    with mock.patch.object(Path, "rename", on_another_disk):
        publish(storage, made)
    assert content(storage, "a/one.txt", "content") == b"content"
    assert made.exists()


def test_what_killed_workers_left_half_done_is_removed_after_a_day(tmp_path: Path) -> None:
    storage = ReleaseStorage(f"file://{tmp_path}/stored")
    old, new = (tmp_path / "stored" / "study" / f".1.{name}.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir(parents=True)
    long_ago = time.time() - stored.ABANDONED_AFTER_S - 1
    os.utime(old, (long_ago, long_ago))
    publish(storage, folder(tmp_path))
    assert (old.exists(), new.exists()) == (False, True)
