"""Copying a release to another place, such as a dataset on the Hugging Face hub, and checking it meanwhile."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from collection import releases
from collection.errors import Conflict, Invalid
from collection.export.layout import CARD, MANIFEST, is_hub_path
from collection.export.storage import DamagedFile, ReleaseStorage
from collection.models import Release
from collection.releases import ReleasedFile
from lifecycle.moves import note

# What can be pushed: the files that the Hugging Face hub reads a dataset from, or the whole release.
HUB, ALL = "huggingface", "all"
_URL = re.compile(r"[a-z0-9+.:-]+://[^{}]+", re.IGNORECASE)
# Told which file is copied next, which one it is of how many.
Watch = Callable[[ReleasedFile, int, int], None]


@dataclass(frozen=True)
class Pushed:
    """What came of it: where the files lie, how many were copied (none if all were there), and what else lies there."""

    url: str
    copied: int
    others: tuple[str, ...]


def push(release: Release, to: str, files: str | None, replace: bool, watch: Watch) -> Pushed:
    """Copy a release to a folder at any fsspec URL, in which {study} and {number} stand for its names.

    ``files`` is HUB or ALL; None means HUB for a release that has that format, else ALL. The file that makes a folder
    look whole, README.md on the hub and else release.json, is taken away first and comes last. What is there whole is
    not copied again. Another release that is there is replaced only if ``replace`` says so; no file of anybody else's
    is ever removed. Raises Conflict unless the release is done, or for what is there; Invalid for a place that cannot
    be written to; DamagedFile, and copies no more, if the storage does not hold the very content that was released.
    """
    wanted, last = _chosen(release, files)
    url = to.replace("{study}", release.experiment.slug).replace("{number}", str(release.number))
    with _told(url):
        target = _folder(url)
        there = target.sizes("")
        same = last.path in there and _holds(target, last)
    if same and not replace and all(there.get(item.path) == item.size for item in wanted):
        return Pushed(url, 0, _others(there, wanted))
    if last.path in there:
        if not (same or replace):
            message = f"{url} has another {last.path}: another release, or somebody's own. --replace overwrites it."
            raise Conflict("taken", message)
        with _told(url):
            target.drop("", last.path)
    for index, item in enumerate(wanted):
        watch(item, index, len(wanted))
        with _checked(release, item) as content, _told(url):
            target.put(content, "", item.path)
    with transaction.atomic():
        locked = Release.objects.select_for_update().get(pk=release.pk)
        note(locked, detail={"pushed": re.sub("(?<=://)[^/@]*@", "", url), "files": len(wanted)})
    return Pushed(url, len(wanted), _others(there, wanted))


def _chosen(release: Release, files: str | None) -> tuple[list[ReleasedFile], ReleasedFile]:
    """The files to push, and the last of them: the one that makes the others look whole."""
    releases.check_done(release)
    found = {item.path: item for item in releases.files_of(release)}
    has_hub = HUB in release.choices["formats"]
    if files == HUB and not has_hub:
        raise Invalid("format", f"Release {release.number} was made without the format {HUB}.")
    hub = files == HUB or (files is None and has_hub)
    last = found[CARD if hub else MANIFEST]
    others = [item for item in found.values() if item != last and (not hub or is_hub_path(item.path))]
    return [*others, last], last


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Whatever goes wrong at the place to push to is told in words."""
    try:
        yield
    except ImportError as error:
        raise Invalid("to", f"The driver for {url} is not installed: {_said(error)}.") from None
    except Exception as error:
        # The boundary to drivers of other people's, which raise whatever their libraries do.
        raise Invalid("to", f"{url} cannot be written to: {_said(error)}.") from error


def _said(error: Exception) -> str:
    return str(error).rstrip(". ") or type(error).__name__


def _folder(url: str) -> ReleaseStorage:
    if not _URL.fullmatch(url):
        raise ValueError(
            "it is no URL, such as hf://datasets/organisation/name or file:///folder, in which nothing but {study} and "
            "{number} is filled in"
        )
    return ReleaseStorage(url)


def _holds(target: ReleaseStorage, file: ReleasedFile) -> bool:
    try:
        for _ in target.read("", file.path, file.sha256):
            pass
    except DamagedFile:
        return False
    return True


@contextmanager
def _checked(release: Release, file: ReleasedFile) -> Iterator[Path]:
    """A copy on this machine of a file of the release, known to be the very content before any of it goes elsewhere."""
    with tempfile.NamedTemporaryFile(prefix="whetstone-push-") as copy:
        for chunk in releases.open_file(release, file.path):
            copy.write(chunk)
        copy.flush()
        yield Path(copy.name)


def _others(there: dict[str, int], wanted: list[ReleasedFile]) -> tuple[str, ...]:
    """What lies there beside the release, but for what a place keeps for itself, such as .gitattributes."""
    known = {item.path for item in wanted}
    return tuple(sorted(path for path in there if path not in known and not path.startswith(".")))
