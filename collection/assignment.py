"""Leasing a slot of a round to a writer, with a context and a target label.

A round has ``quota`` slots. A slot is held by a live lease, a pending example or an accepted one; a lease that
expires and an example that is rejected or flagged give theirs back. Handing one out locks the round's row and
counts, so a round never gets more accepted examples than its quota, and always gets them all.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections import Counter

from django.db import transaction
from django.db.models import Max, Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotators.models import Annotator
from collection.enrolment import arm_of, check_blind
from collection.errors import Conflict, NothingToDo, NotYours
from collection.models import Arm, Assignment, Attempt, Context, ContextDraw, ContextFlag, Example, Experiment, Round
from collection.states import AssignmentState, AttemptState, ExampleState, ExperimentState, RoundState
from collection.texts import MAX_REASON, check_text
from lifecycle.moves import LostRace, move, record

HOLDS_SLOT = (ExampleState.PENDING, ExampleState.ACCEPTED)


def claim(experiment: Experiment, annotator: Annotator) -> Assignment:
    """The annotator's live assignment, or a new one. Asking again gives the same one.

    Raises Conflict for somebody not enrolled and NothingToDo, with the reason, when there is no slot.
    """
    arm = arm_of(experiment, annotator)
    with transaction.atomic():
        round_ = _lock_open_round(experiment, arm)
        standing = Assignment.objects.filter(
            experiment=experiment, annotator=annotator, state=AssignmentState.LEASED
        ).first()
        now = timezone.now()
        if standing is not None:
            if standing.expires_at > now:
                return standing
            move(standing, AssignmentState.EXPIRED)
        holders = _slot_labels(round_)
        if len(holders) >= round_.quota:
            raise _full(round_)
        assignment = Assignment.objects.create(
            experiment=experiment,
            round=round_,
            annotator=annotator,
            target_label=_target_label(experiment, round_, holders),
            expires_at=now + dt.timedelta(seconds=experiment.lease_seconds),
        )
        record(assignment, AssignmentState.LEASED)
        if experiment.task.schema.context_field is not None:
            _draw(arm, assignment)
    return assignment


def held_assignment(experiment: Experiment, annotator: Annotator) -> Assignment | None:
    """The annotator's live assignment in an experiment, if there is one."""
    live = whole().filter(experiment=experiment, annotator=annotator, state=AssignmentState.LEASED)
    return live.filter(expires_at__gt=timezone.now()).first()


def whole() -> QuerySet[Assignment]:
    """Assignments with all that a writer's page and a verdict need, in two queries: the second has the attempts."""
    related = ("annotator", "round__arm", "round__model_version", "experiment__task", "context", "draft")
    attempts = Prefetch("attempts", Attempt.objects.select_related("model_version").order_by("index"))
    return Assignment.objects.select_related(*related).prefetch_related(attempts)


def own_assignment(key: uuid.UUID, annotator: Annotator) -> Assignment:
    """An assignment of this annotator, with its round, arm, experiment, task and attempts. Raises NotYours."""
    try:
        return whole().get(key=key, annotator=annotator)
    except Assignment.DoesNotExist:
        raise NotYours("assignment") from None


def check_live(assignment: Assignment) -> None:
    """Raises Conflict unless the lease is live and its round open."""
    if assignment.round.state != RoundState.OPEN:
        raise Conflict("round_closed", _("This round is closed."))
    if assignment.state == AssignmentState.SUBMITTED:
        raise Conflict("already_submitted", _("You have submitted this one already."))
    if assignment.state == AssignmentState.RELEASED:
        raise Conflict("released", _("You have given this one back."))
    if assignment.state == AssignmentState.EXPIRED or assignment.expires_at <= timezone.now():
        raise Conflict(
            "lease_expired", _("Your time for this one is over. Please take a new one; your text is still with you.")
        )


def skip_context(key: uuid.UUID, annotator: Annotator) -> Assignment:
    """Exchange the context of a live assignment. The slot, the target label and the tries used stay as they are.

    Raises Conflict if the experiment's number of skips is used up, or a text waits for its verdict.
    """
    assignment = own_assignment(key, annotator)
    with transaction.atomic():
        assignment = _locked_for_exchange(assignment)
        limit = assignment.experiment.max_skips
        if limit is not None and assignment.skips >= limit:
            raise Conflict(
                "no_skips_left", _("You have used all your skips for this one (%(limit)d).") % {"limit": limit}
            )
        assignment.skips += 1
        assignment.save(update_fields=["skips"])
        _exchange(assignment)
    return assignment


def flag_context(key: uuid.UUID, annotator: Annotator, reason: object) -> Assignment:
    """Say that something is wrong with the context of a live assignment, and get another. This is not one of the
    skips that are counted; each annotator can flag a context once, so it does not go on for ever.

    Raises Invalid for a reason that is none, and Conflict as for a skip.
    """
    assignment = own_assignment(key, annotator)
    said = check_text("reason", reason, max_length=MAX_REASON)
    with transaction.atomic():
        assignment = _locked_for_exchange(assignment)
        assert assignment.context is not None
        _flag, fresh = ContextFlag.objects.get_or_create(
            context=assignment.context, annotator=annotator, defaults={"reason": said}
        )
        if not fresh:
            raise Conflict("already_flagged", _("You have flagged this text already; you can skip it."))
        _exchange(assignment)
    return assignment


def release(key: uuid.UUID, annotator: Annotator) -> None:
    """Give a slot back unused. Giving it back twice is fine. Raises Conflict if it was submitted."""
    assignment = own_assignment(key, annotator)
    if assignment.state in (AssignmentState.RELEASED, AssignmentState.EXPIRED):
        return
    if assignment.state == AssignmentState.LEASED:
        try:
            move(assignment, AssignmentState.RELEASED, actor=annotator.user)
        except LostRace:
            assignment.refresh_from_db()
    if assignment.state == AssignmentState.SUBMITTED:
        raise Conflict("already_submitted", _("You have submitted this one already."))


def expire_overdue() -> int:
    """End every lease whose time is over; returns how many."""
    ended = 0
    for assignment in Assignment.objects.filter(state=AssignmentState.LEASED, expires_at__lte=timezone.now()):
        try:
            # The condition spares a lease that was extended since it was read.
            move(assignment, AssignmentState.EXPIRED, where={"expires_at": assignment.expires_at})
            ended += 1
        except LostRace:
            continue
    return ended


def free_slots(round_: Round) -> int:
    """How many slots nobody holds. Exact only for a caller that has locked the round's row."""
    return max(0, round_.quota - len(_slot_labels(round_)))


def _lock_open_round(experiment: Experiment, arm: Arm) -> Round:
    state = Experiment.objects.values_list("state", flat=True).get(pk=experiment.pk)
    if state == ExperimentState.PAUSED:
        raise NothingToDo("paused", _("This study is paused. Please come back later."))
    if state != ExperimentState.RUNNING:
        raise NothingToDo("study_over", _("This study is not collecting."))
    round_ = Round.objects.select_for_update().filter(arm=arm, state=RoundState.OPEN).first()
    if round_ is None:
        if arm.rounds.filter(number=experiment.rounds, state=RoundState.DONE).exists():
            raise NothingToDo("arm_over", _("All rounds of your group are complete. Thank you!"))
        complete = _("The last round is complete; the next one is being prepared.")
        raise NothingToDo("between_rounds", f"{complete} {_ready(arm)}")
    return round_


def _ready(arm: Arm) -> str:
    """When the next round can be expected. The same words in every arm: each of them trains."""
    last = arm.rounds.select_related("training_run").order_by("-number").first()
    seconds = (last.training_run.progress or {}).get("eta_s") if last is not None and last.training_run else None
    if seconds is None:
        return _("Please come back in a few minutes.")
    return _("Please come back in about %(minutes)d min.") % {"minutes": 1 + int(seconds) // 60}


def _slot_labels(round_: Round) -> list[str]:
    """The labels of all who hold a slot of the round."""
    now = timezone.now()
    leased = round_.assignments.filter(state=AssignmentState.LEASED, expires_at__gt=now)
    examples = Example.objects.filter(round=round_, state__in=HOLDS_SLOT)
    return [*leased.values_list("target_label", flat=True), *examples.values_list("label", flat=True)]


def _full(round_: Round) -> NothingToDo:
    soonest = (
        round_.assignments.filter(state=AssignmentState.LEASED, expires_at__gt=timezone.now())
        .order_by("expires_at")
        .values_list("expires_at", flat=True)
        .first()
    )
    if soonest is None:
        return NothingToDo("round_full", _("This round has all its texts; they are being validated."))
    minutes = max(1, round((soonest - timezone.now()).total_seconds() / 60))
    message = _("Others are writing the last texts of this round. One may become free in %(minutes)d min.")
    return NothingToDo("round_full", message % {"minutes": minutes})


def _target_label(experiment: Experiment, round_: Round, holders: list[str]) -> str:
    """The label that the round has least of, ties broken by the experiment's seed; empty where writers choose."""
    if experiment.label_policy == Experiment.Labels.FREE:
        return ""
    counts = Counter(holders)
    names = experiment.task.schema.label_names
    fewest = min(counts[name] for name in names)
    dealt = Assignment.objects.filter(round=round_).count()
    chooser = random.Random(f"label:{experiment.seed}:{round_.number}:{dealt}")
    return chooser.choice([name for name in names if counts[name] == fewest])


def _draw(arm: Arm, assignment: Assignment) -> None:
    """Deal the arm's next context: every arm goes through the same shuffled order, round and round."""
    last = ContextDraw.objects.filter(arm=arm).aggregate(last=Max("index"))["last"]
    index = 0 if last is None else last + 1
    contexts = Context.objects.filter(experiment_id=assignment.experiment_id)
    context = contexts.get(position=index % contexts.count())
    ContextDraw.objects.create(arm=arm, index=index, context=context, assignment=assignment)
    assignment.context = context
    assignment.save(update_fields=["context"])


def _locked_for_exchange(assignment: Assignment) -> Assignment:
    """The assignment, read with its round's row locked, if its context may be exchanged. Raises Conflict."""
    Round.objects.select_for_update().get(pk=assignment.round_id)
    assignment = own_assignment(assignment.key, assignment.annotator)
    check_blind(assignment.experiment, assignment.annotator)
    check_live(assignment)
    if assignment.context is None:
        raise Conflict("no_context", _("This task has no context to skip."))
    if assignment.attempts.filter(state=AttemptState.WAITING).exists():
        raise Conflict("verdict_pending", _("Your text waits for the model. Please wait for its answer first."))
    return assignment


def _exchange(assignment: Assignment) -> None:
    assignment.draws.filter(skipped_at=None).update(skipped_at=timezone.now())
    _draw(assignment.round.arm, assignment)
