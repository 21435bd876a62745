"""Whoever sees the console of a study neither writes nor validates in it, whatever they were in it before."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotators.enrolment import enrolment_in
from annotators.membership import Role, grant
from annotators.models import Annotator, LedgerEntry
from collection import access, assignment, enrolment, sandbox, settlement, submission, validation
from collection.access import Right
from collection.errors import Conflict, NotYours
from collection.models import Assignment, Attempt, Example, Experiment, Validation
from modelserver.client import FakeModelClient
from tests import factories
from tests.collection.pages import VALIDATE, WRITE, attempt, logged_in, shown

pytestmark = pytest.mark.django_db
CONSOLE_ROLES = (Role.RESEARCHER, Role.OWNER, "admin")
API = "/api/v1/"


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment in which a vote can be taken back for a while."""
    return factories.running(
        quota=5, quorum=1, max_validations=1, undo_seconds=60, base_pay_minor=10, validation_pay_minor=3, sandbox=True
    )


def promoted(experiment: Experiment, somebody: Annotator, role: Role | str = Role.RESEARCHER) -> Annotator:
    """Somebody as a member of the study's console."""
    if role == "admin":
        somebody.user.is_superuser = True
        somebody.user.save()
    else:
        grant(experiment.key, somebody.user, Role(role))
    return somebody


def refused(act: Any) -> None:
    """The act is refused, because its doer sees too much."""
    with pytest.raises(Conflict) as caught:
        act()
    assert caught.value.code == "not_blind"


@pytest.mark.parametrize("role", CONSOLE_ROLES)
def test_who_was_enrolled_before_keeps_the_enrolment_and_gets_no_work(experiment: Experiment, role: str) -> None:
    factories.written(experiment)
    ada = promoted(experiment, factories.member_of(experiment, "dynamic"), role)
    assert enrolment_in(experiment.key, ada) is not None
    assert not access.rights(ada.user, experiment) & {Right.WRITE, Right.VALIDATE}
    refused(lambda: assignment.claim(experiment, ada))
    refused(lambda: validation.claim_validation(experiment, ada))
    refused(lambda: enrolment.join(experiment, ada))
    texts = {"premise": "A dog.", "hypothesis": "A cat."}
    refused(lambda: sandbox.try_out(experiment, ada, texts, FakeModelClient()))
    assert (Assignment.objects.filter(annotator=ada).count(), Validation.objects.count()) == (0, 0)


@pytest.mark.parametrize("role", CONSOLE_ROLES)
def test_who_was_a_researcher_before_cannot_be_enrolled(experiment: Experiment, role: str) -> None:
    ada = promoted(experiment, factories.person(), role)
    with pytest.raises(NotYours):
        enrolment.join(experiment, ada)
    refused(lambda: enrolment.enrol(experiment, ada))
    assert enrolment_in(experiment.key, ada) is None


def test_an_invitation_to_write_does_not_let_the_sites_admin_write() -> None:
    experiment = factories.running(open_enrolment=False)
    admin = promoted(experiment, factories.person(), "admin")
    grant(experiment.key, admin.user, Role.ANNOTATOR)
    assert not access.may_join(admin.user, experiment)
    assert not access.rights(admin.user, experiment) & {Right.WRITE, Right.VALIDATE}


def test_another_studys_researcher_writes_here(experiment: Experiment) -> None:
    ada = factories.member_of(experiment, "dynamic")
    promoted(factories.draft("other"), ada)
    assert assignment.claim(experiment, ada).state == "leased"


def test_a_lease_held_at_that_moment_brings_nothing_and_ends_with_its_text_kept(experiment: Experiment) -> None:
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held))
    promoted(experiment, ada)
    refused(lambda: factories.attempted(held, FakeModelClient()))
    refused(lambda: submission.submit(held.key, ada, stored.key))
    refused(lambda: assignment.skip_context(held.key, ada))
    refused(lambda: assignment.flag_context(held.key, ada, "odd"))
    Assignment.objects.filter(pk=held.pk).update(expires_at=timezone.now())
    assert assignment.expire_overdue() == 1
    assert assignment.free_slots(held.round) == experiment.quota
    assert Attempt.objects.get().texts == stored.texts


def test_a_lease_held_at_that_moment_can_be_given_back(experiment: Experiment) -> None:
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    promoted(experiment, ada)
    assignment.release(held.key, ada)
    assert Assignment.objects.get().state == "released"


def test_what_was_written_before_stands_and_is_not_taken_back_by_who_sees_its_votes(experiment: Experiment) -> None:
    example = factories.written(experiment)
    promoted(experiment, example.annotator)
    refused(lambda: submission.retract(example.key, example.annotator))
    factories.voted(experiment, factories.member_of(experiment, "static"), example.label)
    assert Example.objects.get().state == "pending"


def test_a_validators_lease_brings_no_vote_and_a_vote_given_before_counts(experiment: Experiment) -> None:
    factories.written(experiment)
    ben = factories.member_of(experiment, "static")
    lease = validation.claim_validation(experiment, ben)
    promoted(experiment, ben)
    refused(lambda: validation.vote(lease.key, ben, validation.Vote("entailment")))
    Validation.objects.update(expires_at=timezone.now())
    assert validation.expire_overdue() == 1
    chen = factories.member_of(experiment, "static")
    given = factories.voted(experiment, chen, "entailment").validations.get(annotator=chen)
    promoted(experiment, chen)
    refused(lambda: validation.undo(given.key, chen))
    Validation.objects.filter(pk=given.pk).update(voted_at=timezone.now() - dt.timedelta(hours=1))
    settlement.settle_due()
    assert LedgerEntry.objects.filter(annotator=chen).count() == 1


class TestPages:
    def test_send_who_sees_the_console_there_and_say_why(self, experiment: Experiment) -> None:
        client = logged_in(promoted(experiment, factories.member_of(experiment, "dynamic")))
        for path in (WRITE, VALIDATE):
            answer = client.get(path, follow=True)
            assert answer.redirect_chain == [("/studies/study/", 302)]
            assert "you neither write nor validate in it" in shown(answer)
        answer = client.post(VALIDATE, {"action": "claim"}, headers={"HX-Request": "true"})
        assert answer.headers["HX-Redirect"] == "/studies/study/"

    def test_keep_the_text_of_who_was_writing(self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = factories.client_that_says("entailment")
        monkeypatch.setattr("modelserver.registry.model_client", lambda: fake)
        ada = factories.member_of(experiment, "dynamic")
        held = assignment.claim(experiment, ada)
        client = logged_in(promoted(experiment, ada))
        answer = attempt(client, held, "There are dogs.")
        assert answer.status_code == 409
        assert "you neither write nor validate in it" in shown(answer)
        assert "There are dogs." in shown(answer)
        assert fake.calls == []
        assert Attempt.objects.count() == 0
        assert client.post(WRITE, {"action": "claim"}).status_code == 409


def test_the_api_refuses_by_key_and_knows_no_such_study(experiment: Experiment) -> None:
    factories.written(experiment)
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    stored = factories.attempted(held, factories.fooled(held))
    lease = validation.claim_validation(experiment, ada)
    client = Client()
    client.force_login(promoted(experiment, ada).user)

    def post(path: str, body: object) -> tuple[int, str]:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        answer = client.post(f"{API}{path}", json.dumps(body), content_type="application/json", headers=headers)
        return answer.status_code, answer.json()["code"]

    for path, body in (
        (f"assignments/{held.key}/attempts/", {"texts": {"hypothesis": "A dog."}}),
        (f"assignments/{held.key}/example/", {"attempt": str(stored.key)}),
        (f"assignments/{held.key}/skip/", {}),
        (f"validations/{lease.key}/vote/", {"label": "entailment"}),
    ):
        assert post(path, body) == (409, "not_blind")
    for path in ("assignments/", "validations/", "enrolment/"):
        assert post(f"experiments/study/{path}", {}) == (404, "not_found")
    assert client.delete(f"{API}assignments/{held.key}/").status_code == 204
