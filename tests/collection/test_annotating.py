"""Slots, contexts, labels, leases; votes and what they pay."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from annotators.models import LedgerEntry
from collection import assignment, experiments, submission, validation
from collection.errors import Conflict, Invalid, NothingToDo, NotYours
from collection.models import Assignment, Attempt, ContextDraw, Example, Experiment, Validation
from modelserver.client import FakeModelClient, Rejected
from tests import factories

pytestmark = pytest.mark.django_db


def expire(lease: Assignment | Validation) -> None:
    """Let a lease's time be over."""
    type(lease).objects.filter(pk=lease.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))


def claimed(experiment: Experiment, arm: str = "dynamic") -> Assignment:
    """A new assignment of somebody new."""
    return assignment.claim(experiment, factories.member_of(experiment, arm))


def test_target_labels_are_balanced_in_every_round() -> None:
    experiment = factories.running(quota=10)
    labels = Counter(claimed(experiment).target_label for _ in range(10))
    assert labels == {"entailment": 5, "not_entailment": 5}


def test_every_arm_deals_out_the_same_contexts_in_the_same_order() -> None:
    experiment = factories.running(quota=10)
    dealt = {
        arm: [claimed(experiment, arm).context.text for _ in range(6)]  # type: ignore[union-attr]
        for arm in ("non-adversarial", "static", "dynamic")
    }
    assert dealt["non-adversarial"] == dealt["static"] == dealt["dynamic"]
    assert len(set(dealt["static"])) == 6


def test_a_skip_keeps_label_slot_and_tries_and_is_limited_and_recorded() -> None:
    experiment = factories.running(max_skips=1, max_tries=2)
    held = claimed(experiment)
    factories.attempted(held, factories.client_that_says(held.target_label))
    skipped = assignment.skip_context(held.key, held.annotator)
    assert skipped.pk == held.pk
    assert skipped.context != held.context
    assert skipped.target_label == held.target_label
    assert submission.tries_left(skipped) == 1
    assert ContextDraw.objects.exclude(skipped_at=None).get().context == held.context
    with pytest.raises(Conflict) as refused:
        assignment.skip_context(held.key, held.annotator)
    assert refused.value.code == "no_skips_left"


def test_a_lease_that_is_over_gives_its_slot_to_the_next() -> None:
    experiment = factories.running(quota=1)
    held = claimed(experiment)
    other = factories.member_of(experiment, "dynamic")
    with pytest.raises(NothingToDo) as nothing:
        assignment.claim(experiment, other)
    assert nothing.value.code == "round_full"
    assert "min" in nothing.value.message
    stored = factories.attempted(held, factories.fooled(held))
    expire(held)
    assert assignment.claim(experiment, other).annotator == other
    for late in (
        lambda: factories.attempted(held, factories.fooled(held)),
        lambda: submission.submit(held.key, held.annotator, stored.key),
        lambda: assignment.skip_context(held.key, held.annotator),
    ):
        with pytest.raises(Conflict) as refused:
            late()
        assert refused.value.code == "lease_expired"
    assert Example.objects.count() == 0


def test_nothing_is_taken_in_a_round_that_is_closed() -> None:
    experiment = factories.running()
    held = claimed(experiment)
    stored = factories.attempted(held, factories.fooled(held))
    experiments.end(experiment)
    for late in (
        lambda: factories.attempted(held, factories.fooled(held)),
        lambda: submission.submit(held.key, held.annotator, stored.key),
    ):
        with pytest.raises(Conflict) as refused:
            late()
        assert refused.value.code == "round_closed"
    assert (Attempt.objects.count(), Example.objects.count()) == (1, 0)


def test_giving_back_frees_the_slot_and_may_be_done_twice() -> None:
    experiment = factories.running(quota=1)
    held = claimed(experiment)
    assignment.release(held.key, held.annotator)
    assignment.release(held.key, held.annotator)
    assert claimed(experiment).pk != held.pk


def test_a_rejected_example_gives_its_slot_back_and_an_accepted_one_does_not() -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    example = factories.written(experiment)
    with pytest.raises(NothingToDo):
        claimed(experiment)
    other = next(label for label in factories.LABELS if label != example.label)
    factories.voted(experiment, factories.member_of(experiment, "static"), other)
    factories.accepted(experiment, "dynamic", 1)
    with pytest.raises(NothingToDo):
        claimed(experiment)


def test_an_example_is_submitted_when_it_fooled_or_the_tries_are_used_up() -> None:
    experiment = factories.running(max_tries=2)
    held = claimed(experiment)
    right = factories.client_that_says(held.target_label)
    first = factories.attempted(held, right)
    with pytest.raises(Conflict) as refused:
        submission.submit(held.key, held.annotator, first.key)
    assert refused.value.code == "tries_left"
    factories.attempted(held, right)
    with pytest.raises(Conflict) as refused:
        factories.attempted(held, right)
    assert refused.value.code == "no_tries_left"
    assert submission.submit(held.key, held.annotator, first.key).attempt == first


def test_a_text_that_waits_keeps_its_slot_and_is_judged_by_the_version_of_its_round() -> None:
    experiment = factories.running(quota=1, lease_seconds=60)
    held = claimed(experiment)
    client = factories.fooled(held)
    client.down = True
    stored = factories.attempted(held, client)
    held.refresh_from_db()
    assert held.expires_at > timezone.now() + dt.timedelta(hours=23)
    submission.judge_waiting(client)
    stored.refresh_from_db()
    assert stored.state == "waiting"
    client.down = False
    assert submission.judge_waiting(client) == 1
    assert submission.judge_waiting(client) == 0
    stored.refresh_from_db()
    held.refresh_from_db()
    assert (stored.state, stored.fooled, str(stored.model_version)) == ("judged", True, "base/0")
    assert held.expires_at < timezone.now() + dt.timedelta(seconds=61)


def test_a_text_that_the_model_cannot_read_costs_no_try() -> None:
    experiment = factories.running(max_tries=1)
    held = claimed(experiment)

    class Unreadable(FakeModelClient):
        def predict_one(self, *_: object) -> object:  # type: ignore[override]
            raise Rejected("text_pair: is 300 tokens long", is_input=True)

    with pytest.raises(Invalid) as refused:
        factories.attempted(held, Unreadable())
    assert (refused.value.field, refused.value.code) == ("hypothesis", "unreadable")
    away = factories.fooled(held)
    away.down = True
    stored = factories.attempted(held, away)
    submission.judge_waiting(Unreadable())
    stored.refresh_from_db()
    assert stored.state == "refused"
    assert submission.tries_left(held) == 1


def test_a_version_that_the_server_lacks_is_waited_for() -> None:
    experiment = factories.running()
    held = claimed(experiment)

    class Lacking(FakeModelClient):
        def predict_one(self, *_: object) -> object:  # type: ignore[override]
            raise Rejected("there is no model base/0", is_input=False)

    assert factories.attempted(held, Lacking()).state == "waiting"


def test_no_model_is_asked_in_a_non_adversarial_arm() -> None:
    experiment = factories.running()
    held = claimed(experiment, "non-adversarial")
    client = FakeModelClient()
    stored = factories.attempted(held, client)
    assert client.calls == []
    assert (stored.state, stored.model_version, stored.prediction, stored.fooled) == ("recorded", None, "", None)
    assert submission.submit(held.key, held.annotator, stored.key).state == "pending"


def test_the_same_text_is_taken_once_an_arm() -> None:
    experiment = factories.running(contexts=["A man has a dog."], label_policy="free", quota=5)
    client = factories.client_that_says("entailment")
    for arm, fine in (("non-adversarial", True), ("non-adversarial", False), ("static", True)):
        held = claimed(experiment, arm)
        text: dict[str, object] = {"hypothesis": "He HAS a pet!"}
        if fine:
            stored = submission.attempt(held.key, held.annotator, text, "not_entailment", "k", client)
            submission.submit(held.key, held.annotator, stored.key)
        else:
            with pytest.raises(Invalid) as refused:
                submission.attempt(held.key, held.annotator, text, "not_entailment", "k", client)
            assert refused.value.code == "duplicate"
    assert Attempt.objects.count() == 2


def test_the_queue_gives_the_fewest_votes_first_then_the_oldest() -> None:
    experiment = factories.running(quota=9, quorum=2, max_validations=3)
    first, second = factories.written(experiment), factories.written(experiment)
    given = [factories.voted(experiment, factories.member_of(experiment, "static"), item.label) for item in (first,)]
    assert given == [first]
    lease = validation.claim_validation(experiment, factories.member_of(experiment, "static"))
    assert lease.example == second


def test_nobody_validates_an_own_example_or_one_twice() -> None:
    experiment = factories.running(quota=9, quorum=2, max_validations=3)
    example = factories.written(experiment)
    with pytest.raises(NothingToDo) as nothing:
        validation.claim_validation(experiment, example.annotator)
    assert nothing.value.code == "only_own"
    forged = Validation.objects.create(
        example=example, annotator=example.annotator, expires_at=timezone.now() + dt.timedelta(hours=1)
    )
    with pytest.raises(NotYours):
        validation.vote(forged.key, example.annotator, validation.Vote(example.label))
    ben = factories.member_of(experiment, "static")
    lease = validation.claim_validation(experiment, ben)
    vote = validation.Vote(example.label)
    validation.vote(lease.key, ben, vote)
    assert validation.vote(lease.key, ben, vote).state == "voted"
    other = next(label for label in factories.LABELS if label != example.label)
    with pytest.raises(Conflict) as refused:
        validation.vote(lease.key, ben, validation.Vote(other))
    assert refused.value.code == "already_voted"
    with pytest.raises(NothingToDo):
        validation.claim_validation(experiment, ben)
    with pytest.raises(NotYours):
        validation.vote(lease.key, factories.person(), vote)


def test_a_validators_lease_ends_and_comes_back() -> None:
    experiment = factories.running(quorum=1, max_validations=1)
    example = factories.written(experiment)
    ben, chen = factories.member_of(experiment, "static"), factories.member_of(experiment, "static")
    lease = validation.claim_validation(experiment, ben)
    with pytest.raises(NothingToDo) as nothing:
        validation.claim_validation(experiment, chen)
    assert nothing.value.code == "all_taken"
    expire(lease)
    with pytest.raises(Conflict) as refused:
        validation.vote(lease.key, ben, validation.Vote(example.label))
    assert refused.value.code == "lease_expired"
    assert validation.expire_overdue() == 1
    assert validation.claim_validation(experiment, ben).pk == lease.pk


def test_a_lease_taken_anew_while_the_overdue_are_ended_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = factories.running(quorum=1, max_validations=1)
    factories.written(experiment)
    ben = factories.member_of(experiment, "static")
    lease = validation.claim_validation(experiment, ben)
    expire(lease)
    move, moved = validation.move, []

    def taken_meanwhile(subject: Validation, *arguments: Any, **options: Any) -> None:
        if not moved:
            moved.append(subject)
            validation.claim_validation(experiment, ben)
        move(subject, *arguments, **options)

    monkeypatch.setattr(validation, "move", taken_meanwhile)
    assert validation.expire_overdue() == 0
    lease.refresh_from_db()
    assert moved == [lease]
    assert lease.state == "leased"
    assert lease.expires_at > timezone.now()


def test_a_vote_that_comes_after_the_decision_is_kept_and_paid_and_changes_nothing() -> None:
    experiment = factories.running(quorum=2, max_validations=4, validation_pay_minor=3)
    example = factories.written(experiment)
    crowd = [factories.member_of(experiment, "static") for _ in range(3)]
    leases = [validation.claim_validation(experiment, who) for who in crowd[:2]]
    late = Validation.objects.create(
        example=example, annotator=crowd[2], expires_at=timezone.now() + dt.timedelta(hours=1)
    )
    for lease in leases:
        validation.vote(lease.key, lease.annotator, validation.Vote(example.label))
    other = next(label for label in factories.LABELS if label != example.label)
    validation.vote(late.key, crowd[2], validation.Vote(other))
    example.refresh_from_db()
    assert example.state == "accepted"
    assert LedgerEntry.objects.filter(kind="validation").count() == 3


@pytest.mark.parametrize(("arm", "kinds"), [("dynamic", ["base", "bonus"]), ("non-adversarial", ["base"])])
def test_acceptance_pays_the_base_and_a_bonus_only_for_what_fooled_a_model(arm: str, kinds: list[str]) -> None:
    experiment = factories.running(quorum=1, max_validations=1, base_pay_minor=20, fooling_bonus_minor=30)
    example = factories.accepted(experiment, arm, 1)[0]
    entries = LedgerEntry.objects.filter(annotator=example.annotator)
    assert sorted(entries.values_list("kind", flat=True)) == kinds


def test_a_rejected_example_pays_nothing() -> None:
    experiment = factories.running(quorum=1, max_validations=1, base_pay_minor=20, fooling_bonus_minor=30)
    example = factories.written(experiment)
    other = next(label for label in factories.LABELS if label != example.label)
    factories.voted(experiment, factories.member_of(experiment, "static"), other)
    example.refresh_from_db()
    assert example.state == "rejected"
    assert LedgerEntry.objects.count() == 0
