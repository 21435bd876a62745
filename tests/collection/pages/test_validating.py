"""The validate page: blind, quick, and every empty queue explained."""

from __future__ import annotations

import pytest

from collection.models import Example, Experiment, Validation
from tests import factories
from tests.collection.pages import HTMX, VALIDATE, logged_in, shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def slow(experiment: Experiment) -> Experiment:
    """The experiment with a minute to take a vote back."""
    experiment.undo_seconds = 60
    experiment.save()
    return experiment


def test_a_text_is_shown_without_anything_about_its_writer_label_or_verdict(experiment: Experiment) -> None:
    example = factories.written(experiment)
    client = logged_in(factories.member_of(experiment, "static"))
    page = shown(client.post(VALIDATE, {"action": "claim"}, follow=True))
    assert example.attempt.texts[1] in page
    for trace in ("fool", "dynamic", "adversarial", "verdict", example.annotator.user.username, "%"):
        assert trace not in page, trace
    assert "1</kbd> Definitely true" in page


def test_a_vote_brings_the_next_text_and_can_be_taken_back(slow: Experiment) -> None:
    first, second = factories.written(slow), factories.written(slow)
    client = logged_in(factories.member_of(slow, "static"))
    client.post(VALIDATE, {"action": "claim"})
    lease = Validation.objects.get()
    part = shown(
        client.post(VALIDATE, {"action": "vote", "validation": lease.key, "label": "entailment"}, headers=HTMX)
    )
    assert "<html" not in part
    assert second.attempt.texts[1] in part
    assert "You chose “Definitely true” for the last text" in part
    part = shown(client.post(VALIDATE, {"action": "undo", "validation": lease.key}, headers=HTMX))
    assert first.attempt.texts[1] in part
    assert "You chose" not in part
    assert Validation.objects.get(pk=lease.pk).state == "leased"


def test_flagging_needs_a_reason_and_says_so_beside_it(experiment: Experiment) -> None:
    factories.written(experiment)
    client = logged_in(factories.member_of(experiment, "static"))
    client.post(VALIDATE, {"action": "claim"})
    lease = Validation.objects.get()
    answer = client.post(VALIDATE, {"action": "flag", "validation": lease.key, "reason": ""}, headers=HTMX)
    assert answer.status_code == 422
    assert "Please write something" in shown(answer)
    client.post(VALIDATE, {"action": "flag", "validation": lease.key, "reason": "no sense"})
    assert Example.objects.get().state == "flagged"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"action": "vote"}, "Choose a label"),
        ({"action": "vote", "label": "maybe"}, "Must be one of"),
        ({"action": "vote", "label": "entailment", "reason": "x\u202ey"}, "invisible character"),
        ({"action": "nonsense"}, "There is no such button"),
    ],
)
def test_bad_votes_are_told_and_store_nothing(experiment: Experiment, body: dict[str, str], words: str) -> None:
    factories.written(experiment)
    client = logged_in(factories.member_of(experiment, "static"))
    client.post(VALIDATE, {"action": "claim"})
    lease = Validation.objects.get()
    answer = client.post(VALIDATE, body | {"validation": str(lease.key)})
    assert answer.status_code == 422
    assert words in shown(answer)
    assert Validation.objects.get().state == "leased"


def test_an_empty_queue_says_why(experiment: Experiment) -> None:
    own = factories.written(experiment)
    client = logged_in(own.annotator)
    part = shown(client.post(VALIDATE, {"action": "claim"}, headers=HTMX))
    assert "1 text waits, but you wrote or validated it" in part
    ben = logged_in(factories.member_of(experiment, "static"))
    ben.post(VALIDATE, {"action": "claim"})
    part = shown(logged_in(factories.member_of(experiment, "static")).post(VALIDATE, {"action": "claim"}, headers=HTMX))
    assert "1 text waits, and others are validating it" in part
    assert "it becomes free in 30 min" in part


def test_guidelines_are_at_hand(experiment: Experiment) -> None:
    page = shown(logged_in(factories.member_of(experiment, "static")).get(VALIDATE))
    assert "Flag what makes no sense" in page


def test_somebody_not_enrolled_is_sent_home(experiment: Experiment) -> None:
    client = logged_in(factories.person())
    for method in (client.get, client.post):
        answer = method(VALIDATE, {"action": "claim"}, follow=True)
        assert answer.redirect_chain[-1][0] == "/"
