"""The health check, as a container or a load balancer asks: by address, without TLS."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"


@pytest.fixture(autouse=True)
def _production(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["whetstone.example"]
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.django_db
def test_the_containers_question_is_answered_whatever_the_host_is_called() -> None:
    found = re.search(r"http://(127\.0\.0\.1:8000)(/\w+)'", COMPOSE.read_text(encoding="utf-8"))
    assert found is not None
    host, path = found.groups()
    answer = Client().get(path, headers={"host": host})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login/", "/healthz/", "/healthz/x"])
def test_every_other_path_is_for_the_hosts_of_the_site_alone(path: str) -> None:
    assert Client().get(path, headers={"host": "127.0.0.1:8000"}, secure=True).status_code == 400


def test_it_says_when_the_database_is_away() -> None:
    with mock.patch.object(connection, "cursor", side_effect=OperationalError):
        assert Client().get("/healthz").status_code == 503


def test_it_is_only_asked() -> None:
    assert Client().post("/healthz", headers={"host": "whetstone.example"}, secure=True).status_code == 404
