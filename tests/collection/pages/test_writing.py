"""The write page: verdicts in place, nothing typed is ever lost, nothing counts twice."""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from collection import assignment, submission
from collection.models import Assignment, Attempt, ContextFlag, Draft, Example, Experiment
from modelserver.client import FakeModelClient
from tests import factories
from tests.collection.pages import HTMX, WRITE, attempt, logged_in, shown

pytestmark = pytest.mark.django_db
DRAFT = "/studies/study/draft/"


@pytest.fixture
def ada(experiment: Experiment) -> Assignment:
    """Somebody of the dynamic arm who holds an assignment whose label the model gets right."""
    return held_in(experiment, "dynamic")


def held_in(experiment: Experiment, arm: str, label: str = "entailment") -> Assignment:
    """A live assignment of somebody new, with that target label."""
    held = assignment.claim(experiment, factories.member_of(experiment, arm))
    Assignment.objects.filter(pk=held.pk).update(target_label=label)
    held.refresh_from_db()
    return held


def test_a_verdict_comes_in_place_and_in_words(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    answer = attempt(client, ada, "There are dogs.", headers=HTMX)
    part = shown(answer)
    assert answer.status_code == 200
    assert "<html" not in part
    assert "Not fooled" in part
    assert "Definitely true" in part
    assert "90 %" in part
    assert "its answer" in part
    assert "1 try left" in part
    assert ">There are dogs.</textarea>" in part
    assert 'hx-swap-oob="innerHTML">Not fooled' in part


def test_a_fooled_model_asks_why_and_the_answers_are_stored(experiment: Experiment, model: FakeModelClient) -> None:
    held = held_in(experiment, "dynamic", "not_entailment")
    client = logged_in(held.annotator)
    part = shown(attempt(client, held, "There are cats.", headers=HTMX))
    assert "You fooled the model" in part
    assert "Why was the model fooled?" in part
    body = {
        "action": "submit",
        "assignment": held.key,
        "attempt": Attempt.objects.get().key,
        "why_label": "Cats are no dogs.",
        "why_fooled": "",
    }
    part = shown(client.post(WRITE, body, headers=HTMX))
    assert "Submitted. Others will now validate it." in part
    example = Example.objects.get()
    assert (example.why_label, example.why_fooled) == ("Cats are no dogs.", "")
    assert Assignment.objects.filter(state="leased").count() == 1


def test_a_bad_explanation_is_told_beside_it_with_all_answers_kept(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    for number in range(2):
        attempt(client, ada, f"There are {number} dogs.", key=str(number))
    key = Attempt.objects.latest("pk").key
    body = {"action": "submit", "assignment": ada.key, "attempt": key, "why_label": "x" * 501, "why_fooled": "keep me"}
    answer = client.post(WRITE, body, headers=HTMX)
    assert answer.status_code == 422
    assert "At most 500 characters" in shown(answer)
    assert "keep me" in shown(answer)
    assert Example.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Please write something"),
        ("   ", "Please write something"),
        ("x" * 241, "At most 240 characters"),
        ("x" * 20_000, "At most 240 characters"),
        ("bad \u202e text", "invisible character"),
        ("bad \x07 text", "control character"),
        ("A man has 1 dogs.", "copy of"),
    ],
)
def test_bad_input_is_told_beside_the_field_with_the_text_kept(
    experiment: Experiment, model: FakeModelClient, text: str, words: str
) -> None:
    held = held_in(experiment, "dynamic")
    Assignment.objects.filter(pk=held.pk).update(context=experiment.contexts.get(text="A man has 1 dogs."))
    answer = attempt(logged_in(held.annotator), held, text)
    page = shown(answer)
    assert answer.status_code == 422
    assert 'aria-invalid="true" aria-describedby="problem' in page
    assert words in page
    assert text[:10_000] in page
    assert Attempt.objects.count() == 0


def test_a_text_of_megabytes_is_refused_in_words(ada: Assignment, model: FakeModelClient) -> None:
    body = urlencode({"action": "attempt", "assignment": ada.key, "hypothesis": "x" * 10_000_000})
    # As browsers send this form; the page's script tells a 400 as a text that is too long.
    answer = logged_in(ada.annotator).post(WRITE, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert "far too long" in shown(answer)
    assert Attempt.objects.count() == Draft.objects.count() == 0


def test_script_in_a_text_is_shown_inert(ada: Assignment, model: FakeModelClient) -> None:
    answer = attempt(logged_in(ada.annotator), ada, "<script>alert(1)</script> hi")
    assert "<script>alert" not in shown(answer)
    assert "&lt;script&gt;" in shown(answer)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy


def test_a_double_click_is_one_try(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    for _ in range(2):
        attempt(client, ada, "There are dogs.", headers=HTMX)
    assert Attempt.objects.count() == 1


def test_back_change_the_text_and_send_it_again_is_another_try(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    attempt(client, ada, "There are dogs.")
    answer = attempt(client, ada, "There are two dogs.")
    assert "Not fooled" in shown(answer)
    assert Attempt.objects.count() == 2


def test_submitting_twice_from_two_tabs_makes_one_example(experiment: Experiment, model: FakeModelClient) -> None:
    held = held_in(experiment, "dynamic", "not_entailment")
    client = logged_in(held.annotator)
    attempt(client, held, "There are cats.")
    body = {"action": "submit", "assignment": held.key, "attempt": Attempt.objects.get().key}
    for _ in range(2):
        assert "Submitted" in shown(client.post(WRITE, body, follow=True))
    assert Example.objects.count() == 1
    stale = attempt(client, held, "Typed in the other tab.", key="other")
    assert stale.status_code == 409
    assert "You have submitted this one already" in shown(stale)
    assert "Typed in the other tab." in shown(stale)


def test_a_text_is_kept_while_the_model_is_away_and_the_verdict_shows_when_it_comes(
    ada: Assignment, model: FakeModelClient
) -> None:
    client = logged_in(ada.annotator)
    model.down = True
    page = shown(attempt(client, ada, "There are dogs."))
    assert "Your text is kept" in page
    assert 'hx-trigger="every 3s"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "There are dogs." in page
    assert "<textarea id=" not in page.split("</section>")[0]
    model.down = False
    submission.judge_waiting(model)
    assert "Not fooled" in shown(client.get(WRITE, headers=HTMX))


def test_a_draft_survives_a_reload_and_a_later_try(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    answer = client.post(DRAFT, {"assignment": ada.key, "hypothesis": "half a sen"})
    assert "Draft saved" in shown(answer)
    assert ">half a sen</textarea>" in shown(client.get(WRITE))
    attempt(client, ada, "A whole sentence.")
    assert ">A whole sentence.</textarea>" in shown(client.get(WRITE))
    client.post(DRAFT, {"assignment": ada.key, "hypothesis": "A whole sentence, changed"})
    assert ">A whole sentence, changed</textarea>" in shown(client.get(WRITE))


def test_label_and_context_stay_the_same_through_tries_and_reloads(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    before = Assignment.objects.get()
    for number in range(2):
        attempt(client, ada, f"There are {number} dogs.", key=str(number))
        client.get(WRITE)
        client.post(WRITE, {"action": "claim"})
    after = Assignment.objects.get()
    assert (after.pk, after.context_id, after.target_label) == (before.pk, before.context_id, before.target_label)


def test_somebody_elses_assignment_is_not_there_and_the_text_is_kept(
    experiment: Experiment, ada: Assignment, model: FakeModelClient
) -> None:
    thief = logged_in(factories.member_of(experiment, "static"))
    answer = attempt(thief, ada, "There are dogs.")
    assert answer.status_code == 409
    assert "There is no such assignment" in shown(answer)
    assert "There are dogs." in shown(answer)
    assert Attempt.objects.count() == Draft.objects.count() == 0


def test_a_lease_lost_to_somebody_else_loses_no_text(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    Assignment.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    answer = attempt(client, ada, "I was slow.")
    assert answer.status_code == 409
    assert "Your time for this one is over" in shown(answer)
    assert "I was slow." in shown(answer)
    assert "I was slow." in shown(client.get(WRITE))
    assert Attempt.objects.count() == 0


def test_when_all_tries_are_used_one_of_them_is_chosen(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    for number in range(2):
        page = shown(attempt(client, ada, f"There are {number} dogs.", key=str(number)))
    assert page.count("Submit this") == 2
    assert "Try it" not in page
    first = Attempt.objects.earliest("pk")
    client.post(WRITE, {"action": "submit", "assignment": ada.key, "attempt": first.key})
    assert Example.objects.get().attempt == first


def test_skipping_and_flagging_a_context_are_said_and_recorded(ada: Assignment, model: FakeModelClient) -> None:
    client = logged_in(ada.annotator)
    assert "the label stays" in shown(client.post(WRITE, {"action": "skip", "assignment": ada.key}, follow=True))
    assert "(2 left)" in shown(client.get(WRITE))
    empty = client.post(WRITE, {"action": "flag", "assignment": ada.key, "reason": " "})
    assert empty.status_code == 422
    body = {"action": "flag", "assignment": ada.key, "reason": "cut off"}
    assert "researchers will look at it" in shown(client.post(WRITE, body, headers=HTMX))
    assert ContextFlag.objects.get().reason == "cut off"


@pytest.mark.parametrize("body", [{"action": "nonsense"}, {"action": "skip", "assignment": "x"}, {}])
def test_a_button_that_does_not_exist_is_told_and_does_nothing(ada: Assignment, body: dict[str, str]) -> None:
    answer = logged_in(ada.annotator).post(WRITE, body)
    assert answer.status_code == 422
    assert 'class="problem"' in shown(answer)


def test_nothing_to_write_says_why(experiment: Experiment) -> None:
    client = logged_in(factories.member_of(experiment, "dynamic"))
    experiment.state = "paused"
    experiment.save()
    answer = client.post(WRITE, {"action": "claim"}, headers=HTMX)
    assert answer.status_code == 409
    assert "This study is paused" in shown(answer)


def test_right_to_left_text_is_shown_in_its_direction(ada: Assignment, model: FakeModelClient) -> None:
    page = shown(attempt(logged_in(ada.annotator), ada, "الكلب ينام"))
    assert '<p class="tried" dir="auto">الكلب ينام</p>' in page


def test_a_form_from_before_another_login_loses_no_text(ada: Assignment) -> None:
    client = logged_in(ada.annotator, enforce_csrf_checks=True)
    answer = attempt(client, ada, "Typed before.")
    assert answer.status_code == 403
    assert "Typed before." in shown(answer)
    assert Attempt.objects.count() == 0


@pytest.mark.parametrize("by_htmx", [True, False])
def test_a_session_that_ends_in_mid_text_loses_no_text(ada: Assignment, model: FakeModelClient, by_htmx: bool) -> None:
    ada.annotator.user.set_password("a good password")
    ada.annotator.user.save()
    stranger = Client()
    answer = attempt(stranger, ada, "Typed for an hour.", headers=HTMX if by_htmx else {})
    assert answer.status_code == 401
    assert ("HX-Retarget" in answer) == by_htmx
    assert Draft.objects.count() == 0
    fields = answer.context["kept"] | {"next": answer.context["next"], "username": ada.annotator.user.username}
    wrong = stranger.post("/login/", fields | {"password": "wrong"})
    assert "Typed for an hour." in shown(wrong)
    back = stranger.post("/login/", fields | {"password": "a good password"}, follow=True)
    assert back.redirect_chain == [(WRITE, 302)]
    assert ">Typed for an hour.</textarea>" in shown(back)


def test_a_text_kept_through_the_login_is_nobody_elses(experiment: Experiment, ada: Assignment) -> None:
    ben = factories.member_of(experiment, "dynamic")
    ben.user.set_password("a good password")
    ben.user.save()
    client = Client()
    fields = attempt(client, ada, "Mine alone.").context["kept"]
    client.post("/login/", fields | {"username": ben.user.username, "password": "a good password"})
    assert Draft.objects.count() == 0


def test_a_draft_for_a_stranger_says_that_the_session_is_over(ada: Assignment) -> None:
    answer = Client().post(DRAFT, {"assignment": ada.key, "hypothesis": "x"})
    assert answer.status_code == 401
    assert "You are logged out" in shown(answer)
    assert Draft.objects.count() == 0
