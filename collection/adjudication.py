"""An expert's decision about an example that validators have not decided, or have flagged."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from collection.assignment import free_slots
from collection.errors import Conflict, Invalid, NotYours
from collection.models import Example, Experiment, Round
from collection.nudges import nudge
from collection.settlement import credit_writer
from collection.states import ExampleState, RoundState
from collection.texts import MAX_REASON, check_text
from lifecycle.moves import LostRace, move

OUTCOMES = (ExampleState.ACCEPTED, ExampleState.REJECTED)
OPEN_TO_EXPERTS = (ExampleState.PENDING, ExampleState.FLAGGED)


def for_experts(experiment: Experiment) -> QuerySet[Example]:
    """Examples that an expert may decide, flagged ones first, then the oldest."""
    undecided = Example.objects.filter(arm__experiment=experiment, state__in=OPEN_TO_EXPERTS, erased_at=None)
    return undecided.select_related("attempt", "arm", "round", "annotator").order_by("state", "submitted_at", "pk")


def adjudicate(
    experiment: Experiment, key: uuid.UUID, expert: AbstractBaseUser, outcome: str, reason: object
) -> Example:
    """Decide a pending or flagged example, whatever its votes. The same decision again changes nothing.

    A flagged example has given its slot back: it is accepted only while its round is open and has a slot free.
    Raises Invalid for an unknown outcome or a reason that is none, NotYours for an unknown example or the expert's
    own, and Conflict for one that was decided otherwise or has no slot.
    """
    if outcome not in OUTCOMES:
        raise Invalid("outcome", _("Must be one of: %(names)s.") % {"names": ", ".join(OUTCOMES)})
    said = check_text("reason", reason, max_length=MAX_REASON)
    found = Example.objects.filter(key=key, arm__experiment=experiment)
    example = found.select_related("arm__experiment", "annotator", "attempt").first()
    if example is None or example.annotator.user_id == expert.pk:
        raise NotYours("example")
    try:
        with transaction.atomic():
            # The round's row first, as for handing out a slot; then the example's, as for counting votes.
            round_ = Round.objects.select_for_update().get(pk=example.round_id)
            locked = Example.objects.select_for_update().get(pk=example.pk)
            example.state = locked.state
            if example.state == outcome:
                return example
            if locked.erased_at is not None:
                raise Conflict("erased", _("The text of this example was erased; nobody can judge it any more."))
            if example.state not in OPEN_TO_EXPERTS:
                raise Conflict("decided", _("This example was decided already."))
            if outcome == ExampleState.ACCEPTED:
                _check_slot(round_, example)
            move(example, ExampleState(outcome), actor=expert, ruling=said, decided_at=timezone.now())
            if outcome == ExampleState.ACCEPTED:
                credit_writer(example.arm.experiment, example)
            nudge()
    except LostRace:
        raise Conflict("decided", _("This example was decided already.")) from None
    return example


def _check_slot(round_: Round, example: Example) -> None:
    if round_.state != RoundState.OPEN:
        raise Conflict("round_closed", _("The round of this example is closed; its data are fixed."))
    if example.state == ExampleState.FLAGGED and free_slots(round_) == 0:
        raise Conflict("round_full", _("All slots of the round are taken; this one can only be rejected."))
