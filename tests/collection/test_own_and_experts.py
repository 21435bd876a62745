"""Taking back one's own text, flagging a context, drafts, and what an expert decides."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone

from annotators.models import LedgerEntry
from collection import adjudication, assignment, drafts, submission, validation
from collection.errors import Conflict, Invalid, NothingToDo, NotYours
from collection.models import Assignment, Context, ContextFlag, Draft, Example
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_retracted_example_gives_its_slot_and_its_text_back() -> None:
    experiment = factories.running(quota=1, contexts=["A man has a dog."])
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held), "He has a pet.")
    example = submission.submit(held.key, ada, stored.key)
    with pytest.raises(NothingToDo):
        assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    assert submission.retract(example.key, ada).state == "retracted"
    assert submission.retract(example.key, ada).state == "retracted"
    again = assignment.claim(experiment, ada)
    stored = factories.attempted(again, factories.fooled(again), "He has a pet.")
    assert submission.submit(again.key, ada, stored.key).state == "pending"


def test_what_is_submitted_cannot_be_given_back_any_more() -> None:
    example = factories.written(factories.running())
    with pytest.raises(Conflict) as refused:
        assignment.release(example.assignment.key, example.annotator)
    assert refused.value.code == "already_submitted"


def test_only_the_writer_retracts_and_only_before_it_is_decided() -> None:
    experiment = factories.running(quorum=1, max_validations=1)
    example = factories.written(experiment)
    with pytest.raises(NotYours):
        submission.retract(example.key, factories.person())
    factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    with pytest.raises(Conflict) as refused:
        submission.retract(example.key, example.annotator)
    assert refused.value.code == "decided"


def test_nobody_is_handed_a_retracted_example_to_validate() -> None:
    experiment = factories.running()
    example = factories.written(experiment)
    submission.retract(example.key, example.annotator)
    with pytest.raises(NothingToDo) as nothing:
        validation.claim_validation(experiment, factories.member_of(experiment, "static"))
    assert nothing.value.code == "none_waiting"


def test_flagging_a_context_records_why_and_gives_another_without_using_a_skip() -> None:
    experiment = factories.running(max_skips=0)
    ada = factories.member_of(experiment, "static")
    held = assignment.claim(experiment, ada)
    moved = assignment.flag_context(held.key, ada, "it is cut off")
    assert moved.context_id != held.context_id
    assert (moved.skips, moved.target_label) == (0, held.target_label)
    assert ContextFlag.objects.get().reason == "it is cut off"
    with pytest.raises(Conflict):
        assignment.skip_context(held.key, ada)


def test_a_context_is_flagged_once_by_each_and_not_without_a_reason() -> None:
    experiment = factories.running(contexts=["Only this one."])
    ada = factories.member_of(experiment, "static")
    held = assignment.claim(experiment, ada)
    with pytest.raises(Invalid) as invalid:
        assignment.flag_context(held.key, ada, " ")
    assert invalid.value.field == "reason"
    assignment.flag_context(held.key, ada, "nonsense")
    with pytest.raises(Conflict) as refused:
        assignment.flag_context(held.key, ada, "nonsense")
    assert refused.value.code == "already_flagged"
    assert (ContextFlag.objects.count(), Context.objects.count()) == (1, 1)


def test_an_explanation_is_stored_with_the_example_and_checked_like_any_text() -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held))
    bad = submission.Explanation(why_fooled="x\x00y")
    with pytest.raises(Invalid) as invalid:
        submission.submit(held.key, ada, stored.key, bad)
    assert invalid.value.field == "why_fooled"
    assert Example.objects.count() == 0
    good = submission.Explanation(" It says so. ", "It cannot count.")
    example = submission.submit(held.key, ada, stored.key, good)
    assert (example.why_label, example.why_fooled) == ("It says so.", "It cannot count.")


def test_where_no_model_is_shown_there_is_no_answer_to_why_it_was_fooled() -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "non-adversarial")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held))
    example = submission.submit(held.key, ada, stored.key, submission.Explanation("Yes.", "forged"))
    assert (example.why_label, example.why_fooled) == ("Yes.", "")


def test_a_draft_keeps_what_is_typed_field_by_field() -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    drafts.save_draft(held.key, ada, {"hypothesis": "half a sen\x00\ud800tence"})
    drafts.save_draft(held.key, ada, {"why_label": "because"})
    assert Draft.objects.get().texts == {"hypothesis": "half a sentence", "why_label": "because"}


@pytest.mark.parametrize(
    ("typed", "code"),
    [({"other": "x"}, "unknown_field"), ({"hypothesis": 3}, "too_long"), ({"hypothesis": "x" * 10_001}, "too_long")],
)
def test_a_draft_beyond_all_limits_is_refused(typed: dict[str, object], code: str) -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    with pytest.raises(Invalid) as invalid:
        drafts.save_draft(held.key, ada, typed)
    assert (invalid.value.field, invalid.value.code) == (next(iter(typed)), code)
    assert Draft.objects.count() == 0


def test_nobody_drafts_for_somebody_else() -> None:
    experiment = factories.running()
    held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    with pytest.raises(NotYours):
        drafts.save_draft(held.key, factories.person(), {"hypothesis": "mine"})


def test_a_text_outlives_the_lease_it_was_typed_under() -> None:
    experiment = factories.running()
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    drafts.save_draft(held.key, ada, {"hypothesis": "nearly done", "why_label": " "})
    Assignment.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert drafts.left_over(experiment, ada) == {"hypothesis": "nearly done"}
    again = assignment.claim(experiment, ada)
    assert drafts.left_over(experiment, ada, but=again) == {"hypothesis": "nearly done"}


def test_an_expert_decides_what_validators_flagged_and_the_writer_is_paid() -> None:
    experiment = factories.running(quorum=1, max_validations=1, base_pay_minor=5)
    example = factories.written(experiment)
    factories.voted(experiment, factories.member_of(experiment, "static"), None, "typo")
    expert = factories.person().user
    decided = adjudication.adjudicate(example.arm.experiment, example.key, expert, "accepted", "a typo is no fault")
    assert (decided.state, decided.ruling) == ("accepted", "a typo is no fault")
    adjudication.adjudicate(example.arm.experiment, example.key, expert, "accepted", "a typo is no fault")
    assert LedgerEntry.objects.filter(kind="base").count() == 1
    with pytest.raises(Conflict) as refused:
        adjudication.adjudicate(example.arm.experiment, example.key, expert, "rejected", "no, it is")
    assert refused.value.code == "decided"


def test_an_expert_cannot_overfill_a_round() -> None:
    experiment = factories.running(quota=1, quorum=1, max_validations=1)
    flagged = factories.written(experiment)
    factories.voted(experiment, factories.member_of(experiment, "static"), None)
    assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    expert = factories.person().user
    with pytest.raises(Conflict) as refused:
        adjudication.adjudicate(flagged.arm.experiment, flagged.key, expert, "accepted", "fine")
    assert refused.value.code == "round_full"
    assert (
        adjudication.adjudicate(flagged.arm.experiment, flagged.key, expert, "rejected", "too late").state == "rejected"
    )


@pytest.mark.parametrize(
    ("outcome", "reason", "field"), [("pending", "x", "outcome"), ("accepted", "", "reason"), ("rejected", 3, "reason")]
)
def test_an_expert_names_a_decision_and_a_reason(outcome: str, reason: object, field: str) -> None:
    example = factories.written(factories.running())
    with pytest.raises(Invalid) as invalid:
        adjudication.adjudicate(example.arm.experiment, example.key, factories.person().user, outcome, reason)
    assert invalid.value.field == field
    example.refresh_from_db()
    assert example.state == "pending"


def test_experts_do_not_decide_about_their_own_texts_or_about_nothing() -> None:
    example = factories.written(factories.running())
    for key, user in ((example.key, example.annotator.user), (uuid.uuid4(), factories.person().user)):
        with pytest.raises(NotYours):
            adjudication.adjudicate(example.arm.experiment, key, user, "accepted", "good")
