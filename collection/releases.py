"""Releases: asking for one, who builds it, deciding about what was found in it, and giving it out.

Building one: collection.releasing.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from collection.errors import Conflict, Invalid, NotYours
from collection.export import difference as comparing
from collection.export.choices import Choices, Offer, parse
from collection.export.layout import TABULAR, table_path
from collection.export.storage import release_storage
from collection.models import Experiment, Release, Round
from collection.nudges import nudge
from collection.states import OVER, ReleaseState, RoundState
from collection.zips import Archive, Entry, archived
from lifecycle.lost import give_back
from lifecycle.moves import LostRace, move, note, record

DECISIONS = (Release.Findings.ACCEPTED.value, Release.Findings.LEFT_OUT.value)
# What has not been released yet, and is made anew when the data it is made of are changed.
UNFINISHED = (ReleaseState.DUE, ReleaseState.BUILDING, ReleaseState.HELD, ReleaseState.FAILED)


@dataclass(frozen=True)
class ReleasedFile:
    """A file of a release: its path within it, its size in bytes, and how many rows it has, None if it has none."""

    path: str
    sha256: str
    size: int
    rows: int | None


# --- Asking ---------------------------------------------------------------------------------------


def offer_of(experiment: Experiment) -> Offer:
    """What can be chosen from for a release of an experiment; a round of one that is over is over itself."""
    over = experiment.state in OVER
    rounds: dict[str, dict[int, bool]] = {arm.slug: {} for arm in experiment.arms.all()}
    found = Round.objects.filter(arm__experiment=experiment).order_by("number")
    for arm, number, state in found.values_list("arm__slug", "number", "state"):
        rounds[arm][number] = over or state == RoundState.DONE
    return Offer(rounds, experiment.task.schema.context_field is not None)


def ask(
    experiment: Experiment, wanted: object, actor: AbstractBaseUser | None = None, *, told: int | None = None
) -> Release:
    """Have the next release of an experiment made, of the data as they are now.

    ``wanted`` are its choices as plain values, each with a default (see export.choices). ``told`` is the number of the
    latest release that the asker knows of, 0 for none. Raises Invalid naming the choice that is wrong, and Conflict
    for rounds that are still running, or if there is a later release than was told.
    """
    choices = parse(wanted, offer_of(experiment))
    with transaction.atomic():
        # Two who ask at once get two numbers.
        Experiment.objects.select_for_update().get(pk=experiment.pk)
        last = Release.objects.filter(experiment=experiment).aggregate(Max("number"))["number__max"] or 0
        if told is not None and told != last:
            raise Conflict("later", f"Release {last} was asked for meanwhile. Nothing was done.")
        now = timezone.now()
        release = Release.objects.create(
            experiment=experiment,
            number=last + 1,
            choices=choices.to_plain(),
            salt=_salt(),
            as_of=now,
            created_at=now,
            asked_by_id=actor.pk if actor else None,
        )
        record(release, ReleaseState.DUE, actor=actor)
        nudge()
    return release


def releases_of(experiment: Experiment) -> QuerySet[Release]:
    """All releases of an experiment, the latest first."""
    return Release.objects.filter(experiment=experiment).select_related("experiment__task").order_by("-number")


def one_of(experiment: Experiment, number: int) -> Release:
    """A release of an experiment. Raises NotYours."""
    # A database's whole numbers end somewhere.
    found = releases_of(experiment).filter(number=number).first() if 0 < number < 2**31 else None
    if found is None:
        raise NotYours("release")
    return found


# --- Building -------------------------------------------------------------------------------------


def due() -> list[Release]:
    """The releases that a worker should build now, oldest first: with those in work at most RELEASES_AT_ONCE."""
    free = settings.RELEASES_AT_ONCE - Release.objects.filter(state=ReleaseState.BUILDING).count()
    return list(Release.objects.filter(state=ReleaseState.DUE).order_by("pk")[: max(free, 0)])


def claim(release_id: int) -> Release | None:
    """Take a release that is due for this worker. None if there is nothing to take."""
    found = Release.objects.select_related("experiment__task", "experiment__base_version")
    release = found.filter(pk=release_id, state=ReleaseState.DUE).first()
    if release is None:
        return None
    try:
        # Another salt since it was read: somebody was erased, and it is to be built as of then.
        same = {"salt": release.salt}
        move(release, ReleaseState.BUILDING, where=same, owner=uuid.uuid4(), heartbeat_at=timezone.now(), problem="")
    except LostRace:
        return None
    return release


def heartbeat(release: Release, progress: dict[str, Any]) -> None:
    """Say that the release is being built, and how far it is. Raises LostRace if it is no longer this worker's."""
    if _mine(release).update(heartbeat_at=timezone.now(), progress=progress) != 1:
        raise LostRace(f"{release} is built by somebody else")


def reclaim_dead() -> None:
    """building → due, where the worker has given no sign for RELEASE_DEADLINE_SECONDS; → failed for the third lost."""
    silent = timezone.now() - dt.timedelta(seconds=settings.RELEASE_DEADLINE_SECONDS)
    for release in Release.objects.filter(state=ReleaseState.BUILDING, heartbeat_at__lt=silent):
        consequence = "Nothing was published."
        give_back(release, ReleaseState.DUE, ReleaseState.FAILED, sign=release.heartbeat_at, consequence=consequence)


def draw_salt(release: Release) -> None:
    """Another salt for a release that is being built: all its pseudonyms change. Raises LostRace."""
    salt = _salt()
    if _mine(release).update(salt=salt) != 1:
        raise LostRace(f"{release} is built by somebody else")
    release.salt = salt


def hold(release: Release, findings: dict[str, Any]) -> None:
    """building → held: somebody must decide about what was found in its texts (see ``decide_findings``)."""
    move(release, ReleaseState.HELD, where={"owner": release.owner}, findings=findings)


def finish(release: Release, files: dict[str, dict[str, Any]], sha256: str, size: int) -> None:
    """building → done, once all files are published. Raises LostRace if it is no longer this worker's."""
    move(
        release,
        ReleaseState.DONE,
        where={"owner": release.owner},
        detail={"sha256": sha256},
        files=files,
        sha256=sha256,
        size=size,
        done_at=timezone.now(),
    )


def fail(release: Release, problem: str) -> None:
    """building → failed; nothing is published."""
    move(release, ReleaseState.FAILED, where={"owner": release.owner}, problem=problem)


# --- Deciding -------------------------------------------------------------------------------------


def decide_findings(release: Release, actor: AbstractBaseUser | None, decision: object) -> None:
    """held → due: what was found is released as it is ("accepted"), or what it was found in is not ("left_out").

    Raises Invalid for another decision, and Conflict if the release is not held.
    """
    if decision not in DECISIONS:
        raise Invalid("decision", f"Must be one of: {', '.join(DECISIONS)}.")
    detail = {"findings": decision, "counts": release.findings.get("counts", {})}
    _step(release, ReleaseState.HELD, ReleaseState.DUE, actor, detail=detail, findings_decision=decision)
    nudge()


def retry(release: Release, actor: AbstractBaseUser | None = None) -> None:
    """failed → due. Raises Conflict."""
    _step(release, ReleaseState.FAILED, ReleaseState.DUE, actor, problem="")
    nudge()


def withdraw(release: Release, actor: AbstractBaseUser | None = None) -> None:
    """Take a release back: its files and its link are gone, its row and its checksum stay. Once more does no harm, and
    removes files that could not be removed before. Raises Conflict while it is being built."""
    if release.state == ReleaseState.BUILDING:
        raise _not_now(release)
    if release.state != ReleaseState.WITHDRAWN:
        _step(release, ReleaseState(release.state), ReleaseState.WITHDRAWN, actor, link=None)
    # Last: nobody reads a file of a release that is withdrawn, and a release whose files are gone breaks downloads off.
    transaction.on_commit(lambda: release_storage().remove(place_of(release)))


def make_link(release: Release, actor: AbstractBaseUser | None = None) -> uuid.UUID:
    """A link's secret by which anybody can download the release; the same one again if it has one.

    Raises Conflict unless it is done.
    """
    with transaction.atomic():
        locked = Release.objects.select_for_update().get(pk=release.pk)
        check_done(locked)
        if locked.link is None:
            locked.link = uuid.uuid4()
            locked.save(update_fields=["link"])
            note(locked, actor=actor, detail={"link": "made"})
    release.link = locked.link
    return locked.link


def remove_link(release: Release, actor: AbstractBaseUser | None = None) -> None:
    """Make a link work no more. Does nothing if there is none."""
    with transaction.atomic():
        locked = Release.objects.select_for_update().get(pk=release.pk)
        if locked.link is not None:
            locked.link = None
            locked.save(update_fields=["link"])
            note(locked, actor=actor, detail={"link": "removed"})
    release.link = None


def linked(secret: uuid.UUID) -> Release:
    """The release that a link leads to. Raises NotYours."""
    found = Release.objects.select_related("experiment__task").filter(link=secret, state=ReleaseState.DONE).first()
    if found is None:
        raise NotYours("release")
    return found


def note_erasure(experiment: Experiment) -> None:
    """An annotator of the experiment was erased: what is not released yet starts anew, without what is gone; what is
    released is marked. In the transaction of the erasure."""
    now = timezone.now()
    for release in Release.objects.select_for_update().filter(experiment=experiment).order_by("pk"):
        # Another salt has another scratch folder: nothing that was read before is found again.
        anew: dict[str, Any] = {"salt": _salt(), "as_of": now, "findings": {}, "findings_decision": "", "owner": None}
        if release.state == ReleaseState.DUE:
            Release.objects.filter(pk=release.pk).update(**anew)
        elif release.state in UNFINISHED:
            move(release, ReleaseState.DUE, detail={"why": "an annotator was erased"}, problem="", **anew)
        elif release.state == ReleaseState.DONE:
            marked = f"made before somebody was erased on {now:%Y-%m-%d}"
            Release.objects.filter(pk=release.pk).update(note=marked)
            note(release, detail={"note": marked})


# --- Giving out -----------------------------------------------------------------------------------


def place_of(release: Release) -> str:
    """Where in the storage a release lies."""
    return f"{release.experiment.key}/{release.number}"


def check_done(release: Release) -> None:
    """Raises Conflict unless a release is done, and so has files."""
    if release.state != ReleaseState.DONE:
        raise _not_now(release)


def files_of(release: Release) -> list[ReleasedFile]:
    """The files of a release by path; none unless it is done."""
    if release.state != ReleaseState.DONE:
        return []
    return [ReleasedFile(path, **item) for path, item in sorted(release.files.items())]


def examples_of(release: Release) -> dict[str, int]:
    """How many examples of each arm a release has; none for one without a table of them."""
    for format in TABULAR:
        paths = {table_path(format, arm): arm for arm in release.choices["arms"]}
        found = {arm: release.files[path]["rows"] for path, arm in paths.items() if path in release.files}
        if found:
            return found
    return {}


def open_file(release: Release, path: str) -> Iterator[bytes]:
    """A file's content in chunks. Raises NotYours for a path that the release does not have.

    The chunks end with DamagedFile unless they were the very content.
    """
    known = {item.path: item for item in files_of(release)}
    if path not in known:
        raise NotYours("file")
    return release_storage().read(place_of(release), path, known[path].sha256)


def archive_of(release: Release) -> Archive:
    """All files of a release as a zip, in a folder, made while it is sent. Raises Conflict unless it is done."""
    check_done(release)
    folder = f"{release.experiment.slug}-release-{release.number}"
    entries = [Entry(f"{folder}/{item.path}", item.size, open_file(release, item.path)) for item in files_of(release)]
    return archived(f"{folder}.zip", release.sha256, entries, release.as_of)


def difference(former: Release, latter: Release) -> comparing.Difference:
    """What is another way in the latter of two releases of one study. It reads both releases' examples.

    Raises Conflict unless both are done, and Invalid if they are of two studies.
    """
    if former.experiment_id != latter.experiment_id:
        raise Invalid("release", "Both must be releases of the same experiment.")
    for release in (former, latter):
        check_done(release)
    return comparing.difference(_side(former), _side(latter))


def _side(release: Release) -> comparing.Side:
    return comparing.Side(Choices.of(release.choices), release.files, lambda path: open_file(release, path))


def _mine(release: Release) -> QuerySet[Release]:
    return Release.objects.filter(pk=release.pk, state=ReleaseState.BUILDING, owner=release.owner)


def _salt() -> str:
    return secrets.token_hex(32)


def _step(
    release: Release, origin: ReleaseState, to: ReleaseState, actor: AbstractBaseUser | None, **updates: Any
) -> None:
    """A move that somebody asks for, from one state alone. Raises Conflict."""
    try:
        if release.state != origin:
            raise LostRace
        move(release, to, actor=actor, **updates)
    except LostRace:
        release.refresh_from_db()
        raise _not_now(release) from None


_WORDS = {
    ReleaseState.DUE: "waits for a worker",
    ReleaseState.BUILDING: "is being made",
    ReleaseState.HELD: "waits for a decision about what was found in its texts",
    ReleaseState.DONE: "is done",
    ReleaseState.FAILED: "could not be made",
    ReleaseState.WITHDRAWN: "was withdrawn",
}


def _not_now(release: Release) -> Conflict:
    return Conflict(f"release_{release.state}", f"Release {release.number} {_WORDS[ReleaseState(release.state)]}.")
