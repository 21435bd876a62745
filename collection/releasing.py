"""Building releases, in a worker: it scans texts, loads pyarrow, draws charts and writes files."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from collections.abc import Callable
from functools import partial

from collection import releases
from collection.errors import Refused
from collection.export.building import Held, Job, build
from collection.export.choices import Choices
from collection.export.people import SharedPseudonym
from collection.export.scratch import discard, scratch_of
from collection.export.storage import release_storage
from collection.models import Release
from collection.released_report import report_files
from collection.states import ReleaseState
from lifecycle.moves import LostRace

log = logging.getLogger(__name__)

# Told how far a build is: phase, done, of how many (0 if unknown).
Watch = Callable[[str, int, int], None]
_BEAT_SECONDS = 1.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def release(release_id: int, watch: Watch | None = None) -> None:
    """Build a release that is due, if there is one to take, and publish it."""
    taken = releases.claim(release_id)
    if taken is None:
        return
    try:
        _make(taken, watch)
    except LostRace:
        log.info("%s was taken over by another worker, or is not wanted any more", taken)
        _take_back(taken)
    except Exception as error:
        # The boundary of a computation over people's data: whatever it meets is told, and the worker goes on.
        log.exception("%s failed", taken)
        # First: a full disk may hold no word more.
        discard(taken)
        with contextlib.suppress(LostRace):
            _unpublish(taken)
            releases.fail(taken, _problem(error))


def _make(taken: Release, watch: Watch | None) -> None:
    beats = _Beats(taken, watch)
    job = Job(
        experiment=taken.experiment,
        number=taken.number,
        choices=Choices.of(taken.choices),
        salt=taken.salt,
        as_of=taken.as_of,
        decision=taken.findings_decision,
        folder=scratch_of(taken),
        report=partial(report_files, taken.experiment),
        beat=beats,
    )
    try:
        made = build(job)
    except SharedPseudonym:
        log.warning("two people in %s share a pseudonym; it is made with another salt", taken)
        discard(taken)
        releases.draw_salt(taken)
        _make(taken, watch)
        return
    if isinstance(made, Held):
        releases.hold(taken, made.findings)
        return
    # The last moment at which a worker that was given up can be stopped.
    beats("publishing", 0, 0, at_once=True)
    release_storage().publish(
        made.folder, list(made.files), releases.place_of(taken), lambda: beats("publishing", 0, 0)
    )
    releases.finish(taken, made.files, made.sha256, made.size)
    discard(taken)


class _Beats:
    """Signs that a release is being built, in the database once a second at most."""

    def __init__(self, taken: Release, watch: Watch | None) -> None:
        self._taken = taken
        self._watch = watch
        self._last = 0.0

    def __call__(self, phase: str, done: int, of: int, at_once: bool = False) -> None:
        """Give one. Raises LostRace if somebody else builds it by now."""
        if self._watch is not None:
            self._watch(phase, done, of)
        if at_once or time.monotonic() - self._last >= _BEAT_SECONDS:
            self._last = time.monotonic()
            releases.heartbeat(self._taken, {"phase": phase, "done": done, "of": of})


def _take_back(taken: Release) -> None:
    """Of a release that was withdrawn, or is to be made without somebody who was erased, while a worker that was given
    up published it, nothing stays. Who builds it meanwhile replaces what is there."""
    taken.refresh_from_db()
    if taken.state not in (ReleaseState.BUILDING, ReleaseState.DONE):
        release_storage().remove(releases.place_of(taken))


def _unpublish(taken: Release) -> None:
    """Take away what was published before a failure. Raises LostRace if somebody else builds it by now."""
    releases.heartbeat(taken, {})
    try:
        release_storage().remove(releases.place_of(taken))
    except OSError:
        # What kept the files from being published may keep them from being removed.
        log.exception("files of %s may be left where it was to be published", taken)


def _problem(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        return "The disk is full. Nothing was published; what was written is removed. Make room and try again."
    if isinstance(error, Refused):
        return str(error)
    return f"{type(error).__name__}: {error}"
