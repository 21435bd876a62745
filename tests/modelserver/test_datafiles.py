"""Files of labelled rows: named by their content, on a local path and on a remote one."""

from __future__ import annotations

import json
import os
import stat
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelserver.datafiles import DataStore, Row
from modelserver.wire import WireError, file_sha256

ROWS = (
    Row("a", ("A man runs.", "A man sleeps."), "not_entailment"),
    Row("b", ("Schnee — 雪\u2028\x00", "line\nbreak"), "entailment"),
)
ENCODABLE = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@pytest.fixture(params=["local", "file", "remote"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store: a path, a file URL, or a file system in memory."""
    if request.param == "remote":
        return f"memory://{uuid.uuid4().hex}/data"
    return f"file://{tmp_path / 'data'}" if request.param == "file" else str(tmp_path / "data")


@pytest.fixture
def store(url: str, tmp_path: Path) -> DataStore:
    """An empty store."""
    return DataStore(url, tmp_path / "cache")


def stored_names(url: str) -> list[str]:
    """The names of the files in a store."""
    filesystem, root = fsspec.url_to_fs(url)
    return [str(path).rsplit("/", 1)[-1] for path in filesystem.ls(root, detail=False)]


def test_what_is_put_is_fetched(store: DataStore) -> None:
    stored = store.put(ROWS)
    path = store.fetch(stored.sha256)
    assert stored.rows == 2
    assert file_sha256(path) == stored.sha256
    lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == [
        {"id": row.id, "texts": list(row.texts), "label": row.label} for row in ROWS
    ]


def test_the_same_rows_are_one_file_and_their_order_counts(store: DataStore, url: str) -> None:
    first = store.put(ROWS)
    assert store.put(iter(ROWS)) == first
    assert stored_names(url) == [f"{first.sha256}.jsonl"]
    assert store.put(ROWS[::-1]).sha256 != first.sha256


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(rows=st.lists(st.builds(Row, ENCODABLE, st.tuples(ENCODABLE, ENCODABLE), ENCODABLE), max_size=4))
def test_any_rows_come_back_as_they_were_one_a_line(tmp_path: Path, rows: list[Row]) -> None:
    store = DataStore(str(tmp_path / "data"), tmp_path / "cache")
    stored = store.put(rows)
    with store.fetch(stored.sha256).open(encoding="utf-8", newline="\n") as lines:
        values = [json.loads(line) for line in lines]
    assert [Row(value["id"], tuple(value["texts"]), value["label"]) for value in values] == rows
    assert stored.rows == len(rows)


def test_no_rows_make_an_empty_file(store: DataStore) -> None:
    stored = store.put([])
    assert stored.rows == 0
    assert store.fetch(stored.sha256).read_bytes() == b""


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_name_that_is_no_hash_is_refused(store: DataStore, digest: str) -> None:
    with pytest.raises(WireError, match="is not a sha256") as caught:
        store.fetch(digest)
    assert caught.value.field == "sha256"


def test_what_was_never_put_is_refused(store: DataStore) -> None:
    with pytest.raises(WireError, match="has no file"):
        store.fetch("0" * 64)


def test_a_damaged_file_is_refused_and_one_that_is_whole_again_is_fetched(store: DataStore, url: str) -> None:
    stored = store.put(ROWS)
    filesystem, root = fsspec.url_to_fs(url)
    path = f"{root}/{stored.sha256}.jsonl"
    whole = filesystem.cat_file(path)
    filesystem.pipe_file(path, whole[:-5])
    with pytest.raises(WireError, match="another content"):
        store.fetch(stored.sha256)
    filesystem.pipe_file(path, whole)
    assert file_sha256(store.fetch(stored.sha256)) == stored.sha256


@pytest.mark.parametrize("left", [b"", b'{"id": "a"', b"x" * 1000])
def test_putting_the_rows_again_mends_a_damaged_file(store: DataStore, url: str, left: bytes) -> None:
    stored = store.put(ROWS)
    filesystem, root = fsspec.url_to_fs(url)
    filesystem.pipe_file(f"{root}/{stored.sha256}.jsonl", left)
    assert store.put(ROWS) == stored
    assert file_sha256(store.fetch(stored.sha256)) == stored.sha256
    assert stored_names(url) == [f"{stored.sha256}.jsonl"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_is_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(status.st_mode) else f"file of {status.st_size}")
        fsync(descriptor)

    def noted_replace(source: str, target: str) -> None:
        steps.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    store = DataStore(f"file://{tmp_path}/data", tmp_path / "cache")
    stored = store.put(ROWS)
    size = (tmp_path / "data" / f"{stored.sha256}.jsonl").stat().st_size
    assert steps == [f"file of {size}", "name", "folder"]
    store.put(ROWS)
    assert len(steps) == 3


@pytest.mark.parametrize("kind", ["file://{}/data", "dir://data::file://{}"])
def test_a_put_that_fails_leaves_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DataStore(kind.format(tmp_path), tmp_path / "cache")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("fsspec.implementations.dirfs.DirFileSystem.mv", full)
    with pytest.raises(OSError, match="no space"):
        store.put(ROWS)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_damaged_copy_does_not_stay(store: DataStore) -> None:
    stored = store.put(ROWS)
    store.fetch(stored.sha256).write_bytes(b"{}")
    with pytest.raises(WireError, match="another content"):
        store.fetch(stored.sha256)
    assert file_sha256(store.fetch(stored.sha256)) == stored.sha256


# Not the file system in memory: there, all who read a file share one place in it.
@pytest.mark.parametrize("kind", ["file://{}/data", "dir://data::file://{}"])
def test_many_who_put_and_fetch_at_once_leave_one_whole_file(kind: str, tmp_path: Path) -> None:
    url = kind.format(tmp_path)
    together = threading.Barrier(8)

    def put_and_fetch(number: int) -> str:
        store = DataStore(url, tmp_path / "cache")
        together.wait(30)
        return file_sha256(store.fetch(store.put(ROWS).sha256))

    with ThreadPoolExecutor(8) as threads:
        digests = set(threads.map(put_and_fetch, range(8)))
    assert stored_names(url) == [f"{digest}.jsonl" for digest in digests]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == stored_names(url)
