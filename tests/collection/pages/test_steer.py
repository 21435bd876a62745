"""Steering on a page: each consequence is said first, what is final needs a yes, and doing it twice does no harm."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
from django.test import Client

from annotators.models import LedgerEntry
from collection import assignment, experiments
from collection.changes import LOCKED, end_round_early
from collection.models import Assignment, Example, Experiment, Round
from collection.planning import SETTINGS
from collection.states import RoundState
from lifecycle.models import StateChange
from lifecycle.moves import move
from tests import factories
from tests.collection.pages import logged_in, shown
from tests.concurrency.test_races import at_once

pytestmark = pytest.mark.django_db
STEER = "/studies/study/steer/"
DYNAMIC = {"arm": "dynamic", "number": "1"}


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment: 1 accepted, 2 waiting texts that fooled the model, and a lease, in its dynamic arm."""
    made = factories.running(
        quota=5, quorum=1, max_validations=1, base_pay_minor=20, fooling_bonus_minor=30, validation_pay_minor=5
    )
    factories.accepted(made, "dynamic", 1)
    for _ in range(2):
        factories.written(made)
    assignment.claim(made, factories.member_of(made, "dynamic"))
    return made


@pytest.fixture
def client(experiment: Experiment) -> Client:
    """One of its researchers."""
    return logged_in(factories.researcher(experiment))


def state() -> str:
    """The state of the experiment."""
    return str(Experiment.objects.get(slug="study").state)


def act(client: Client, name: str, **fields: Any) -> Any:
    """Press a button."""
    return client.post(STEER, {"action": name, **fields}, follow=True)


def last_event(subject: str) -> StateChange:
    """The last that happened to something of that kind."""
    return StateChange.objects.filter(subject_type=f"collection.{subject}").latest("pk")


class TestConsequences:
    def test_of_closing_a_round_early_name_texts_pay_and_leases(self, client: Client) -> None:
        page = shown(client.get(STEER))
        assert "It closes with the 1 example accepted so far instead of 5" in page
        paid = "2 × 0.20 USD + 2 × 0.30 USD for having fooled the model = 1.00 USD"
        assert f"2 texts wait for validation: withdrawn, no part of the data, and paid {paid}." in page
        assert "1 lease is given back; what is typed stays with its writer." in page
        assert "No example of it is accepted: there is nothing to train on." in page

    def test_are_what_then_happens(self, experiment: Experiment, client: Client) -> None:
        before = LedgerEntry.objects.count()
        page = act(client, "close", **DYNAMIC, told="2", sure="yes")
        assert page.redirect_chain == [("/studies/study/", 302)]
        assert sum(LedgerEntry.objects.order_by("pk")[before:].values_list("minor", flat=True)) == 100
        assert Assignment.objects.filter(state="released").count() == 1
        assert last_event("round").actor == client.get(STEER).wsgi_request.user

    def test_of_an_extension_name_every_arm_and_what_an_example_costs(self, client: Client) -> None:
        page = shown(client.get(STEER))
        assert "Its quota, 5 now, is raised by as many in every arm" in page
        assert "(non-adversarial, static, dynamic)" in page
        assert "Each further accepted example costs from 0.25 USD to 0.55 USD." in page
        move(Round.objects.get(arm__slug="static"), RoundState.CLOSED)
        assert "It is closed in static already; arms must stay comparable." in shown(client.get(STEER))

    def test_of_a_pause_and_an_end(self, client: Client) -> None:
        page = shown(client.get(STEER))
        assert "1 text that is being written can be finished; 2 texts wait for validation until then." in page
        assert "3 rounds end unfinished: nothing is trained on what was collected there." in page
        assert "0 training runs are cancelled. 1 lease is given back;" in page
        assert "unless votes under way decide them, they are not paid" in page

    def test_of_a_launch_are_its_cost_and_its_locks_or_what_to_mend_first(self) -> None:
        owner = factories.person()
        made = factories.draft("study", owner=owner.user, rounds=2, quota=10, base_pay_minor=10)
        page = shown(logged_in(owner).get(STEER))
        assert re.search(r"All 2 rounds take about \d hours of people&#x27;s work and 6.00 USD of pay\.", page)
        assert (
            "the time to write or validate one, the seeds of the learning curve, the leaderboard and who may join"
            in page
        )
        assert SETTINGS - LOCKED.keys() == {"lease_seconds", "leaderboard", "open_enrolment", "curve_seeds"}
        Experiment.objects.filter(pk=made.pk).update(base_model="no such model!")
        page = shown(logged_in(owner).get(STEER))
        assert "Not possible now. base_model:" in page
        assert 'value="launch"' not in page

    def test_are_the_same_in_the_api(self, client: Client) -> None:
        told = client.get("/api/v1/console/experiments/study/actions/").json()
        assert [(item["name"], item["arm"], item["told"]) for item in told] == [
            ("pause", "", None), ("extend", "non-adversarial", 5), ("close", "non-adversarial", 0),
            ("close", "static", 0), ("close", "dynamic", 2), ("end", "", None),
        ]  # fmt: skip


class TestActions:
    @pytest.mark.parametrize(
        ("name", "fields"), [("end", {}), ("extend", {**DYNAMIC, "by": "2", "told": "5"}), ("close", DYNAMIC)]
    )
    def test_that_are_final_need_a_yes(self, client: Client, name: str, fields: dict[str, str]) -> None:
        answer = act(client, name, **fields)
        assert answer.status_code == 422
        assert "tick the box" in shown(answer)
        assert (state(), set(Round.objects.values_list("state", "quota"))) == ("running", {("open", 5)})

    def test_are_done_once_however_often_they_are_asked_for(self, experiment: Experiment, client: Client) -> None:
        for name, reached, fields in (
            ("pause", "paused", {}),
            ("resume", "running", {}),
            ("end", "ended", {"sure": "yes"}),
        ):
            assert act(client, name, **fields).status_code == 200
            first = last_event("experiment")
            assert (first.to_state, state()) == (reached, reached)
            assert first.actor is not None
            assert act(client, name, **fields).status_code == 409
            assert last_event("experiment").pk == first.pk

    def test_an_extension_sent_twice_extends_once(self, client: Client) -> None:
        sent = {**DYNAMIC, "by": "2", "told": "5", "sure": "yes"}
        assert act(client, "extend", **sent).status_code == 200
        answer = act(client, "extend", **sent)
        assert answer.status_code == 409
        assert "The quota is 7 by now" in shown(answer)
        assert set(Round.objects.values_list("quota", flat=True)) == {7}

    def test_nobody_is_held_to_more_texts_than_was_told(self, client: Client) -> None:
        answer = act(client, "close", **DYNAMIC, told="1", sure="yes")
        assert answer.status_code == 409
        assert "2 by now, and not 1" in shown(answer)
        assert Example.objects.filter(state="pending").count() == 2

    def test_a_failed_round_is_tried_again_with_its_reason_said(self, experiment: Experiment, client: Client) -> None:
        round_ = end_round_early(Round.objects.get(arm__slug="dynamic"), sure=True)
        move(round_, RoundState.FAILED, problem="The data are gone.")
        assert "It failed: The data are gone." in shown(client.get(STEER))
        assert act(client, "retry", **DYNAMIC).status_code == 200
        assert (last_event("round").from_state, last_event("round").to_state) == ("failed", "closed")
        assert act(client, "retry", **DYNAMIC).status_code == 409

    def test_a_launch_is_on_record(self) -> None:
        owner = factories.person()
        factories.draft("study", owner=owner.user)
        client = logged_in(owner)
        assert act(client, "launch").status_code == 422
        with mock.patch("modelserver.registry.check_base_model"):
            act(client, "launch", sure="yes")
        assert (state(), last_event("experiment").actor) == ("preparing", owner.user)

    @pytest.mark.parametrize(
        "fields",
        [
            {"action": "destroy"},
            {"action": "extend", **DYNAMIC, "by": "two", "told": "5", "sure": "yes"},
            {"action": "extend", **DYNAMIC, "by": "2", "sure": "yes"},
            {"action": "close", "arm": "none", "number": "1", "told": "0", "sure": "yes"},
            {"action": "close", "arm": "dynamic", "number": "9" * 30, "told": "0", "sure": "yes"},
        ],
    )
    def test_what_makes_no_sense_is_refused_with_the_page(self, client: Client, fields: dict[str, str]) -> None:
        before = StateChange.objects.count()
        answer = client.post(STEER, fields)
        assert answer.status_code in (409, 422)
        assert "Nothing was done." in shown(answer)
        assert StateChange.objects.count() == before


@pytest.mark.django_db(transaction=True)
def test_two_who_press_at_once_do_it_once() -> None:
    experiment = factories.running(quota=5)
    people = [logged_in(factories.researcher(experiment)) for _ in range(2)]
    sent = {"action": "extend", **DYNAMIC, "by": "3", "told": "5", "sure": "yes"}
    answers = at_once(*[lambda client=client: client.post(STEER, sent) for client in people])
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert set(Round.objects.values_list("quota", flat=True)) == {8}
    paused = at_once(*[lambda client=client: client.post(STEER, {"action": "pause"}) for client in people])
    assert sorted(answer.status_code for answer in paused) == [302, 409]
    assert StateChange.objects.filter(to_state="paused").count() == 1
    experiments.resume(Experiment.objects.get())
