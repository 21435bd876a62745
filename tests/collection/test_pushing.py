"""Releases that are copied elsewhere: checked, whole or not looking so, and never over what is somebody else's."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from collection import releases
from collection.export.storage import ReleaseStorage, release_storage
from collection.models import Release
from lifecycle.models import StateChange
from tests.collection import released

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "site"
    settings.RELEASES_URL = f"file://{tmp_path}/site/releases"


@pytest.fixture
def release() -> Release:
    """A release that is done, with files for the hub."""
    return released.built(released.study())


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder to push to, that is not there yet."""
    if request.param == "file":
        yield f"file://{tmp_path}/pushed"
        return
    yield "memory://pushed"
    if fsspec.filesystem("memory").exists("/pushed"):
        fsspec.filesystem("memory").rm("/pushed", recursive=True)


def push(*arguments: Any) -> str:
    """What the command prints."""
    printed = io.StringIO()
    call_command("push_release", "study", *map(str, arguments), stdout=printed, stderr=io.StringIO())
    return printed.getvalue()


def found(url: str) -> dict[str, bytes]:
    """The files in a folder."""
    filesystem, root = fsspec.url_to_fs(url)
    return {path.removeprefix(f"{root}/"): filesystem.cat_file(path) for path in filesystem.find(root)}


def written(url: str, path: str, content: bytes) -> None:
    """Put a file of somebody's own there."""
    filesystem, root = fsspec.url_to_fs(url)
    filesystem.makedirs(root, exist_ok=True)
    filesystem.pipe_file(f"{root}/{path}", content)


def on_hub(release: Release) -> dict[str, bytes]:
    """What of a release belongs on the hub."""
    everything = released.everything(release).items()
    return {path: content for path, content in everything if path == "README.md" or path.startswith("data/")}


def test_what_the_hub_reads_is_pushed_of_a_release_that_has_it(release: Release, url: str) -> None:
    printed = push(1, "--to", url)
    assert found(url) == on_hub(release)
    assert f"release 1: {len(on_hub(release))} files pushed to {url}" in printed
    event = StateChange.objects.latest("pk")
    assert event.detail == {"pushed": url, "files": len(on_hub(release))}


def test_everything_is_pushed_if_asked_for_or_if_there_is_nothing_for_the_hub(release: Release, url: str) -> None:
    push(1, "--to", f"{url}/all", "--format", "all")
    assert found(f"{url}/all") == released.everything(release)
    lines = released.built(release.experiment, formats=["jsonl"])
    push(2, "--to", f"{url}/lines")
    assert found(f"{url}/lines") == released.everything(lines)
    with pytest.raises(CommandError, match="--format: Release 2 was made without the format huggingface"):
        push(2, "--to", url, "--format", "huggingface")


def test_a_push_goes_where_the_setting_says(settings: LazySettings, release: Release, url: str) -> None:
    with pytest.raises(CommandError, match="--to: say where, or set RELEASES_PUSH_URL"):
        push(1)
    settings.RELEASES_PUSH_URL = f"{url}/{{study}}/v{{number}}"
    push(1)
    assert found(f"{url}/study/v1") == on_hub(release)


def test_a_second_push_does_no_harm(release: Release, url: str) -> None:
    push(1, "--to", url)
    with mock.patch.object(ReleaseStorage, "put", side_effect=AssertionError("copied again")):
        assert "all of it was already at" in push(1, "--to", url)
    assert found(url) == on_hub(release)
    assert StateChange.objects.filter(detail__has_key="pushed").count() == 1


@pytest.mark.parametrize("format", ["huggingface", "all"])
def test_a_push_that_breaks_off_never_looks_whole_and_is_finished_by_the_next(
    release: Release, url: str, format: str
) -> None:
    whole = on_hub(release) if format == "huggingface" else released.everything(release)
    last = "README.md" if format == "huggingface" else "release.json"
    put = ReleaseStorage.put
    for broken in range(len(whole)):
        left = broken

        def breaks(self: ReleaseStorage, file: Path, place: str, path: str) -> None:
            nonlocal left
            if left == 0:
                raise ConnectionError("the line is cut")
            left -= 1
            put(self, file, place, path)

        with mock.patch.object(ReleaseStorage, "put", breaks), pytest.raises(CommandError) as refused:
            push(1, "--to", url, "--format", format, "--replace")
        assert str(refused.value) == f"--to: {url} cannot be written to: the line is cut."
        assert last not in found(url)
    push(1, "--to", url, "--format", format)
    assert found(url) == whole


def test_a_damaged_file_of_the_release_ends_the_push_before_any_of_it_is_sent(release: Release, url: str) -> None:
    path = sorted(on_hub(release))[-1]
    target = Path(release_storage()._path(releases.place_of(release))) / path
    target.write_bytes(target.read_bytes()[::-1])
    with pytest.raises(CommandError, match=f"release: {path} has another content than was released"):
        push(1, "--to", url)
    assert path not in found(url)
    assert "README.md" not in found(url)


@pytest.mark.parametrize("state", ["due", "held", "failed", "withdrawn"])
def test_a_release_that_is_not_done_is_refused(release: Release, url: str, state: str) -> None:
    Release.objects.update(state=state)
    with pytest.raises(CommandError, match="Release 1 "):
        push(1, "--to", url)
    assert found(url) == {}


def test_what_is_somebody_elses_stays(release: Release, url: str) -> None:
    written(url, "README.md", b"My own words.")
    with pytest.raises(CommandError, match=r"has another README\.md"):
        push(1, "--to", url)
    assert found(url) == {"README.md": b"My own words."}
    written(url, "LICENSE", b"CC0")
    written(url, ".gitattributes", b"*.parquet")
    printed = push(1, "--to", url, "--replace")
    assert "also there, and not of this release: LICENSE\n" in printed
    assert found(url) == {**on_hub(release), "LICENSE": b"CC0", ".gitattributes": b"*.parquet"}


def test_another_release_is_replaced_only_if_told_so(release: Release, url: str) -> None:
    push(1, "--to", url, "--format", "all")
    second = released.built(release.experiment)
    with pytest.raises(CommandError, match="--replace overwrites it"):
        push(2, "--to", url, "--format", "all")
    assert json.loads(found(url)["release.json"])["number"] == 1
    push(2, "--to", url, "--format", "all", "--replace")
    assert found(url) == released.everything(second)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("somewhere", "it is no URL"),
        ("/tmp/somewhere", "it is no URL"),
        ("file:///tmp/{arm}", "nothing but {study} and {number}"),
        ("nope://somewhere", "Protocol not known"),
        ("file:///proc/nowhere", "cannot be written to"),
    ],
)
def test_a_place_that_is_none_is_named_with_its_option(release: Release, url: str, words: str) -> None:
    with pytest.raises(CommandError) as refused:
        push(1, "--to", url)
    assert str(refused.value).startswith(f"--to: {url} ")
    assert words in str(refused.value)


def test_a_driver_that_is_not_installed_is_named(release: Release) -> None:
    with (
        mock.patch("fsspec.url_to_fs", side_effect=ImportError("Install s3fs to access S3")),
        pytest.raises(CommandError, match="--to: The driver for s3://b/f is not installed: Install s3fs"),
    ):
        push(1, "--to", "s3://b/f")


def test_a_key_in_the_url_is_not_on_record(release: Release) -> None:
    with mock.patch("collection.pushing.ReleaseStorage", return_value=ReleaseStorage("memory://pushed/key")):
        push(1, "--to", "ftp://me:secret@host/folder")
    assert StateChange.objects.latest("pk").detail["pushed"] == "ftp://host/folder"
    fsspec.filesystem("memory").rm("/pushed", recursive=True)
