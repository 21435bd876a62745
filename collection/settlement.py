"""When a vote counts: as soon as it cannot be taken back any more, in one transaction with all that it decides."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotators.ledger import credit
from annotators.models import Annotator, LedgerEntry
from collection.models import Example, Experiment, Validation
from collection.nudges import nudge
from collection.quorum import Tally, decide
from collection.states import ExampleState, ValidationState
from lifecycle.moves import move


def settle(validation: Validation) -> bool:
    """Make a vote count: pay its validator and, if it decides the example, decide it. False if it was settled or
    taken back meanwhile."""
    with transaction.atomic():
        # The example's row is locked, so that of two last votes the second sees the first.
        example = Example.objects.select_for_update().get(pk=validation.example_id)
        return settle_locked(validation, example)


def settle_locked(validation: Validation, example: Example) -> bool:
    """The same, for a caller that has locked the example's row."""
    now = timezone.now()
    counted = Validation.objects.filter(
        pk=validation.pk, state=ValidationState.VOTED, settled_at=None, voted_at=validation.voted_at
    ).update(settled_at=now)
    if not counted:
        return False
    validation.settled_at = now
    experiment = validation.example.arm.experiment
    pay = experiment.pay(experiment.validation_pay_minor)
    credit(validation.annotator, experiment.key, LedgerEntry.Kind.VALIDATION, f"validation:{validation.key}", pay)
    if example.state == ExampleState.PENDING:
        _decide(experiment, example)
    return True


def settle_due() -> int:
    """Settle every vote whose time to be taken back is over; returns how many."""
    return sum(settle(validation) for validation in unsettled() if taken_back_until(validation) <= timezone.now())


def settle_earlier(latest: Validation) -> None:
    """Settle what a validator voted before the latest vote of an experiment: only the last one can be taken back."""
    experiment = latest.example.arm.experiment
    for validation in unsettled_votes(latest.annotator, experiment).exclude(pk=latest.pk):
        settle(validation)


def unsettled() -> QuerySet[Validation]:
    """Votes that do not count yet, oldest first."""
    votes = Validation.objects.filter(state=ValidationState.VOTED, settled_at=None)
    return votes.select_related("annotator", "example__arm__experiment__task").order_by("voted_at", "pk")


def unsettled_votes(annotator: Annotator, experiment: Experiment) -> QuerySet[Validation]:
    """The votes of an annotator in an experiment that do not count, and are not paid, yet."""
    return unsettled().filter(annotator=annotator, example__arm__experiment=experiment)


def taken_back_until(validation: Validation) -> dt.datetime:
    """Until when a vote can be taken back."""
    assert validation.voted_at is not None
    return validation.voted_at + dt.timedelta(seconds=validation.example.arm.experiment.undo_seconds)


def tally_of(example: Example) -> Tally:
    """The votes on an example that count so far."""
    votes = example.validations.exclude(settled_at=None).values_list("label", flat=True)
    return Tally.of(example.label, [label or None for label in votes])


def credit_writer(experiment: Experiment, example: Example) -> None:
    """Base pay for an accepted example, and the bonus if it fooled the model. In the transaction of the acceptance."""
    base = experiment.pay(experiment.base_pay_minor)
    credit(example.annotator, experiment.key, LedgerEntry.Kind.BASE, f"example:{example.key}:base", base)
    if example.attempt.fooled:
        bonus = experiment.pay(experiment.fooling_bonus_minor)
        credit(example.annotator, experiment.key, LedgerEntry.Kind.BONUS, f"example:{example.key}:bonus", bonus)


def _decide(experiment: Experiment, example: Example) -> None:
    outcome = decide(tally_of(example), experiment.quorum, experiment.max_validations)
    if outcome is ExampleState.PENDING:
        return
    move(example, outcome, decided_at=timezone.now())
    if outcome is ExampleState.ACCEPTED:
        credit_writer(experiment, example)
    nudge()
