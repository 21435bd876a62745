"""What every test has."""

from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import settings as hypothesis_settings

# How long an example takes is the machine's affair.
hypothesis_settings.register_profile("whetstone", deadline=None)
hypothesis_settings.load_profile("whetstone")

# With one of these, or the mark for it, a test meets the database; the others start processes that do.
_MEET_IT = {"db", "transactional_db", "live_server"}
_START_SITES = ("faults", "browser", "postgres")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Beside SQLite only what meets the database is run again: all else would do the same there."""
    if connection.vendor == "sqlite":
        return
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        meets = item.get_closest_marker("django_db") or _MEET_IT.intersection(getattr(item, "fixturenames", ()))
        (kept if meets or any(map(item.get_closest_marker, _START_SITES)) else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


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
