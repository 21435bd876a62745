"""Validating: another annotator labels or flags an example, blind to writer, label, arm and prediction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotators.models import Annotator
from collection.enrolment import check_blind, check_may_validate
from collection.errors import Conflict, NothingToDo, NotYours
from collection.models import Assignment, Example, Experiment, Validation
from collection.quorum import Tally, votes_wanted
from collection.settlement import settle_earlier, settle_locked, taken_back_until, unsettled_votes
from collection.states import AssignmentState, ExampleState, ExperimentState, RoundState, ValidationState
from collection.texts import MAX_REASON, check_text
from lifecycle.moves import LostRace, move, record

# How many of the neediest examples are looked at for one that can use another validator.
CANDIDATES = 100


@dataclass(frozen=True)
class Vote:
    """A label, or None for a flag with its reason. A label may have a reason too."""

    label: str | None
    reason: str = ""


def claim_validation(experiment: Experiment, annotator: Annotator) -> Validation:
    """The validator's live lease on an example, or a new one: fewest votes first, oldest first.

    Nobody gets an own example, one voted on before, or one that enough others are looking at. Raises Conflict for
    somebody not enrolled and NothingToDo, with the reason, when there is nothing to validate.
    """
    check_may_validate(experiment, annotator)
    with transaction.atomic():
        # One lock an experiment: whoever hands out leases sees all that are out.
        experiment = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if experiment.state == ExperimentState.PAUSED:
            raise NothingToDo("paused", _("This study is paused. Please come back later."))
        if experiment.state != ExperimentState.RUNNING:
            raise NothingToDo("study_over", _("This study is not collecting."))
        now = timezone.now()
        standing = _leases(experiment).filter(annotator=annotator, expires_at__gt=now).first()
        if standing is not None:
            return standing
        pending = Example.objects.filter(
            round__arm__experiment=experiment, round__state=RoundState.OPEN, state=ExampleState.PENDING
        )
        example = _neediest(experiment, annotator, pending, now)
        if example is None:
            raise _empty(experiment, annotator, pending)
        return _lease(experiment, annotator, example, now)


def held_validation(experiment: Experiment, annotator: Annotator) -> Validation | None:
    """The validator's live lease in an experiment, if there is one."""
    leases = _leases(experiment).select_related("example__attempt", "example__arm__experiment__task")
    return leases.filter(annotator=annotator, expires_at__gt=timezone.now()).first()


def own_validation(key: uuid.UUID, annotator: Annotator) -> Validation:
    """A validation of this annotator, with its example, experiment and task. Raises NotYours."""
    try:
        return Validation.objects.select_related("example__attempt", "example__arm__experiment__task").get(
            key=key, annotator=annotator
        )
    except Validation.DoesNotExist:
        raise NotYours("validation") from None


def vote(key: uuid.UUID, annotator: Annotator, given: Vote) -> Validation:
    """Record a vote. It counts, with all that it decides, as soon as it cannot be taken back any more.

    The same vote again changes nothing. A vote that comes after others have decided is kept all the same. Raises
    Invalid for a label that the task does not have or a flag without reason, NotYours, and Conflict for a second,
    different vote, an ended lease, or a validator who sees the console by now.
    """
    validation = own_validation(key, annotator)
    experiment = validation.example.arm.experiment
    given = _checked(experiment, given)
    with transaction.atomic():
        example = Example.objects.select_for_update().get(pk=validation.example_id)
        validation = own_validation(key, annotator)
        if validation.state == ValidationState.VOTED:
            if (validation.label or None, validation.reason) != (given.label, given.reason):
                raise Conflict("already_voted", _("You have voted on this one already."))
            return validation
        if example.annotator_id == annotator.pk:
            raise NotYours("validation")
        check_blind(experiment, annotator)
        now = timezone.now()
        if validation.state == ValidationState.EXPIRED or validation.expires_at <= now:
            raise Conflict("lease_expired", _("Your time for this one is over. Please take the next one."))
        move(
            validation,
            ValidationState.VOTED,
            actor=annotator.user,
            label=given.label or "",
            flagged=given.label is None,
            reason=given.reason,
            voted_at=now,
        )
        if experiment.undo_seconds == 0:
            settle_locked(validation, example)
    if experiment.undo_seconds:
        settle_earlier(validation)
    return validation


def last_vote(experiment: Experiment, annotator: Annotator) -> Validation | None:
    """The vote that the annotator may take back now, if there is one."""
    given = unsettled_votes(annotator, experiment).last()
    return given if given is not None and taken_back_until(given) > timezone.now() else None


def undo(key: uuid.UUID, annotator: Annotator) -> Validation:
    """Take back the last vote: it is a lease again, and any other lease of the validator ends.

    Raises NotYours, and Conflict for a vote that counts already, is not the last one, or whose example was decided
    or retracted meanwhile, and for a validator who sees the console by now.
    """
    validation = own_validation(key, annotator)
    experiment = validation.example.arm.experiment
    try:
        with transaction.atomic():
            # The same lock as for handing out leases, then the example's, in the order in which a claim takes them.
            Experiment.objects.select_for_update().get(pk=experiment.pk)
            example = Example.objects.select_for_update().get(pk=validation.example_id)
            validation = own_validation(key, annotator)
            if validation.state == ValidationState.LEASED:
                return validation
            check_blind(experiment, annotator)
            latest = last_vote(experiment, annotator)
            if latest is None or latest.pk != validation.pk:
                raise Conflict("too_late", _("This vote counts already and cannot be taken back."))
            if example.state != ExampleState.PENDING:
                raise Conflict("decided", _("This text was decided meanwhile."))
            now = timezone.now()
            for other in _leases(experiment).filter(annotator=annotator):
                move(other, ValidationState.EXPIRED)
            undone = {"label": validation.label, "flagged": validation.flagged, "reason": validation.reason}
            move(
                validation,
                ValidationState.LEASED,
                actor=annotator.user,
                detail={"undone": undone},
                where={"settled_at": None, "voted_at": validation.voted_at},
                label="",
                flagged=False,
                reason="",
                voted_at=None,
                expires_at=now + dt.timedelta(seconds=experiment.lease_seconds),
            )
    except LostRace:
        raise Conflict("too_late", _("This vote counts already and cannot be taken back.")) from None
    return validation


def expire_overdue() -> int:
    """End every validator's lease whose time is over; returns how many."""
    ended = 0
    for validation in Validation.objects.filter(state=ValidationState.LEASED, expires_at__lte=timezone.now()):
        try:
            # The condition spares a lease that was taken anew since it was read.
            move(validation, ValidationState.EXPIRED, where={"expires_at": validation.expires_at})
            ended += 1
        except LostRace:
            continue
    return ended


def _checked(experiment: Experiment, given: Vote) -> Vote:
    label = None
    if given.label is not None:
        label = experiment.task.schema.check_label("label", given.label)
    reason = given.reason
    if label is None or reason:
        reason = check_text("reason", reason, max_length=MAX_REASON)
    return Vote(label, reason)


def _leases(experiment: Experiment) -> QuerySet[Validation]:
    return Validation.objects.filter(example__arm__experiment=experiment, state=ValidationState.LEASED)


def _neediest(
    experiment: Experiment, annotator: Annotator, pending: QuerySet[Example], now: dt.datetime
) -> Example | None:
    voted = Q(validations__state=ValidationState.VOTED)
    live = Q(validations__state=ValidationState.LEASED, validations__expires_at__gt=now)
    candidates = list(
        pending.exclude(annotator=annotator)
        .exclude(pk__in=_seen_by(annotator))
        .annotate(votes=Count("validations", filter=voted), leases=Count("validations", filter=live))
        .filter(leases__lt=experiment.quorum)
        .order_by("votes", "submitted_at", "pk")[:CANDIDATES]
    )
    labels = defaultdict(list)
    ballots = Validation.objects.filter(example__in=candidates, state=ValidationState.VOTED)
    for example_id, label in ballots.values_list("example_id", "label"):
        labels[example_id].append(label or None)
    for example in candidates:
        tally = Tally.of(example.label, labels[example.pk])
        if votes_wanted(tally, experiment.quorum, experiment.max_validations) > example.leases:
            return example
    return None


def _seen_by(annotator: Annotator) -> QuerySet[Validation, int]:
    """The examples that this annotator has voted on."""
    return Validation.objects.filter(annotator=annotator, state=ValidationState.VOTED).values_list(
        "example_id", flat=True
    )


def _lease(experiment: Experiment, annotator: Annotator, example: Example, now: dt.datetime) -> Validation:
    expires_at = now + dt.timedelta(seconds=experiment.lease_seconds)
    standing = Validation.objects.filter(example=example, annotator=annotator).first()
    if standing is None:
        lease = Validation.objects.create(example=example, annotator=annotator, expires_at=expires_at)
        record(lease, ValidationState.LEASED)
        return lease
    if standing.state == ValidationState.LEASED:
        move(standing, ValidationState.EXPIRED)
    move(standing, ValidationState.LEASED, expires_at=expires_at)
    return standing


def _empty(experiment: Experiment, annotator: Annotator, pending: QuerySet[Example]) -> NothingToDo:
    """Why there is nothing for this annotator, and when there may be."""
    waiting = pending.count()
    if waiting == 0:
        none = _("No texts wait for validation right now.")
        return NothingToDo("none_waiting", f"{none} {_coming(experiment)}")
    others = pending.exclude(annotator=annotator).exclude(pk__in=_seen_by(annotator)).count()
    if others == 0:
        return NothingToDo(
            "only_own",
            ngettext(
                "%(count)d text waits, but you wrote or validated it; others have to look at it.",
                "%(count)d texts wait, but you wrote or validated each of them; others have to look at them.",
                waiting,
            )
            % {"count": waiting},
        )
    taken = ngettext(
        "%(count)d text waits, and others are validating it.",
        "%(count)d texts wait, and others are validating them.",
        others,
    ) % {"count": others}
    soonest = _leases(experiment).filter(expires_at__gt=timezone.now()).order_by("expires_at").first()
    if soonest is None:
        return NothingToDo("all_taken", f"{taken} {_('Please come back in a few minutes.')}")
    minutes = max(1, round((soonest.expires_at - timezone.now()).total_seconds() / 60))
    again = _("If one is not done, it becomes free in %(minutes)d min.") % {"minutes": minutes}
    return NothingToDo("all_taken", f"{taken} {again}")


def _coming(experiment: Experiment) -> str:
    writing = Assignment.objects.filter(
        experiment=experiment, state=AssignmentState.LEASED, expires_at__gt=timezone.now()
    ).count()
    if not writing:
        return _("There will be some when others have written; please come back later.")
    return ngettext(
        "%(count)d person is writing one now; please come back in a few minutes.",
        "%(count)d people are writing now; please come back in a few minutes.",
        writing,
    ) % {"count": writing}
