"""The first pages: who sees what, and the way from a text to a verdict to a vote, without JavaScript."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from annotators.models import Annotator
from collection import assignment
from collection.models import Assignment, Attempt, Example, Experiment, Validation
from modelserver.client import FakeModelClient
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment."""
    return factories.running(quota=5, quorum=1, max_validations=1, max_tries=2, base_pay_minor=10)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModelClient:
    """A model that always says entailment."""
    fake = factories.client_that_says("entailment")
    monkeypatch.setattr("collection.pages.writing.registry.model_client", lambda: fake)
    return fake


def logged_in(annotator: Annotator, staff: bool = False) -> Client:
    """A browser of somebody."""
    annotator.user.is_staff = staff
    annotator.user.save()
    client = Client()
    client.force_login(annotator.user)
    return client


def attempt(client: Client, held: Assignment, text: str, key: str = "key") -> object:
    """Press the button under the text."""
    body = {"action": "attempt", "assignment": held.key, "idempotency_key": key, "hypothesis": text}
    return client.post("/studies/study/write/", body, follow=True)


def test_strangers_are_sent_to_the_login(experiment: Experiment) -> None:
    for path in ("/", "/studies/study/", "/studies/study/write/", "/studies/study/validate/"):
        answer = Client().get(path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/login/")


def test_the_live_view_is_for_staff(experiment: Experiment) -> None:
    assert logged_in(factories.person()).get("/studies/study/").status_code == 302
    answer = logged_in(factories.person(), staff=True).get("/studies/study/")
    assert answer.status_code == 200
    assert "needs 5 more accepted examples" in answer.content.decode()


def test_only_staff_can_pause_and_end_needs_to_be_sure(experiment: Experiment) -> None:
    path = "/studies/study/act/"
    logged_in(factories.person()).post(path, {"action": "pause"})
    experiment.refresh_from_db()
    assert experiment.state == "running"
    staff = logged_in(factories.person(), staff=True)
    staff.post(path, {"action": "end"})
    experiment.refresh_from_db()
    assert experiment.state == "running"
    staff.post(path, {"action": "pause"})
    experiment.refresh_from_db()
    assert experiment.state == "paused"
    staff.post(path, {"action": "end", "sure": "yes"})
    experiment.refresh_from_db()
    assert experiment.state == "ended"


def test_looking_changes_nothing(experiment: Experiment) -> None:
    client = logged_in(factories.member_of(experiment, "dynamic"))
    for path in ("/", "/studies/study/write/", "/studies/study/validate/"):
        assert client.get(path).status_code == 200
    assert Assignment.objects.count() == Validation.objects.count() == 0


def test_write_see_the_verdict_submit_and_validate(experiment: Experiment, model: FakeModelClient) -> None:
    ada = factories.member_of(experiment, "dynamic")
    client = logged_in(ada)
    client.post("/studies/study/write/", {"action": "claim"})
    held = Assignment.objects.get()
    page = attempt(client, held, "There are dogs.").content.decode()  # type: ignore[attr-defined]
    stored = Attempt.objects.get()
    if held.target_label == "entailment":
        assert "Not fooled" in page
        page = attempt(client, held, "There are animals.", key="second").content.decode()  # type: ignore[attr-defined]
        stored = Attempt.objects.latest("pk")
    else:
        assert "You fooled the model" in page
    body = {"action": "submit", "assignment": held.key, "attempt": stored.key}
    assert "Submitted" in client.post("/studies/study/write/", body, follow=True).content.decode()
    ben = logged_in(factories.member_of(experiment, "static"))
    ben.post("/studies/study/validate/", {"action": "claim"})
    lease = Validation.objects.get()
    shown = ben.get("/studies/study/validate/").content.decode()
    assert stored.texts[1] in shown
    assert "fool" not in shown
    ben.post("/studies/study/validate/", {"action": "vote", "validation": lease.key, "label": held.target_label})
    assert Example.objects.get().state == "accepted"
    assert "0.10 USD" in client.get("/").content.decode()


def test_bad_input_is_told_beside_the_field_with_the_text_kept(experiment: Experiment, model: FakeModelClient) -> None:
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    answer = attempt(logged_in(ada), held, "bad \u202e text")
    assert answer.status_code == 422  # type: ignore[attr-defined]
    page = answer.content.decode()  # type: ignore[attr-defined]
    assert "invisible character" in page
    assert "bad \u202e text" in page
    assert Attempt.objects.count() == 0


def test_a_text_is_kept_while_the_model_is_away(experiment: Experiment, model: FakeModelClient) -> None:
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    model.down = True
    page = attempt(logged_in(ada), held, "There are dogs.").content.decode()  # type: ignore[attr-defined]
    assert "Your text is kept" in page
    assert Attempt.objects.get().state == "waiting"


def test_a_non_adversarial_page_has_no_trace_of_a_model(experiment: Experiment, model: FakeModelClient) -> None:
    ada = factories.member_of(experiment, "non-adversarial")
    held = assignment.claim(experiment, ada)
    client = logged_in(ada)
    pages = [client.get("/studies/study/write/"), attempt(client, held, "There are dogs.")]
    for page in pages:
        text = re.sub(r'value="[^"]*"', "", page.content.decode()).lower()  # type: ignore[attr-defined]
        for trace in ("fool", "model", "verdict", "probabil", "adversarial", "tries", "try"):
            assert trace not in text, trace
    assert model.calls == []


def test_script_in_a_text_is_shown_inert(experiment: Experiment, model: FakeModelClient) -> None:
    ada = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, ada)
    answer = attempt(logged_in(ada), held, "<script>alert(1)</script> hi")
    page = answer.content.decode()  # type: ignore[attr-defined]
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    policy = answer.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy


def test_somebody_elses_assignment_is_not_there(experiment: Experiment, model: FakeModelClient) -> None:
    held = assignment.claim(experiment, factories.member_of(experiment, "dynamic"))
    thief = logged_in(factories.member_of(experiment, "static"))
    page = attempt(thief, held, "There are dogs.").content.decode()  # type: ignore[attr-defined]
    assert "There is no such assignment" in page
    assert Attempt.objects.count() == 0


def test_somebody_not_enrolled_is_sent_home(experiment: Experiment) -> None:
    answer = logged_in(factories.person()).get("/studies/study/write/", follow=True)
    assert answer.redirect_chain[-1][0] == "/"
