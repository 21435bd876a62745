"""Power through the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db

URL = "/api/v1/console/power/"


@pytest.fixture
def staff(client: Client) -> Client:
    """A researcher of the site, logged in."""
    user = factories.person().user
    user.is_staff = True
    user.save()
    client.force_login(user)
    return client


def test_a_design_gives_a_section_like_those_of_reports(staff: Client) -> None:
    answer = staff.post(URL, {"rounds": 5, "quota": 30, "reduction": 0.1}, content_type="application/json")
    section = answer.json()
    assert (answer.status_code, section["id"]) == (200, "power")
    figures = section["tables"][0]["rows"][0]
    assert figures["examples"] == 5 * 30 * 3
    assert 0 < figures["power"]["low"] < figures["power"]["value"] < figures["power"]["high"] < 1
    assert "10% fewer errors" in section["findings"][0]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rounds": 0}, "rounds"),
        ({"quota": "many"}, "quota"),
        ({"icc": 2}, "icc"),
        ({"contexts": 10, "test_rows": 5}, "contexts"),
        ({"reduction": 1}, "reduction"),
        ({"base_error": "nan"}, "base_error"),
        ({"votes": 10**400}, "votes"),
        ({"currency": "eur"}, "currency"),
        ({"estimated": []}, "estimated"),
    ],
)
def test_what_is_wrong_is_named(staff: Client, body: dict[str, Any], field: str) -> None:
    answer = staff.post(URL, json.dumps(body), content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert answer.headers["Content-Type"] == "application/problem+json"
