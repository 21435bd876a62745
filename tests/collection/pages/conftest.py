"""An experiment and its model, for the tests of pages."""

from __future__ import annotations

import pytest

from collection.models import Experiment
from modelserver.client import FakeModelClient
from tests import factories


@pytest.fixture
def experiment(db: None) -> Experiment:
    """A running experiment in which one vote decides."""
    return factories.running(
        quota=5, quorum=1, max_validations=1, max_tries=2, base_pay_minor=10, validation_pay_minor=3
    )


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModelClient:
    """A model that always says entailment."""
    fake = factories.client_that_says("entailment")
    monkeypatch.setattr("modelserver.registry.model_client", lambda: fake)
    return fake
