"""What every test has."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _fast_passwords(settings: object) -> None:
    """Hashing passwords slowly protects people, not tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def sent_nudges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that would have been sent: tests look at them or reconcile by themselves, no broker is used."""
    sent: list[str] = []
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda self, name, *_, **__: sent.append(name))
    return sent
