"""Studies to release, and what is in the files of a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from collection import releases, releasing
from collection.models import Attempt, Example, Experiment, Release, Round
from collection.states import RoundState
from tests import factories

QUICK: dict[str, Any] = {"quota": 2, "quorum": 1, "max_validations": 1, "rounds": 2}


def over(experiment: Experiment, number: int = 1) -> None:
    """Say that a round is done in every arm, without training anything."""
    Round.objects.filter(arm__experiment=experiment, number=number).update(
        state=RoundState.DONE, closed_at=timezone.now(), done_at=timezone.now()
    )


def study(slug: str = "study", each: int = 2, **settings: Any) -> Experiment:
    """A study with one round of accepted examples in each of its three arms, and a fooled model's try before one."""
    experiment = factories.running(slug, **{**QUICK, "quota": each, **settings})
    for arm in ("non-adversarial", "static", "dynamic"):
        factories.accepted(experiment, arm, each)
    over(experiment)
    return experiment


def built(experiment: Experiment, **wanted: Any) -> Release:
    """A release that is made here and now."""
    return again(releases.ask(experiment, wanted))


def again(release: Release) -> Release:
    """Have a worker look at it."""
    releasing.release(release.pk)
    release.refresh_from_db()
    return release


def content(release: Release, path: str) -> bytes:
    """A file of it."""
    return b"".join(releases.open_file(release, path))


def rows(release: Release, path: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in content(release, path).split(b"\n")[:-1]]


def everything(release: Release) -> dict[str, bytes]:
    """All files of it."""
    return {item.path: content(release, item.path) for item in releases.files_of(release)}


def with_text(experiment: Experiment, text: str, arm: str = "static", **columns: Any) -> Example:
    """An accepted example with that text, whatever it is."""
    example = factories.written(experiment, arm)
    Attempt.objects.filter(pk=example.attempt_id).update(texts=[example.attempt.texts[0], text])
    now = timezone.now()
    Example.objects.filter(pk=example.pk).update(**{"state": "accepted", "decided_at": now, **columns})
    example.refresh_from_db()
    return example


def archive(release: Release) -> Iterator[bytes]:
    """All of it in one zip."""
    return releases.archive_of(release).parts
