"""How many statements a page takes, whatever the size of the experiment. Savepoints and the like do not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotators.models import Annotator
from collection import assignment
from collection.models import Assignment, Experiment, Validation
from modelserver.client import FakeModelClient
from tests import factories
from tests.collection.pages import HTMX, VALIDATE, WRITE, attempt, logged_in

pytestmark = pytest.mark.django_db
CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


def statements(act: Callable[[], Any]) -> int:
    """How many statements an act takes."""
    with CaptureQueriesContext(connection) as captured:
        assert act().status_code == 200
    return sum(not query["sql"].upper().startswith(CONTROL) for query in captured)


@pytest.fixture(params=[1, 30])
def big(request: pytest.FixtureRequest) -> Experiment:
    """An experiment with everything on, and with few examples or with many."""
    experiment = factories.running(
        quota=100, quorum=2, max_validations=3, max_tries=50, sandbox=True, leaderboard=True, inspiration=True,
        undo_seconds=60, base_pay_minor=1, validation_pay_minor=1,
    )  # fmt: skip
    ben = factories.member_of(experiment, "static")
    for _ in range(request.param):
        factories.written(experiment, writer=factories.member_of(experiment, "dynamic"))
        factories.voted(experiment, ben, "entailment", "a reason")
    factories.written(experiment)
    return experiment


@pytest.fixture
def ada(big: Experiment) -> Annotator:
    """Somebody of the dynamic arm with many examples of her own."""
    somebody = factories.member_of(big, "dynamic")
    for _ in range(3):
        factories.written(big, writer=somebody)
    return somebody


@pytest.fixture
def client(ada: Annotator) -> Client:
    """Her browser, a page looked at already."""
    client = logged_in(ada)
    client.get("/")
    return client


def test_the_write_page_without_and_with_an_assignment(big: Experiment, ada: Annotator, client: Client) -> None:
    assert statements(lambda: client.get(WRITE)) <= 12
    held = assignment.claim(big, ada)
    for number in range(5):
        factories.attempted(held, factories.client_that_says(held.target_label), f"Text {number}.")
    assert statements(lambda: client.get(WRITE)) <= 12


@pytest.mark.parametrize("tries", [0, 20])
def test_a_submit_with_its_verdict(
    big: Experiment, ada: Annotator, client: Client, model: FakeModelClient, tries: int
) -> None:
    held = assignment.claim(big, ada)
    for number in range(tries):
        factories.attempted(held, factories.client_that_says(held.target_label), f"Text {number}.")
    assert statements(lambda: attempt(client, held, "There are dogs.", headers=HTMX)) <= 12


def test_the_validate_page_without_and_with_a_text(big: Experiment, client: Client) -> None:
    assert statements(lambda: client.get(VALIDATE)) <= 12
    client.post(VALIDATE, {"action": "claim"})
    assert Validation.objects.filter(state="leased").count() == 1
    assert statements(lambda: client.get(VALIDATE)) <= 12


def test_a_vote_that_brings_the_next_text(big: Experiment, client: Client) -> None:
    client.post(VALIDATE, {"action": "claim"})
    lease = Validation.objects.get(state="leased")
    body = {"action": "vote", "validation": lease.key, "label": "entailment"}
    assert statements(lambda: client.post(VALIDATE, body, headers=HTMX)) <= 28


def test_submitting_an_example_that_brings_the_next_assignment(
    big: Experiment, ada: Annotator, client: Client, model: FakeModelClient
) -> None:
    held = assignment.claim(big, ada)
    stored = factories.attempted(held, factories.fooled(held))
    body = {"action": "submit", "assignment": held.key, "attempt": stored.key}
    assert statements(lambda: client.post(WRITE, body, headers=HTMX)) <= 42
    assert Assignment.objects.filter(annotator=ada, state="leased").count() == 1


@pytest.mark.parametrize("page", ["/", "/studies/study/mine/", "/studies/study/leaders/", "/studies/study/practice/"])
def test_every_other_page_of_annotators(big: Experiment, client: Client, page: str) -> None:
    assert statements(lambda: client.get(page)) <= 12


def test_the_experts_page(big: Experiment) -> None:
    staff = logged_in(factories.researcher(big))
    assert statements(lambda: staff.get("/studies/study/experts/")) <= 12


@pytest.mark.parametrize("page", ["examples/", "experts/"])
def test_the_console_asks_once_for_the_role_of_whoever_looks(big: Experiment, page: str) -> None:
    staff = logged_in(factories.researcher(big))
    with CaptureQueriesContext(connection) as captured:
        assert staff.get(f"/studies/study/{page}").status_code == 200
    assert sum('FROM "annotators_membership"' in query["sql"] for query in captured) == 1
