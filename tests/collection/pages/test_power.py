"""The page on what a study to be will see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from annotators.models import Annotator
from collection.analytics.power import Design
from collection.analytics.power_section import TITLES
from collection.models import TestItem, TestSet
from tests import factories
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
API = "/api/v1/console/power/"


@pytest.fixture
def ada() -> Annotator:
    """A researcher of the site."""
    return factories.person("ada")


@pytest.fixture
def client(ada: Annotator) -> Iterator[Client]:
    """The same, logged in, who has not asked for anything yet."""
    cache.clear()
    yield logged_in(ada, staff=True)
    cache.clear()


def form(**changes: Any) -> dict[str, Any]:
    """The form as it comes, filled in."""
    return {name: getattr(Design(), name) for name in TITLES} | changes


def test_the_form_comes_with_the_source_study_and_says_what_it_will_see(client: Client) -> None:
    first = client.get("/power/")
    assert {name: str(value) for name, value in form().items()} == {
        item["name"]: str(item["value"]) for item in [*first.context["first"], *first.context["more"]]
    }
    answer = client.post("/power/", form(reduction="0.05", currency="EUR"))
    page = shown(answer)
    assert answer.status_code == 200
    assert "If one arm ends with 5% fewer errors" in page
    assert "Annotators&#x27; pay" in page
    assert "0.00 EUR" in page
    assert 'value="0.05"' in page
    assert "<img" not in page
    assert "report/power" not in page


def test_all_that_is_wrong_is_said_at_once_and_nothing_typed_is_lost(client: Client) -> None:
    typed = form(rounds="many", test_rows="", contexts="50", icc="2", base_error="nan", currency="euro")
    answer = client.post("/power/", typed)
    page = shown(answer)
    assert answer.status_code == 422
    for name, message in (
        ("rounds", "Must be a whole number."),
        ("test_rows", "Must be a whole number."),
        ("icc", "Must be from 0 to 1."),
        ("base_error", "Must be between 0 and 1."),
        ("currency", "Must be three capital letters (ISO 4217)."),
    ):
        assert f"<strong>{TITLES[name]}</strong>: {message}" in page
    assert len(answer.context["problems"]) == 5
    assert 'value="many"' in page
    assert 'value="euro" aria-invalid="true"' in page
    assert "<details open><summary>More assumptions" in page


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, "1e999", "-1", "0x10", "\x00"])
@pytest.mark.parametrize("name", ["rounds", "base_error", "votes"])
def test_a_number_that_is_none_or_too_large_is_refused(client: Client, name: str, text: str) -> None:
    answer = client.post("/power/", form(**{name: text}))
    assert answer.status_code == 422
    assert [item.field for item in answer.context["problems"]] == [TITLES[name]]


def test_an_experiment_that_one_may_look_at_fills_the_form_in(client: Client, ada: Annotator) -> None:
    settings = {"rounds": 4, "quota": 33, "curve_seeds": 7, "base_pay_minor": 12, "currency": "EUR"}
    mine = factories.draft("mine", owner=ada.user, **settings)
    factories.draft("theirs", rounds=9)
    tested = TestSet.objects.create(slug="plain", name="Plain", task=mine.task, sha256="0" * 64, rows=5)
    for index in range(5):
        texts = [f"Context {index % 3}.", "It is."]
        TestItem.objects.create(test_set=tested, index=index, texts=texts, label="entailment")
    mine.test_sets.add(tested)

    def filled(path: str) -> dict[str, str]:
        page = client.get(path)
        return {item["name"]: str(item["value"]) for item in [*page.context["first"], *page.context["more"]]}

    values = filled("/power/?like=mine&quota=44")
    expected = {
        "rounds": "4", "quota": "44", "seeds": "7", "base_pay": "12", "currency": "EUR", "arms": "3",
        "adversarial_arms": "2", "test_rows": "5", "contexts": "3",
    }  # fmt: skip
    assert {name: values[name] for name in expected} == expected
    assert client.post("/power/", values).status_code == 200
    assert filled("/power/?like=theirs") == filled("/power/?like=nothing") == filled("/power/")


def test_who_asks_too_often_is_told_when_to_come_back_and_keeps_what_was_typed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"power": "2/hour", "user": None, "anon": None})
    assert client.post("/power/", form()).status_code == 200
    assert client.post("/power/", form(rounds="none")).status_code == 422
    assert client.post(API, {}, content_type="application/json").status_code == 200
    answer = client.post("/power/", form(quota="77"))
    assert answer.status_code == 429
    assert f"try again in {answer.headers['Retry-After']} seconds" in shown(answer)
    assert 'value="77"' in shown(answer)
    assert client.post(API, {}, content_type="application/json").json()["code"] == "throttled"
