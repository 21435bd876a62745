"""The report through the API."""

from __future__ import annotations

import pytest
from django.test import Client

from collection.models import Experiment, Report
from tests import factories

pytestmark = pytest.mark.django_db

URL = "/api/v1/console/experiments/study/report/"


@pytest.fixture
def experiment() -> Experiment:
    """A study."""
    return factories.running()


@pytest.fixture
def owner(experiment: Experiment, client: Client) -> Client:
    """Its owner, logged in."""
    client.force_login(factories.researcher(experiment).user)
    return client


def test_a_report_is_read_section_by_section(owner: Client, experiment: Experiment) -> None:
    assert owner.get(URL).status_code == 404
    factories.report(experiment)
    whole = owner.get(URL).json()
    assert (whole["state"], whole["summary"]) == ("done", ["It was <b>computed</b>."])
    assert [item["id"] for item in whole["sections"]] == ["summary", "collection"]
    table = owner.get(f"{URL}collection/").json()["tables"][0]
    figure = table["rows"][0]["mer"]
    assert (figure["n"], figure["value"], figure["method"]) == (4, 0.75, "Wilson")
    assert table["rows"][1]["mer"]["limit"].startswith("not enough data: ")
    assert owner.get(f"{URL}nothing/").status_code == 404


def test_a_report_is_asked_for_and_a_worker_computes_it(owner: Client, experiment: Experiment) -> None:
    answer = owner.post(URL)
    assert (answer.status_code, answer.json()["state"]) == (202, "due")
    assert Report.objects.get().experiment == experiment


def test_an_unknown_parameter_is_named(owner: Client, experiment: Experiment) -> None:
    factories.report(experiment)
    answer = owner.get(f"{URL}?arm=dynamic")
    assert (answer.status_code, answer.json()["field"]) == (400, "arm")
