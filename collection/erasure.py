"""Erasing a person who has annotated, on request: docs/privacy.md says what stays, docs/decisions/0014 why.

For whoever locks several rows: examples, votes and attempts come first, releases next, the user and the annotator last.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from annotators.enrolment import enrolled_studies
from annotators.erasure import close_account, forget_person, solely_owned
from annotators.models import Annotator
from collection import releases
from collection.erased_files import note_erased_texts
from collection.errors import Conflict, Invalid, NotYours
from collection.importing.pending import forget_uploads_of
from collection.imports import forget_files_of
from collection.models import Assignment, Attempt, ContextFlag, Draft, Example, Experiment, ImportedWriter, Validation
from collection.nudges import nudge
from collection.pseudonyms import PSEUDONYM, people_called
from collection.schema import TaskSchema
from collection.states import AssignmentState, AttemptState, ExampleState, ValidationState
from lifecycle.moves import LostRace, erase_words, move, record
from lifecycle.requests import forget_requests_of

_BATCH = 200


class Texts(StrEnum):
    """What becomes of what the person wrote: it stays, under a pseudonym that leads nowhere, or it goes too."""

    KEEP = "keep"
    DROP = "drop"


class _Event(StrEnum):
    ERASED = "erased"


@dataclass(frozen=True)
class Erased:
    """What was done: ``name`` is the user name that stands in place of the person's; the counts are of what was
    emptied, ``withdrawn`` of examples that waited for validation."""

    name: str
    examples: int = 0
    attempts: int = 0
    reasons: int = 0
    withdrawn: int = 0


def annotator_named(name: str) -> Annotator:
    """The annotator with a user name, or with a pseudonym in a study, written pseudonym@study.

    Raises Invalid if there is none, or if several share the pseudonym.
    """
    people = Annotator.objects.select_related("user")
    found = people.filter(user__username=name).first()
    pseudonym, at, slug = name.partition("@")
    if found is None and at and PSEUDONYM.fullmatch(pseudonym):
        experiment = Experiment.objects.filter(slug=slug).first()
        called = [] if experiment is None else people_called(experiment, pseudonym)
        if len(called) > 1:
            raise Invalid("annotator", "Several people have this pseudonym; please give the user name.")
        found = people.filter(pk__in=called).first()
    if found is None:
        raise Invalid("annotator", "Nobody who annotates has this user name, or this pseudonym in that study.")
    return found


def erase(annotator: Annotator, texts: Texts, actor: AbstractBaseUser | None = None) -> Erased:
    """Erase a person, and with ``Texts.DROP`` all that the person wrote. To do it again, or to drop what was kept
    before, is fine; if it dies on the way it is done again from the start.

    Labels, verdicts, votes, times and pay stay, so that counts, money and statistics are true. Raises NotYours for an
    actor who is no admin of the site, and Conflict for an admin, or the only owner of a study, to be erased.
    """
    if actor is not None and not getattr(actor, "is_superuser", False):
        raise NotYours("member")
    user = annotator.user
    if user.is_superuser:
        raise Conflict("is_admin", "This is an admin of the site; another admin has to end that first.")
    if owned := Experiment.objects.filter(key__in=solely_owned(user)):
        names = ", ".join(item.slug for item in owned.order_by("pk"))
        raise Conflict("last_owner", f"Nobody else owns {names}; somebody has to be made owner first.")
    # First, so that no request of theirs begins from now on; one in flight finds its lease given back.
    close_account(user)
    forget_uploads_of(user)
    forget_files_of(user)
    _give_back(annotator, actor)
    with transaction.atomic():
        experiments = list(_experiments_of(annotator).order_by("pk"))
        done = _drop_texts(annotator, actor) if texts is Texts.DROP else Erased("")
        _forget_doings(annotator)
        for experiment in experiments:
            releases.note_erasure(experiment)
        forgotten = forget_person(annotator)
        if forgotten or done != Erased(""):
            record(annotator, _Event.ERASED, actor=actor, detail={"texts": texts.value})
        nudge()
    annotator.refresh_from_db()
    return Erased(annotator.user.get_username(), done.examples, done.attempts, done.reasons, done.withdrawn)


def _experiments_of(annotator: Annotator) -> QuerySet[Experiment]:
    voted = Validation.objects.filter(annotator=annotator).values("example__arm__experiment")
    return Experiment.objects.filter(Q(key__in=enrolled_studies(annotator)) | Q(pk__in=voted))


def _give_back(annotator: Annotator, actor: AbstractBaseUser | None) -> None:
    """End all leases, each as its own operation would: what comes in later for one finds it ended."""
    for held in Assignment.objects.filter(annotator=annotator, state=AssignmentState.LEASED):
        with suppress(LostRace):
            move(held, AssignmentState.RELEASED, actor=actor)
    leases = Validation.objects.filter(annotator=annotator, state=ValidationState.LEASED)
    for pk, example in leases.values_list("pk", "example"):
        with transaction.atomic():
            # A vote in flight has the example's row: it counts before this, or finds its lease ended.
            Example.objects.select_for_update().get(pk=example)
            lease = Validation.objects.get(pk=pk)
            if lease.state == ValidationState.LEASED:
                move(lease, ValidationState.EXPIRED, actor=actor)


def _drop_texts(annotator: Annotator, actor: AbstractBaseUser | None) -> Erased:
    now = timezone.now()
    mine = Example.objects.filter(annotator=annotator, erased_at=None).order_by("pk")
    examples = list(mine.select_for_update())
    withdrawn = 0
    for example in examples:
        if example.state == ExampleState.PENDING:
            # Nobody can validate it any more. Who has, is paid.
            move(example, ExampleState.RETRACTED, actor=actor, decided_at=now)
            withdrawn += 1
        # A hash of a short text can be undone by guessing.
        example.fingerprint = secrets.token_hex(32)
        example.why_label = example.why_fooled = ""
        example.erased_at = now
    columns = ["fingerprint", "why_label", "why_fooled", "erased_at"]
    Example.objects.bulk_update(examples, columns, batch_size=_BATCH)

    votes = Validation.objects.filter(annotator=annotator)
    reasons = votes.exclude(reason="").update(reason="")
    erase_words(votes, "undone")
    reasons += ContextFlag.objects.filter(annotator=annotator).exclude(reason="").update(reason="")

    found = Attempt.objects.filter(assignment__annotator=annotator, erased_at=None)
    attempts = list(found.select_related("assignment__experiment__task").order_by("pk"))
    for attempt in attempts:
        if attempt.state == AttemptState.WAITING:
            with suppress(LostRace):
                move(attempt, AttemptState.REFUSED, actor=actor)
        attempt.texts = _without_written(attempt.assignment.experiment.task.schema, attempt.texts)
        attempt.body_sha256 = ""
        attempt.erased_at = now
    Attempt.objects.bulk_update(attempts, ["texts", "body_sha256", "erased_at"], batch_size=_BATCH)
    for experiment in {attempt.assignment.experiment for attempt in attempts}:
        note_erased_texts(experiment)
    return Erased("", len(examples), len(attempts), reasons, withdrawn)


def _without_written(schema: TaskSchema, texts: list[str]) -> list[str]:
    return ["" if field.source == "writer" else text for field, text in zip(schema.fields, texts, strict=True)]


def _forget_doings(annotator: Annotator) -> None:
    """What is no data: drafts, answers that may be asked for again, names that clients gave to their requests."""
    Draft.objects.filter(assignment__annotator=annotator).delete()
    forget_requests_of(annotator.user)
    ImportedWriter.objects.filter(annotator=annotator).delete()
    named = Concat(Value("erased-"), Cast("index", CharField()))
    Attempt.objects.filter(assignment__annotator=annotator).update(idempotency_key=named)
