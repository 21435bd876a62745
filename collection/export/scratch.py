"""The folders that releases are built in, each of one worker's machine."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from django.conf import settings

from collection.models import Release
from collection.states import ReleaseState

# Those of which a build may go on.
_WANTED = (ReleaseState.DUE, ReleaseState.BUILDING, ReleaseState.HELD)


def scratch_of(release: Release) -> Path:
    """The folder that a release is built in: another one with another salt, so that nothing of what was read before
    an erasure, or under other pseudonyms, is found again."""
    return _root() / f"{release.pk}-{hashlib.sha256(release.salt.encode()).hexdigest()[:16]}"


def discard(release: Release) -> None:
    """Remove the folder of a release."""
    shutil.rmtree(scratch_of(release), ignore_errors=True)


def sweep() -> None:
    """Remove the folders that no build will go on with."""
    # Before the releases: one that is taken meanwhile is taken before its folder is made.
    found = list(_root().glob("*"))
    kept = {scratch_of(item) for item in Release.objects.filter(state__in=_WANTED)} if found else set()
    for folder in found:
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    return Path(settings.DATA_DIR) / "releases" / ".building"
