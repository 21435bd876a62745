"""Labelled data that arms of a draft start with: looked at first, then stored whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from collection.errors import Conflict, Invalid
from collection.importing.columns import LABEL
from collection.importing.jsonl import LabelledRow
from collection.importing.preview import MOST_NAMED
from collection.importing.rows import Fault, Limits
from collection.importing.test_sets import TestSetPreview, preview_test_set
from collection.models import Arm, Experiment, RoundZero, TestItem
from collection.states import ExperimentState
from collection.texts import fingerprint
from lifecycle.moves import note
from modelserver.datafiles import DataStore, Row

# Why a launch fixes it, in words that end the sentence "… cannot be changed: …".
LOCKED = "versions trained on other data cannot be compared with those that are there"
_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class RoundZeroPreview(TestSetPreview):
    """Labelled rows of a file, each text once. ``tested`` of them are rows of a test set of the experiment: these are
    stored, and left out of all training as nearly the same ones are."""

    __test__ = False

    tested: int


def preview_round_zero(
    experiment: Experiment,
    file: BinaryIO,
    format: str,
    columns: Mapping[str, str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> RoundZeroPreview:
    """What a file of labelled rows has in it for an experiment; nothing is stored.

    ``columns`` maps fields and ``label`` to columns, ``labels`` words of the file to labels of the task, as for test
    sets. Texts that the file has twice are taken once; with two labels they are a fault. Raises Invalid as
    ``preview_test_set`` does.
    """
    found = preview_test_set(experiment.task, file, format, columns, labels=labels, limits=limits)
    tested_rows = TestItem.objects.filter(test_set__in=experiment.test_sets.all()).values_list("texts", flat=True)
    tested = {fingerprint(texts) for texts in tested_rows.iterator()}
    first: dict[str, LabelledRow] = {}
    contradicted: list[Fault] = []
    for row in found.items:
        before = first.setdefault(fingerprint(row.texts), row)
        if before.label != row.label:
            message = f"Says the same as line {before.line}, which has the label {before.label}."
            contradicted.append(Fault(row.line, found.mapping[LABEL], message))
    faults = sorted([*found.faults, *contradicted], key=lambda fault: fault.line)
    known = vars(found) | {
        "items": tuple(first.values()),
        "faults": tuple(faults[:MOST_NAMED]),
        "fault_count": found.fault_count + len(contradicted),
    }
    return RoundZeroPreview(**known, tested=sum(mark in tested for mark in first))


def store_round_zero(
    experiment: Experiment,
    arms: Sequence[str] | None,
    preview: RoundZeroPreview,
    name: str,
    store: DataStore,
    actor: AbstractBaseUser | None = None,
) -> list[RoundZero]:
    """Let arms of a draft start with the rows of a preview, in place of what they had; None is every arm.

    ``name`` is that of the file. Raises Invalid if the preview has a fault or is for another task, and on ``arms`` for
    one that the experiment has not; Conflict if it is no draft.
    """
    preview.check(experiment.task)
    file = store.put(Row(f"round-0:{row.line}", row.texts, row.label) for row in preview.items)
    with transaction.atomic():
        draft = _locked(experiment)
        chosen = chosen_arms(draft, arms)
        cut = name.encode("utf-8", "replace").decode()[-_LONGEST_NAME:]
        made = [
            RoundZero.objects.update_or_create(
                arm=arm, defaults={"sha256": file.sha256, "rows": file.rows, "name": cut}
            )[0]
            for arm in chosen
        ]
        given = {"arms": [arm.slug for arm in chosen], "sha256": file.sha256, "rows": file.rows, "name": cut}
        note(draft, actor=actor, detail={"round_zero": given})
    return made


def round_zero_of(experiment: Experiment) -> list[tuple[Arm, RoundZero | None]]:
    """Each arm of an experiment with what it starts with, if anything."""
    arms = experiment.arms.select_related("round_zero").order_by("pk")
    return [(arm, getattr(arm, "round_zero", None)) for arm in arms]


def remove_round_zero(
    experiment: Experiment, arms: Sequence[str] | None = None, actor: AbstractBaseUser | None = None
) -> None:
    """Let arms of a draft start with nothing again; None is every arm. Raises Invalid and Conflict as storing does."""
    with transaction.atomic():
        draft = _locked(experiment)
        chosen = chosen_arms(draft, arms)
        RoundZero.objects.filter(arm__in=chosen).delete()
        note(draft, actor=actor, detail={"round_zero": {"arms": [arm.slug for arm in chosen], "rows": 0}})


def _locked(experiment: Experiment) -> Experiment:
    # An upload and a launch at the same moment: one after the other.
    draft = Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
    if draft.state != ExperimentState.DRAFT:
        raise Conflict("locked", f"round_zero cannot be changed: {LOCKED}.")
    return draft


def chosen_arms(experiment: Experiment, slugs: Sequence[str] | None) -> list[Arm]:
    """The arms of these names, None is all of them. Raises Invalid on ``arms`` for one that the experiment has not."""
    arms = {arm.slug: arm for arm in experiment.arms.all()}
    for slug in slugs or ():
        if slug not in arms:
            raise Invalid("arms", f"There is no arm {slug!r}; there are: {', '.join(arms)}.", "unknown_arm")
    return [arm for slug, arm in arms.items() if slugs is None or slug in slugs]
