"""Label Studio's ML backend contract: the shapes it expects, authenticated, and no traceback whatever it sends."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client

from annotators.membership import Role
from annotators.tokens import issue
from collection.models import Experiment, ImportedVersion
from modelserver.client import FakeModelClient
from modelserver.models import ModelVersion
from tests import factories

pytestmark = pytest.mark.django_db
BACKEND = "/api/v1/labelstudio/study/base/0/"
CONFIG = """<View><Text name="premise" value="$premise"/><Choices name="follows" toName="premise">
<Choice value="Definitely true"/><Choice value="Not definitely true"/></Choices></View>"""
TASK = {"id": 7, "data": {"premise": "It rains.", "hypothesis": "It is wet."}}


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment."""
    return factories.running()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModelClient:
    """A model that always says entailment."""
    fake = factories.client_that_says("entailment")
    monkeypatch.setattr("modelserver.registry.model_client", lambda: fake)
    return fake


def asks(method: str, path: str, secret: str, body: object = None) -> Any:
    """A request as Label Studio sends it."""
    credentials = base64.b64encode(f"whetstone:{secret}".encode()).decode()
    text = "" if body is None else json.dumps(body)
    headers = {"Authorization": f"Basic {credentials}"}
    return Client().generic(method, BACKEND + path, text, content_type="application/json", headers=headers)


@pytest.fixture
def secret(experiment: Experiment) -> str:
    """A token of a researcher of the experiment."""
    return issue(factories.researcher(experiment, Role.RESEARCHER).user, "label studio", ["read"])[1]


def test_it_is_up_while_the_model_server_is(secret: str, model: FakeModelClient) -> None:
    assert asks("GET", "health", secret).json() == {"status": "UP", "model_class": "base/0"}
    model.down = True
    assert asks("GET", "health", secret).status_code == 503


def test_a_project_is_set_up_and_nothing_it_names_is_called(secret: str, model: FakeModelClient) -> None:
    body = {"project": "1.2", "schema": CONFIG, "hostname": "http://169.254.169.254", "access_token": "theirs"}
    assert asks("POST", "setup", secret, body).json() == {"model_version": "base/0"}
    assert asks("POST", "webhook", secret, {"action": "ANNOTATION_CREATED"}).json()["status"] == "ok"
    assert model.calls == []


def test_tasks_get_the_choice_of_their_own_configuration(secret: str, model: FakeModelClient) -> None:
    answer = asks("POST", "predict", secret, {"tasks": [TASK, TASK], "label_config": CONFIG, "project": "1.2"})
    region = {
        "from_name": "follows", "to_name": "premise", "type": "choices", "value": {"choices": ["Definitely true"]},
    }  # fmt: skip
    assert answer.json()["results"] == [{"result": [region], "score": 0.9, "model_version": "base/0"}] * 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tasks": []}, "tasks"),
        ({"tasks": [3]}, "tasks[0].data"),
        ({"tasks": [{"data": {"premise": "x"}}]}, "tasks[0].data.hypothesis"),
        ({"tasks": [TASK], "label_config": "<View>"}, "label_config"),
        ({"tasks": [TASK], "label_config": "<View/>"}, "label_config"),
        ({"tasks": [TASK], "label_config": '<!DOCTYPE a [<!ENTITY b "c">]><View/>'}, "label_config"),
        ({"tasks": [TASK] * 501}, "tasks"),
        ([], "body"),
    ],
)
def test_bad_requests_are_problems_by_field(secret: str, model: FakeModelClient, body: object, field: str) -> None:
    answer = asks("POST", "predict", secret, body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert "Traceback" not in answer.content.decode()


def test_it_needs_a_token_of_somebody_who_may_look(experiment: Experiment, model: FakeModelClient) -> None:
    for path, method in (("health", "GET"), ("setup", "POST"), ("predict", "POST"), ("webhook", "POST")):
        assert asks(method, path, "wst_forged").status_code == 401
        outsider = issue(factories.person().user, "x", ["read"])[1]
        assert asks(method, path, outsider).status_code == 404
        annotates = issue(factories.researcher(experiment).user, "x", ["annotate"])[1]
        assert asks(method, path, annotates).status_code == 403
    broken = Client().get(f"{BACKEND}health", headers={"Authorization": "Basic !!"})
    assert broken.status_code == 401


@pytest.mark.parametrize(("method", "path", "body"), [("GET", "health", None), ("POST", "predict", {"tasks": [TASK]})])
def test_a_version_without_weights_says_so(
    secret: str, model: FakeModelClient, method: str, path: str, body: object
) -> None:
    ImportedVersion.objects.create(version=ModelVersion.objects.get(name="base"))
    answer = asks(method, path, secret, body)
    assert answer.status_code == 409
    assert "its weights are not on this site" in answer.content.decode()
