"""In an arm without a model, no byte of any answer depends on what a model would say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from collection.enrolment import enrol
from collection.models import Arm, Assignment, Attempt, Experiment
from modelserver.client import FakeModelClient
from tests import factories
from tests.collection.pages import HTMX, WRITE, attempt, logged_in, shown

pytestmark = pytest.mark.django_db
TRACES = (
    "fool",
    "model",
    "verdict",
    "probabil",
    "adversarial",
    "tries",
    "try",
    "bonus",
    "prediction",
    "sandbox",
    "practi",
)


RANDOM = (
    r'(?<=name="csrfmiddlewaretoken" value=")\w+',
    r"(?<='nonce-)[\w-]+",
    r'(?<="csrf_token":")\w+',
    r'(?<=name="idempotency_key" value=")[0-9a-f]+',
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"(?<=Expires: )[^\n]+",
    r"\d{4}-\d\d-\d\dT[\d:.]+",
)


def told(answer: Any) -> str:
    """Everything that an answer tells: status, headers, cookies and body; without what is random or the time in it."""
    headers = sorted(f"{name}: {value}" for name, value in answer.headers.items())
    text = "\n".join([str(answer.status_code), *headers, *sorted(answer.cookies), shown(answer)])
    for pattern in RANDOM:
        text = re.sub(pattern, "", text)
    return text


def whole_way(model: FakeModelClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is answered to a person of the non-adversarial arm who opens, writes, errs, changes, explains, submits
    and looks around, while a model stands by. Nothing of it stays."""
    monkeypatch.setattr("modelserver.registry.model_client", lambda: model)
    with transaction.atomic():
        experiment = factories.running(
            quorum=1, sandbox=True, leaderboard=True, inspiration=True, fooling_bonus_minor=50, base_pay_minor=10
        )
        somebody = (factories.person(f"writer-{number}") for number in range(6))
        ada = next(who for who in somebody if enrol(experiment, who).slug == "non-adversarial")
        answers = [told(answer) for answer in steps(logged_in(ada))]
        transaction.set_rollback(True)
    return answers


def steps(client: Client) -> Iterator[Any]:
    """Each answer in turn."""
    yield client.post(WRITE, {"action": "claim"}, follow=True)
    held = Assignment.objects.get()
    for text, options in (("", {}), ("The dogs rest.", {}), ("The dogs rest a while.", {"headers": HTMX})):
        yield attempt(client, held, text, key=text or "none", **options)
    body = {
        "action": "submit",
        "assignment": held.key,
        "attempt": Attempt.objects.latest("pk").key,
        "why_label": "Yes.",
    }
    yield client.post(WRITE, body, headers=HTMX)
    for page in ("write", "mine", "leaders", "practice", "validate"):
        yield client.get(f"/studies/study/{page}/")
    yield client.get("/")
    yield client.get(f"/api/v1/assignments/{held.key}/")
    yield client.post("/api/v1/experiments/study/assignments/")


def test_no_byte_differs_by_what_the_model_would_say(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    away = FakeModelClient()
    away.down = True
    models = [factories.client_that_says("entailment"), factories.client_that_says("not_entailment"), away]
    right, wrong, none = (whole_way(model, monkeypatch) for model in models)
    assert len(right) == 13
    assert "Submitted. Others will now validate it." in right[4]
    assert right == wrong == none
    assert [model.calls for model in models] == [[], [], []]


def test_the_same_way_in_an_arm_with_a_model_does_differ(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Or the test above could not fail.
    monkeypatch.setattr(Arm, "shows_model", True)
    monkeypatch.setattr("collection.rounds._played_against", lambda arm, number: arm.experiment.base_version)
    models = [factories.client_that_says("entailment"), factories.client_that_says("not_entailment")]
    right, wrong = (whole_way(model, monkeypatch) for model in models)
    assert right != wrong


def test_no_page_names_a_model(experiment: Experiment, model: FakeModelClient) -> None:
    ada = factories.member_of(experiment, "non-adversarial")
    client = logged_in(ada)
    client.post(WRITE, {"action": "claim"})
    held = experiment.arms.get(slug="non-adversarial").rounds.get().assignments.get()
    pages = [
        client.get(WRITE),
        attempt(client, held, "The dogs rest."),
        client.get("/"),
        client.get("/studies/study/mine/"),
    ]
    for page in pages:
        text = re.sub(r'value="[^"]*"', "", shown(page)).lower()
        for trace in TRACES:
            assert trace not in text, trace
    assert model.calls == []


def test_the_pay_text_is_the_same_in_every_arm(experiment: Experiment, model: FakeModelClient) -> None:
    texts = set()
    for arm in experiment.arms.all():
        page = shown(logged_in(factories.member_of(experiment, arm.slug)).get(WRITE))
        found = re.search(r"You earn [^<]+", page)
        assert found
        texts.add(found.group())
    assert len(texts) == 1


def test_there_is_no_practice_without_a_model_as_if_the_study_had_none(experiment: Experiment) -> None:
    ada = logged_in(factories.member_of(experiment, "non-adversarial"))
    without = ada.get("/studies/study/practice/")
    experiment.sandbox = True
    experiment.save()
    with_it = ada.get("/studies/study/practice/")
    assert (with_it.status_code, with_it.content) == (without.status_code, without.content)
    assert with_it.status_code == 404
