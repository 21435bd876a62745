"""Whatever the API's own description allows, and much that it does not, sent by everybody: no error of ours, no status
and no body that the description does not have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks as response_checks

from annotators import tokens
from annotators.membership import Role
from collection import assignment
from modelserver.client import FakeModelClient
from tests import factories

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]
EXAMPLES = 6
CHECKS = (
    schemathesis.checks.not_a_server_error,
    response_checks.status_code_conformance,
    response_checks.content_type_conformance,
    response_checks.response_schema_conformance,
)


def description() -> dict[str, Any]:
    """The description as a client gets it."""
    found: dict[str, Any] = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))
    return found


SCHEMA = schemathesis.openapi.from_dict(description())
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
NAMES = [f"{operation.method.upper()} {operation.path}" for operation in OPERATIONS]


@pytest.fixture
def application() -> Iterator[WSGIHandler]:
    """The site, which leaves the test's connection to the database open, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def somebody(role: str) -> Any:
    """A user in a role of an experiment in which there is something of everything."""
    experiment = factories.running(sandbox=True, leaderboard=True, undo_seconds=60)
    factories.written(experiment)
    if role == "annotator":
        who = factories.member_of(experiment, "dynamic")
        assignment.claim(experiment, who)
        return who.user
    who = factories.person() if role in ("outsider", "admin") else factories.researcher(experiment, Role(role))
    who.user.is_staff = who.user.is_superuser = role == "admin"
    who.user.save()
    return who.user


@pytest.mark.parametrize("role", ["outsider", "annotator", "validator", "researcher", "owner", "admin"])
def test_every_operation_keeps_to_its_description(
    role: str, application: WSGIHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelserver.registry.model_client", lambda: FakeModelClient())
    monkeypatch.setattr("collection.planning.registry.check_base_model", lambda name: None)
    secret = tokens.issue(somebody(role), role, ["annotate", "read", "run", "manage"])[1]
    for operation in OPERATIONS:

        @given(case=operation.as_strategy(), real=st.booleans())
        @settings(
            max_examples=EXAMPLES, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def keeps(case: schemathesis.Case, real: bool) -> None:
            # Half of the requests are about something that is there.
            if real and "slug" in case.path_parameters:
                case.path_parameters["slug"] = "nli" if "tasks" in case.path else "study"
            case.call_and_validate(app=application, headers={"Authorization": f"Bearer {secret}"}, checks=CHECKS)

        keeps()
