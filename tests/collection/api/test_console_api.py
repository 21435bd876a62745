"""The researchers' API: tokens, experiments from an empty database to running, versions, members, audit."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from annotators import tokens
from annotators.models import ApiToken, Invitation, Membership
from collection.demo.tasks import TASKS
from collection.models import Experiment, Task, TestSet
from lifecycle.models import DoneRequest
from modelserver.repository import ModelRepository
from tests import factories
from tests.modelserver.plain_artifacts import plain_artifact

pytestmark = pytest.mark.django_db
CONSOLE = "/api/v1/console/"
Call = Callable[..., Any]


def calls(client: Client, **fixed: str) -> Call:
    """Something that calls the API and gives the answer."""

    def call(method: str, path: str, body: object = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in (fixed | headers).items()}
        url = path if path.startswith("/") else f"{CONSOLE}{path}"
        text = "" if body is None else json.dumps(body)
        return client.generic(method, url, text, content_type="application/json", headers=sent)

    return call


@pytest.fixture
def ada() -> User:
    """A researcher of the site."""
    return User.objects.create(username="ada", is_staff=True)


@pytest.fixture
def call(ada: User) -> Call:
    """Her session."""
    client = Client()
    client.force_login(ada)
    return calls(client)


def by_token(user: User, *scopes: str) -> Call:
    """Somebody's program, with a token of these scopes."""
    return calls(Client(), Authorization=f"Bearer {tokens.issue(user, 'program', scopes)[1]}")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What makes an experiment."""
    monkeypatch.setattr("collection.planning.registry.check_base_model", lambda name: None)
    return {
        "slug": "mine",
        "name": "Mine",
        "task": "nli",
        "base_model": "models/nli-minilm",
        "contexts": ["A man has a dog.", "A woman has a cat."],
        "test_sets": ["held"],
        "settings": {"rounds": 2, "quota": 3, "recipe": {"epochs": 1}},
    }


def with_task_and_test_set(call: Call) -> None:
    """Make what the plan stands on."""
    task = TASKS["nli"]
    assert call("POST", "tasks/", {"slug": "nli", **task}).status_code == 201
    row = {"texts": {"premise": "It rains.", "hypothesis": "It is wet."}, "label": "entailment"}
    body = {"slug": "held", "name": "Held out", "task": "nli", "kind": "held-out", "rows": [row]}
    answer = call("POST", "test-sets/", body)
    assert answer.status_code == 201, answer.content


def test_from_an_empty_database_to_a_launched_experiment(call: Call, plan: dict[str, Any]) -> None:
    with_task_and_test_set(call)
    made = call("POST", "experiments/", plan)
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["state"], body["contexts"], body["test_sets"], body["settings"]["quota"]) == ("draft", 2, ["held"], 3)
    assert [arm["kind"] for arm in body["arms"]] == ["non-adversarial", "static", "dynamic"]
    assert Membership.objects.get().role == "owner"
    assert call("POST", "experiments/mine/launch/").json()["state"] == "preparing"
    again = call("POST", "experiments/mine/launch/")
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    listed = call("GET", "experiments/").json()
    assert [item["slug"] for item in listed["results"]] == ["mine"]
    events = call("GET", "experiments/mine/events/").json()["results"]
    assert [(item["from_state"], item["to_state"], item["actor"]) for item in events] == [
        ("draft", "preparing", "ada"),
        ("", "draft", "ada"),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Bad Slug"}, "slug"),
        ({"task": "none"}, "task"),
        ({"test_sets": ["none"]}, "test_sets"),
        ({"contexts": []}, "contexts"),
        ({"contexts": ["bad \u202e"]}, "contexts[0]"),
        ({"unknown": 1}, "unknown"),
        ({"settings": {"quota": 0}}, "quota"),
        ({"settings": {"quorum": 9}}, "max_validations"),
        ({"settings": {"unknown": 1}}, "unknown"),
        ({"settings": {"recipe": {"epochs": 0}}}, "recipe.epochs"),
        ({"settings": 3}, "settings.non_field_errors"),
        ({"arms": [{"name": "a", "kind": "static"}, {"name": "a", "kind": "dynamic"}]}, "arms"),
        ({"arms": [{"name": "a", "kind": "other"}]}, "arms.0.kind"),
    ],
)
def test_impossible_settings_are_refused_by_name(
    call: Call, plan: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    with_task_and_test_set(call)
    answer = call("POST", "experiments/", plan | change)
    assert answer.status_code == 400, answer.content
    assert answer.json()["field"] == field
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert Experiment.objects.count() == 0


def test_pause_resume_and_end_with_their_consequences(call: Call, ada: User) -> None:
    factories.running("theirs", owner=ada)
    for act, state in (("pause", "paused"), ("resume", "running")):
        assert call("POST", f"experiments/theirs/{act}/").json()["state"] == state
    refused = call("POST", "experiments/theirs/end/", {"sure": False})
    assert (refused.status_code, refused.json()["field"]) == (400, "sure")
    assert call("POST", "experiments/theirs/end/", {"sure": True}).json()["state"] == "ended"
    assert all(item["state"] == "ended" for item in call("GET", "experiments/theirs/rounds/").json())


def test_a_repeated_write_is_done_once_and_answered_alike(call: Call, plan: dict[str, Any]) -> None:
    with_task_and_test_set(call)
    answers = [call("POST", "experiments/", plan, Idempotency_Key="one") for _ in range(2)]
    assert [item.status_code for item in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert Experiment.objects.count() == 1
    other = call("POST", "experiments/", plan | {"slug": "other"}, Idempotency_Key="one")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    bad = call("POST", "experiments/", plan | {"slug": "x y"}, Idempotency_Key="two")
    assert bad.status_code == 400
    assert not DoneRequest.objects.filter(key="two").exists()


def test_a_write_that_is_under_way_or_died_is_told_apart(call: Call, plan: dict[str, Any], ada: User) -> None:
    with_task_and_test_set(call)
    call("POST", "experiments/", plan, Idempotency_Key="one")
    DoneRequest.objects.update(status=None, answer="")
    under_way = call("POST", "experiments/", plan, Idempotency_Key="one")
    assert (under_way.status_code, under_way.json()["code"]) == (409, "in_progress")
    DoneRequest.objects.update(begun_at=timezone.now() - timezone.timedelta(minutes=3))
    Experiment.objects.get().arms.all().delete()
    taken = call("POST", "experiments/", plan, Idempotency_Key="one")
    assert (taken.status_code, taken.json()["code"]) == (400, "taken")


@pytest.mark.parametrize("path", ["experiments/?x=1", "experiments/?cursor=x", "experiments/?cursor=1&cursor=2",
                                  "experiments/?state__in=draft", "tasks/?x=1"])  # fmt: skip
def test_unknown_and_bad_parameters_are_named(call: Call, path: str) -> None:
    answer = call("GET", path)
    assert answer.status_code == 400
    assert answer.json()["field"] in path


def test_long_lists_come_page_by_page(call: Call, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection.api.console.experiments.PAGE", 2)
    for number in range(3):
        factories.draft(f"study-{number}", owner=ada)
    first = call("GET", "experiments/").json()
    second = call("GET", f"experiments/?cursor={first['next']}").json()
    assert [item["slug"] for item in first["results"] + second["results"]] == ["study-2", "study-1", "study-0"]
    assert second["next"] is None


def test_a_token_does_what_its_scopes_say(ada: User) -> None:
    factories.running("theirs", owner=ada)
    reader, runner = by_token(ada, "read"), by_token(ada, "run")
    assert reader("GET", "experiments/theirs/").status_code == 200
    refused = reader("POST", "experiments/theirs/pause/")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert runner("POST", "experiments/theirs/pause/").status_code == 200
    assert runner("GET", "experiments/theirs/").status_code == 403
    assert reader("GET", "experiments/theirs/members/").status_code == 403
    assert by_token(ada, "manage")("GET", "experiments/theirs/members/").status_code == 200
    for scope in ApiToken.Scope.values:
        assert by_token(ada, scope)("POST", "/api/v1/tokens/", {"name": "x", "scopes": ["run"]}).status_code == 403


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer x y", "Bearer \xff", "bearer wst_nothing"])
def test_a_token_that_is_none_is_refused_and_not_ignored(ada: User, header: str) -> None:
    client = Client()
    client.force_login(ada)
    answer = client.get(f"{CONSOLE}experiments/", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_expired_and_revoked_tokens_are_refused(ada: User, call: Call) -> None:
    made = call("POST", "/api/v1/tokens/", {"name": "laptop", "scopes": ["read"], "days": 1}).json()
    program = calls(Client(), Authorization=f"Bearer {made['secret']}")
    assert program("GET", "experiments/").status_code == 200
    assert "secret" not in call("GET", "/api/v1/tokens/").json()[0]
    assert call("DELETE", f"/api/v1/tokens/{made['key']}/").status_code == 204
    assert program("GET", "experiments/").status_code == 401
    ApiToken.objects.update(revoked_at=None, expires_at=timezone.now())
    assert program("GET", "experiments/").status_code == 401


def test_versions_with_lineage_and_asking_one(call: Call, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    model = factories.client_that_says("entailment")
    monkeypatch.setattr("modelserver.registry.model_client", lambda: model)
    factories.running("theirs", owner=ada)
    versions = call("GET", "experiments/theirs/versions/").json()
    assert [(item["name"], item["version"], item["arm"]) for item in versions] == [("base", 0, None)]
    assert call("GET", "experiments/theirs/versions/base/0/").json() == versions[0]
    assert call("GET", "experiments/theirs/versions/base/1/").status_code == 404
    assert call("GET", f"experiments/theirs/versions/base/{10**30}/").status_code == 404
    path = "experiments/theirs/versions/base/0/predict/"
    asked = call("POST", path, {"texts": {"premise": "It rains.", "hypothesis": "It is wet."}})
    assert asked.json() == {
        "prediction": "entailment", "model_version": "base/0",
        "probabilities": {"entailment": 0.9, "not_entailment": 0.1},
    }  # fmt: skip
    bad = call("POST", path, {"texts": {"premise": "It rains.", "other": "x"}})
    assert (bad.status_code, bad.json()["field"]) == (400, "other")
    model.down = True
    away = call("POST", path, {"texts": {"premise": "It rains.", "hypothesis": "It is wet."}})
    assert (away.status_code, away.json()["code"]) == (409, "no_model")


def test_a_version_is_downloaded_by_a_token_that_may_read(
    ada: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository = ModelRepository(str(tmp_path / "repository"))
    monkeypatch.setattr("modelserver.registry.repository", lambda: repository)
    experiment = factories.running("theirs", owner=ada)
    version = factories.trained(experiment, manifest_sha256=plain_artifact(tmp_path / "new"))
    path = "experiments/theirs/versions/theirs-dynamic/1/download/"
    absent = by_token(ada, "read")("GET", path)
    assert (absent.status_code, absent.json()["code"]) == (409, "no_files")
    repository.publish(tmp_path / "new", version.ref)
    answer = by_token(ada, "read")("GET", path, Accept="application/zip")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert answer.headers["X-Checksum-Sha256"] == version.manifest_sha256
    content = answer.getvalue()
    assert int(answer.headers["Content-Length"]) == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.read("theirs-dynamic-1/weights.safetensors") == b"weights"
    assert by_token(ada, "annotate")("GET", path).status_code == 403
    assert by_token(factories.person().user, "read")("GET", path).status_code == 404


def test_members_come_by_invitation_and_the_last_owner_stays(call: Call, ada: User) -> None:
    factories.running("theirs", owner=ada)
    made = call("POST", "experiments/theirs/invitations/", {"role": "validator"}).json()
    secret = made["path"].split("/")[2]
    assert secret not in call("GET", "experiments/theirs/invitations/").content.decode()
    ben = User.objects.create(username="ben")
    client = Client()
    client.force_login(ben)
    joined = calls(client)("POST", "/api/v1/invitations/accept/", {"secret": secret})
    assert joined.json() == {"experiment": "theirs", "role": "validator"}
    used = calls(by_other())("POST", "/api/v1/invitations/accept/", {"secret": secret})
    assert used.status_code == 404
    assert call("PUT", "experiments/theirs/members/ben/", {"role": "researcher"}).json()["role"] == "researcher"
    assert call("PUT", "experiments/theirs/members/nobody/", {"role": "owner"}).status_code == 404
    last = call("DELETE", "experiments/theirs/members/ada/")
    assert (last.status_code, last.json()["code"]) == (409, "last_owner")
    assert call("DELETE", "experiments/theirs/members/ben/").status_code == 204
    assert call("DELETE", f"experiments/theirs/invitations/{made['key']}/").status_code == 204
    assert Invitation.objects.get().revoked_at is not None


def by_other() -> Client:
    """Somebody else's session."""
    client = Client()
    client.force_login(User.objects.create(username="chen"))
    return client


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"texts": {"premise": "x y"}, "label": "entailment"}, "rows[0].texts.hypothesis"),
        ({"texts": {"premise": "x", "hypothesis": "y", "z": "z"}, "label": "entailment"}, "rows[0].texts.z"),
        ({"texts": {"premise": "x", "hypothesis": "y"}, "label": "maybe"}, "rows[0].label"),
    ],
)
def test_a_bad_row_of_a_test_set_is_named_and_nothing_is_stored(call: Call, row: dict[str, Any], field: str) -> None:
    with_task_and_test_set(call)
    answer = call("POST", "test-sets/", {"slug": "new", "name": "New", "task": "nli", "rows": [row]})
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert TestSet.objects.count() == Task.objects.count() == 1


def test_requests_are_counted_and_too_many_are_told_when_to_come_back(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.cache import cache
    from rest_framework.throttling import ScopedRateThrottle

    cache.clear()
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"login": "2/min"})
    client = Client()
    body = {"username": "ada", "password": "wrong"}
    answers = [client.post("/api/v1/session/", body, content_type="application/json") for _ in range(3)]
    assert [item.status_code for item in answers] == [401, 401, 429]
    assert answers[2].json()["code"] == "throttled"
    assert int(answers[2].headers["Retry-After"]) > 0


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_is_none_is_a_problem_and_no_page(call: Call, method: str) -> None:
    answer = call(method, "/api/v1/nothing/here/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_request_that_is_too_large_is_told_so(call: Call) -> None:
    answer = call("POST", "experiments/", {"name": "x" * 10_000_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_the_api_describes_itself(call: Call, ada: User) -> None:
    assert call("GET", "/api/v1/docs/").status_code == 200
    found = call("GET", "/api/v1/schema/?format=json").json()
    assert found["openapi"].startswith("3.1")
    assert "/api/v1/console/experiments/{slug}/launch/" in found["paths"]


def test_a_plan_is_checked_whole_and_estimated_before_it_is_made(call: Call, plan: dict[str, Any]) -> None:
    with_task_and_test_set(call)
    wrong = call("POST", "experiments/check/", plan | {"contexts": [], "settings": {"quota": 0, "rounds": 0}}).json()
    assert {item["field"] for item in wrong["problems"]} >= {"contexts", "quota", "rounds"}
    assert wrong["estimate"] is None
    pay = {"base_pay_minor": 10, "validation_pay_minor": 2, "rounds": 2, "quota": 3}
    fine = call("POST", "experiments/check/", plan | {"settings": pay}).json()
    assert fine["problems"] == []
    assert (fine["estimate"]["examples"], fine["estimate"]["base_minor"], fine["estimate"]["training_runs"]) == (
        18,
        180,
        6,
    )
    assert fine["estimate"]["assumptions"]
    assert Experiment.objects.count() == 0


def test_what_would_break_comparability_is_locked_after_the_launch_with_the_reason(
    call: Call, ada: User, plan: dict[str, Any]
) -> None:
    factories.running("theirs", owner=ada)
    path = "experiments/theirs/settings/"
    assert "quorum" in call("GET", path).json()["locked"]
    for settings in ({"quorum": 1}, {"base_pay_minor": 99}, {"recipe": {"epochs": 9}}):
        refused = call("PATCH", path, {"settings": settings})
        assert (refused.status_code, refused.json()["code"]) == (409, "locked")
    assert call("PATCH", path, {"name": "A better name"}).json()["name"] == "A better name"
    assert call("PATCH", path, {"arms": []}).json()["field"] == "arms"
    events = call("GET", "experiments/theirs/events/").json()["results"]
    assert events[0]["detail"]["changed"]["name"] == ["theirs", "A better name"]


def test_rounds_are_extended_in_every_arm_alike_and_closed_early(call: Call, ada: User) -> None:
    experiment = factories.running("theirs", owner=ada, quota=5, quorum=1, max_validations=1)
    assert call("POST", "experiments/theirs/rounds/dynamic/1/extend/", {"by": 2}).status_code == 200
    assert {item["quota"] for item in call("GET", "experiments/theirs/rounds/").json()} == {7}
    early = call("POST", "experiments/theirs/rounds/dynamic/1/close/", {"sure": True})
    assert early.status_code == 409
    factories.accepted(experiment, "dynamic", 1)
    assert call("POST", "experiments/theirs/rounds/dynamic/1/close/", {"sure": True}).status_code == 200
    states = {item["arm"]: item["state"] for item in call("GET", "experiments/theirs/rounds/").json()}
    assert (states["dynamic"], states["static"]) == ("closed", "open")
    assert call("POST", "experiments/theirs/rounds/dynamic/9/extend/", {"by": 1}).status_code == 404
    assert call("POST", "experiments/theirs/rounds/static/1/extend/", {"by": 1}).json()["code"] == "round_closed"


def test_an_experiment_is_copied(call: Call, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection.planning.registry.check_base_model", lambda name: None)
    factories.running("theirs", owner=ada, quota=5)
    made = call("POST", "experiments/theirs/copy/", {"slug": "again", "name": "Again"})
    assert made.status_code == 201, made.content
    assert (made.json()["state"], made.json()["settings"]["quota"], made.json()["contexts"]) == ("draft", 5, 10)
