"""What every test has: a data folder of its own, made before the settings are read."""

from __future__ import annotations

import os
import tempfile

import pytest

_DATA = tempfile.TemporaryDirectory(prefix="whetstone-tests-")
os.environ["DATA_DIR"] = _DATA.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GOMP_SPINCOUNT"] = "1000"
for _name in ("MODEL_REPOSITORY_URL", "TRAINING_DATA_URL", "MODELSERVER_URL", "WHETSTONE_ENV", "SECRET_KEY"):
    os.environ.pop(_name, None)


@pytest.fixture(autouse=True)
def _fast_passwords(settings: object) -> None:
    """Hashing passwords slowly protects people, not tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def sent_nudges(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """The tasks that would have been sent: tests look at them or reconcile by themselves, no broker is used."""
    sent: list[str] = []
    if "real_broker" not in request.keywords:
        monkeypatch.setattr("celery.app.base.Celery.send_task", lambda self, name, *_, **__: sent.append(name))
    return sent
