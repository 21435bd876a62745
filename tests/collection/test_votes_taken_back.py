"""A vote counts when it cannot be taken back any more, and not before."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from annotators.models import LedgerEntry
from collection import settlement, submission, validation
from collection.errors import Conflict, NothingToDo, NotYours
from collection.models import Example, Experiment, Validation
from lifecycle.models import StateChange
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment() -> Experiment:
    """One vote decides, and can be taken back for a minute."""
    return factories.running(
        quota=5, quorum=1, max_validations=1, undo_seconds=60, base_pay_minor=7, validation_pay_minor=2
    )


def given(example: Example, label: str | None = None) -> Validation:
    """A vote of somebody new; for the writer's label unless another is named."""
    validator = factories.member_of(example.arm.experiment, "static")
    lease = validation.claim_validation(example.arm.experiment, validator)
    assert lease.example == example
    return validation.vote(lease.key, validator, validation.Vote(label or example.label))


def a_minute_later(vote: Validation) -> None:
    """As if the vote had been given a minute before."""
    Validation.objects.filter(pk=vote.pk).update(voted_at=timezone.now() - dt.timedelta(seconds=61))


def test_a_vote_decides_and_pays_when_its_minute_is_over(experiment: Experiment) -> None:
    example = factories.written(experiment)
    vote = given(example)
    assert settlement.settle_due() == 0
    example.refresh_from_db()
    assert example.state == "pending"
    assert LedgerEntry.objects.count() == 0
    a_minute_later(vote)
    assert settlement.settle_due() == 1
    example.refresh_from_db()
    assert example.state == "accepted"
    assert sorted(LedgerEntry.objects.values_list("kind", "minor")) == [("base", 7), ("validation", 2)]
    assert settlement.settle_due() == 0
    assert LedgerEntry.objects.count() == 2


def test_a_vote_settled_twice_counts_once(experiment: Experiment) -> None:
    vote = given(factories.written(experiment))
    assert settlement.settle(vote)
    assert not settlement.settle(vote)
    assert LedgerEntry.objects.filter(kind="validation").count() == 1


def test_a_vote_taken_back_is_a_lease_again_and_stays_on_record(experiment: Experiment) -> None:
    example = factories.written(experiment)
    vote = given(example)
    undone = validation.undo(vote.key, vote.annotator)
    assert (undone.state, undone.label, undone.voted_at) == ("leased", "", None)
    assert validation.undo(vote.key, vote.annotator).state == "leased"
    event = StateChange.objects.filter(subject_type="collection.validation", to_state="leased").latest("pk")
    assert event.detail == {"undone": {"label": example.label, "flagged": False, "reason": ""}}
    other = next(label for label in factories.LABELS if label != example.label)
    again = validation.vote(vote.key, vote.annotator, validation.Vote(other))
    settlement.settle(again)
    example.refresh_from_db()
    assert example.state == "rejected"


def test_taking_back_ends_the_lease_taken_since(experiment: Experiment) -> None:
    first, second = factories.written(experiment), factories.written(experiment)
    vote = given(first)
    lease = validation.claim_validation(experiment, vote.annotator)
    assert lease.example == second
    validation.undo(vote.key, vote.annotator)
    lease.refresh_from_db()
    assert lease.state == "expired"
    held = validation.held_validation(experiment, vote.annotator)
    assert held is not None
    assert held.pk == vote.pk


def test_only_the_last_vote_can_be_taken_back_and_the_one_before_counts(experiment: Experiment) -> None:
    factories.written(experiment), factories.written(experiment)
    first = given(Example.objects.earliest("pk"))
    lease = validation.claim_validation(experiment, first.annotator)
    validation.vote(lease.key, first.annotator, validation.Vote(lease.example.label))
    first.refresh_from_db()
    assert first.settled_at is not None
    with pytest.raises(Conflict) as refused:
        validation.undo(first.key, first.annotator)
    assert refused.value.code == "too_late"


def test_a_vote_cannot_be_taken_back_late_by_a_stranger_or_of_a_retracted_text(experiment: Experiment) -> None:
    example = factories.written(experiment)
    vote = given(example)
    with pytest.raises(NotYours):
        validation.undo(vote.key, factories.person())
    submission.retract(example.key, example.annotator)
    with pytest.raises(Conflict) as refused:
        validation.undo(vote.key, vote.annotator)
    assert refused.value.code == "decided"
    a_minute_later(vote)
    with pytest.raises(Conflict) as refused:
        validation.undo(vote.key, vote.annotator)
    assert refused.value.code == "too_late"


def test_a_vote_that_does_not_count_yet_still_fills_its_place_in_the_queue(experiment: Experiment) -> None:
    example = factories.written(experiment)
    vote = given(example)
    late = factories.member_of(experiment, "static")
    with pytest.raises(NothingToDo):
        validation.claim_validation(experiment, late)
    validation.undo(vote.key, vote.annotator)
    with pytest.raises(NothingToDo) as nothing:
        validation.claim_validation(experiment, late)
    assert nothing.value.code == "all_taken"
    assert "it becomes free in 30 min" in nothing.value.message
