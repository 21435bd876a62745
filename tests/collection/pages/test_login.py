"""Logging in: not too often from one place, and nobody is locked out by others' guesses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from collection.pages.throttling import PEOPLE_AT_AN_ADDRESS, _Login
from tests.collection.pages import shown

pytestmark = pytest.mark.django_db
RATE = 3
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.99"


@pytest.fixture(autouse=True)
def _slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three tries an hour, and a person to log in."""
    monkeypatch.setattr(_Login, "rate", f"{RATE}/hour", raising=False)
    User.objects.create_user("ada", password="a good password")
    cache.clear()
    yield
    cache.clear()


def tried(name: str = "ada", password: str = "wrong", address: str = HOME, **more: Any) -> Any:
    """A try to log in."""
    return Client(REMOTE_ADDR=address).post("/login/", {"username": name, "password": password, **more})


def test_who_tries_too_often_is_told_when_to_come_back_and_keeps_the_text() -> None:
    for _ in range(RATE):
        assert tried().status_code == 200
    answer = tried(password="a good password", kept_hypothesis="There are dogs.", next="/studies/study/write/")
    assert answer.status_code == 429
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert f"try again in {answer.headers['Retry-After']} seconds" in shown(answer)
    assert "There are dogs." in shown(answer)
    assert 'value="ada"' in shown(answer)
    assert 'value="/studies/study/write/"' in shown(answer)
    assert "_auth_user_id" not in answer.client.session


def test_guesses_from_elsewhere_lock_nobody_out() -> None:
    for _ in range(RATE + 1):
        last = tried(address=ELSEWHERE)
    assert last.status_code == 429
    assert tried(password="a good password").status_code == 302


def test_another_person_at_the_same_address_may_log_in() -> None:
    for _ in range(RATE + 1):
        tried("ben")
    assert tried(password="a good password").status_code == 302


def test_no_other_spelling_of_a_name_has_tries_of_its_own() -> None:
    for name in ("ada", " ada ", "\uff41da"):
        tried(name)
    assert tried().status_code == 429


def test_many_names_from_one_address_are_too_many() -> None:
    statuses = [tried(f"user{number}").status_code for number in range(RATE * PEOPLE_AT_AN_ADDRESS + 1)]
    assert (set(statuses[:-1]), statuses[-1]) == ({200}, 429)
    assert tried(password="a good password").status_code == 429
    assert tried(password="a good password", address=ELSEWHERE).status_code == 302


def test_names_that_no_cache_takes_for_a_key_are_just_wrong() -> None:
    assert tried("x" * 5000 + " \n\x00é").status_code == 200


def test_the_admin_has_no_login_of_its_own() -> None:
    answer = Client().get("/admin/", follow=True)
    assert answer.redirect_chain[-1] == ("/login/?next=%2Fadmin%2F", 302)
    assert Client().post("/admin/login/", {"username": "ada", "password": "wrong"}).status_code == 405
