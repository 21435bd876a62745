"""Uploads that wait to be stored: kept as they came until whoever sent them has looked at what is in them.

What is stored is read from the kept file anew, so neither a reload nor a second tab nor a forged form changes it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import BinaryIO, cast

import fsspec
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from collection.errors import NotYours
from collection.importing.lines import pieces
from collection.importing.rows import Limits
from collection.models import Experiment, PendingUpload

KEPT = dt.timedelta(days=1)
# Of one person; the oldest makes room for a new one.
MOST_WAITING = 10
_LONGEST_NAME = 200


def keep(user: AbstractBaseUser, file: BinaryIO, name: str, experiment: Experiment | None = None) -> PendingUpload:
    """Keep a file for its sender, and for one experiment or, without one, for the site.

    ``name`` is empty for a pasted text. Raises Invalid on ``file`` for one that is larger than is taken.
    """
    mine = PendingUpload.objects.filter(user_id=user.pk).order_by("-pk")
    for old in mine[MOST_WAITING - 1 :]:
        _forget(old)
    # The row comes first and says last that the file is whole: whatever dies in between, the row leads to the file.
    kept = PendingUpload.objects.create(
        user_id=user.pk, experiment=experiment, name=name.encode("utf-8", "replace").decode()[-_LONGEST_NAME:]
    )
    size = 0
    try:
        filesystem, path = _place(kept)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        with filesystem.open(path, "wb") as copy:
            for piece in pieces(file, Limits()):
                size += copy.write(piece)
    except BaseException:
        _forget(kept)
        raise
    kept.size = size
    kept.save(update_fields=["size"])
    return kept


def waiting(user: AbstractBaseUser, key: uuid.UUID, experiment: Experiment | None = None) -> PendingUpload:
    """An upload of somebody's own for that experiment, or for the site. Raises NotYours for any other."""
    mine = PendingUpload.objects.filter(user_id=user.pk, experiment=experiment, size__isnull=False)
    found = mine.filter(key=key, created_at__gte=timezone.now() - KEPT).first()
    if found is None:
        raise NotYours("upload")
    return found


def opened(upload: PendingUpload) -> BinaryIO:
    """The kept file, from its beginning. Raises NotYours if it has just been forgotten."""
    filesystem, path = _place(upload)
    try:
        return cast(BinaryIO, filesystem.open(path, "rb"))
    except FileNotFoundError:
        raise NotYours("upload") from None


def finish(upload: PendingUpload, outcome: str) -> str:
    """Note that it is stored, and what came of it; gives what came of it when it was stored first.

    Storing is safe to repeat, so whoever presses the button twice, or loses the answer, is told the same.
    """
    PendingUpload.objects.filter(pk=upload.pk, outcome="").update(outcome=outcome)
    return PendingUpload.objects.filter(pk=upload.pk).values_list("outcome", flat=True).first() or outcome


def forget_uploads_of(user: AbstractBaseUser) -> None:
    """Drop all that somebody has sent and that waits."""
    for upload in PendingUpload.objects.filter(user_id=user.pk).order_by("pk"):
        _forget(upload)


def forget_old_uploads() -> int:
    """Drop what has waited for a day, stored or not; returns how many."""
    old = PendingUpload.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("pk")
    for upload in old:
        _forget(upload)
    return len(old)


def _forget(upload: PendingUpload) -> None:
    filesystem, path = _place(upload)
    # Died before there was a file, or somebody else forgets it at the same moment.
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm_file(path)
    upload.delete()


def _place(upload: PendingUpload) -> tuple[fsspec.AbstractFileSystem, str]:
    # Beside the training data, which every process reaches; the name is our own.
    filesystem, root = fsspec.url_to_fs(settings.TRAINING_DATA_URL)
    return filesystem, f"{root}/uploads/{upload.key}"
