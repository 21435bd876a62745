"""The annotators' API: who gets in, what bad input gets, and what a non-adversarial arm never shows."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotators.enrolment import annotator_of, enrolment_in
from collection.models import Assignment, Attempt, Example, Experiment, Validation
from modelserver.client import FakeModelClient
from tests import factories

pytestmark = pytest.mark.django_db

LABELS = factories.LABELS


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModelClient:
    """A model that always answers not_entailment, so that a writer of an entailment always fools it."""
    fake = FakeModelClient(lambda ref, texts: {"entailment": 0.2, "not_entailment": 0.8})
    monkeypatch.setattr("collection.api.views.registry.model_client", lambda: fake)
    return fake


@pytest.fixture
def experiment() -> Experiment:
    """A running experiment with three arms."""
    return factories.running(quota=5, quorum=1, max_validations=1, max_tries=2, base_pay_minor=10)


def person(name: str) -> Client:
    """A client that is logged in."""
    client = Client()
    client.force_login(User.objects.get_or_create(username=name)[0])
    return client


def post(client: Client, path: str, body: object = None, key: str | None = None) -> Any:
    """A POST of JSON."""
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", headers=headers)


def writer_in(experiment: Experiment, kind: str) -> Client:
    """Somebody new who is enrolled in the arm of that kind."""
    for number in range(30):
        client = person(f"{kind}-{number}")
        assert post(client, "experiments/study/enrolment/").status_code == 200
        standing = enrolment_in(experiment.key, annotator_of(User.objects.get(username=f"{kind}-{number}")))
        assert standing is not None
        if standing.group == kind:
            return client
    raise AssertionError("blocks of three give every arm somebody")


def counts() -> tuple[int, ...]:
    """How many rows there are of all that writing and validating makes."""
    return tuple(model.objects.count() for model in (Assignment, Attempt, Example, Validation))


def attempt(client: Client, assignment: dict[str, Any], text: object = "The man has pets.", **more: Any) -> Any:
    """Put a text to the model."""
    key = more.pop("key", uuid.uuid4().hex)
    body = {"texts": {"hypothesis": text}, **more}
    return post(client, f"assignments/{assignment['key']}/attempts/", body, key)


def test_everything_needs_a_login(experiment: Experiment) -> None:
    key = uuid.uuid4()
    for path in (
        "experiments/study/enrolment/",
        "experiments/study/assignments/",
        "experiments/study/validations/",
        f"assignments/{key}/attempts/",
        f"assignments/{key}/example/",
        f"assignments/{key}/skip/",
        f"validations/{key}/vote/",
    ):
        answer = post(Client(), path)
        assert answer.status_code == 401, path
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert counts() == (0, 0, 0, 0)


def test_a_login_by_api_needs_the_csrf_token_and_the_right_password() -> None:
    User.objects.create_user("ada", password="right and long")
    client = Client(enforce_csrf_checks=True)
    body = json.dumps({"username": "ada", "password": "right and long"})
    assert client.post("/api/v1/session/", body, content_type="application/json").status_code == 403
    token = client.get("/api/v1/session/").json()["csrf_token"]
    wrong = json.dumps({"username": "ada", "password": "wrong"})
    refused = client.post("/api/v1/session/", wrong, content_type="application/json", headers={"X-CSRFToken": token})
    assert refused.status_code in (401, 403)
    answer = client.post("/api/v1/session/", body, content_type="application/json", headers={"X-CSRFToken": token})
    assert answer.json()["username"] == "ada"


def test_a_draft_is_not_there_for_annotators(experiment: Experiment) -> None:
    factories.draft("draft")
    assert post(person("ada"), "experiments/draft/enrolment/").status_code == 404


def test_write_submit_and_validate(experiment: Experiment, model: FakeModelClient) -> None:
    ada = writer_in(experiment, "dynamic")
    assignment = post(ada, "experiments/study/assignments/").json()
    assert assignment["context"].startswith("A man has")
    answer = attempt(ada, assignment)
    assert answer.status_code == 201
    verdict = answer.json()["verdict"]
    assert verdict["fooled"] == (assignment["target_label"] == "entailment")
    assert verdict["model_version"] == 0
    if not verdict["fooled"]:
        early = post(ada, f"assignments/{assignment['key']}/example/", {"attempt": answer.json()["key"]})
        assert (early.status_code, early.json()["code"]) == (409, "tries_left")
        answer = attempt(ada, assignment, "He has a dog or more.")
    submitted = post(ada, f"assignments/{assignment['key']}/example/", {"attempt": answer.json()["key"]})
    assert submitted.status_code == 201
    assert post(ada, "experiments/study/validations/").json()["code"] == "only_own"
    ben = writer_in(experiment, "static")
    lease = post(ben, "experiments/study/validations/").json()
    assert set(lease) == {"key", "state", "texts", "expires_at", "label", "flag", "reason"}
    assert post(ada, f"validations/{lease['key']}/vote/", {"label": "entailment"}).status_code == 404
    voted = post(ben, f"validations/{lease['key']}/vote/", {"label": assignment["target_label"]})
    assert voted.status_code == 200
    assert Example.objects.get().state == "accepted"


def test_no_verdict_leaves_the_server_in_a_non_adversarial_arm(experiment: Experiment, model: FakeModelClient) -> None:
    ada = writer_in(experiment, "non-adversarial")
    assignment = post(ada, "experiments/study/assignments/")
    sent = attempt(ada, assignment.json())
    shown = ada.get(f"/api/v1/assignments/{assignment.json()['key']}/")
    submitted = post(ada, f"assignments/{assignment.json()['key']}/example/", {"attempt": sent.json()["key"]})
    assert submitted.status_code == 201
    assert model.calls == []
    for answer in (assignment, sent, shown, submitted):
        everything = (answer.content.decode() + str(dict(answer.headers))).lower()
        for trace in ("verdict", "fool", "predict", "probabilit", "model", "adversarial", "tries"):
            assert trace not in everything


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("ab", "too_short"),
        ("word " * 100, "too_long"),
        ("x" * 900_000, "too_long"),
        ("a nul \x00 here", "control"),
        ("a bell \x07 here", "control"),
        ("zero\u200bwidth", "invisible"),
        ("right \u202e to left", "invisible"),
        ("half \ud800 a character", "surrogate"),
        (["a", "list"], "not_text"),
        (None, "not_text"),
    ],
)
def test_bad_text_is_named_and_nothing_is_stored(
    experiment: Experiment, model: FakeModelClient, text: object, code: str
) -> None:
    ada = writer_in(experiment, "dynamic")
    assignment = post(ada, "experiments/study/assignments/").json()
    before = counts()
    answer = attempt(ada, assignment, text)
    assert answer.status_code == 400
    assert (answer.json()["field"], answer.json()["code"]) == ("hypothesis", code)
    assert counts() == before
    assert model.calls == []


def test_other_bad_input_names_its_field(experiment: Experiment, model: FakeModelClient) -> None:
    ada = writer_in(experiment, "dynamic")
    assignment = post(ada, "experiments/study/assignments/").json()
    path = f"assignments/{assignment['key']}/attempts/"
    other = next(label for label in LABELS if label != assignment["target_label"])
    before = counts()
    for body, key, field in (
        ({"texts": {"hypothesis": assignment["context"].upper()}}, "k", "hypothesis"),
        ({"texts": {"hypothesis": "A fine text.", "premise": "Mine."}}, "k", "premise"),
        ({"texts": {"hypothesis": "A fine text."}, "label": "maybe"}, "k", "label"),
        ({"texts": {"hypothesis": "A fine text."}, "label": other}, "k", "label"),
        ({"texts": {"hypothesis": "A fine text."}, "fooled": True}, "k", "fooled"),
        ({"texts": {"hypothesis": "A fine text."}, "model_version": 7}, "k", "model_version"),
        ({"texts": "A fine text."}, "k", "texts"),
        ([1, 2], "k", "body"),
        ({"texts": {"hypothesis": "A fine text."}}, None, "idempotency_key"),
        ({"texts": {"hypothesis": "A fine text."}}, "k" * 101, "idempotency_key"),
    ):
        answer = post(ada, path, body, key)
        assert (answer.status_code, answer.json().get("field")) == (400, field), body
    deep = ada.post(f"/api/v1/{path}", "[" * 100_000, content_type="application/json")
    assert deep.status_code == 400
    assert counts() == before


def test_an_idempotency_key_gives_the_same_attempt_and_refuses_another_text(
    experiment: Experiment, model: FakeModelClient
) -> None:
    ada = writer_in(experiment, "dynamic")
    assignment = post(ada, "experiments/study/assignments/").json()
    first = attempt(ada, assignment, key="once")
    assert attempt(ada, assignment, key="once").json() == first.json()
    other = attempt(ada, assignment, "Another text.", key="once")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert Attempt.objects.count() == 1


def test_a_text_is_kept_while_the_model_server_is_away(experiment: Experiment, model: FakeModelClient) -> None:
    ada = writer_in(experiment, "dynamic")
    assignment = post(ada, "experiments/study/assignments/").json()
    model.down = True
    answer = attempt(ada, assignment)
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["verdict"]) == ("waiting", None)
    early = post(ada, f"assignments/{assignment['key']}/example/", {"attempt": answer.json()["key"]})
    assert early.json()["code"] == "verdict_pending"


def test_what_belongs_to_others_is_not_there(experiment: Experiment, model: FakeModelClient) -> None:
    ada, ben = writer_in(experiment, "dynamic"), writer_in(experiment, "static")
    assignment = post(ada, "experiments/study/assignments/").json()
    stored = attempt(ada, assignment).json()
    assert attempt(ben, assignment).status_code == 404
    assert ben.get(f"/api/v1/assignments/{assignment['key']}/").status_code == 404
    assert ben.delete(f"/api/v1/assignments/{assignment['key']}/").status_code == 404
    assert post(ben, f"assignments/{assignment['key']}/skip/").status_code == 404
    mine = post(ben, "experiments/study/assignments/").json()
    stolen = post(ben, f"assignments/{mine['key']}/example/", {"attempt": stored["key"]})
    assert stolen.status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "label"),
        ({"label": "maybe"}, "label"),
        ({"label": "entailment", "flag": True}, "flag"),
        ({"flag": "yes"}, "flag"),
        ({"flag": True}, "reason"),
        ({"flag": True, "reason": "  "}, "reason"),
        ({"label": "entailment", "reason": 3}, "reason"),
        ({"label": {"a": 1}}, "label"),
    ],
)
def test_a_bad_vote_names_its_field_and_is_not_stored(
    experiment: Experiment, model: FakeModelClient, body: dict[str, Any], field: str
) -> None:
    ada, ben = writer_in(experiment, "non-adversarial"), writer_in(experiment, "static")
    assignment = post(ada, "experiments/study/assignments/").json()
    stored = attempt(ada, assignment).json()
    post(ada, f"assignments/{assignment['key']}/example/", {"attempt": stored["key"]})
    lease = post(ben, "experiments/study/validations/").json()
    answer = post(ben, f"validations/{lease['key']}/vote/", body)
    assert (answer.status_code, answer.json().get("field")) == (400, field)
    assert Validation.objects.get().state == "leased"


def test_a_writer_explains_flags_a_context_and_takes_an_example_back(
    experiment: Experiment, model: FakeModelClient
) -> None:
    ada = writer_in(experiment, "non-adversarial")
    held = post(ada, "experiments/study/assignments/").json()
    path = f"assignments/{held['key']}"
    assert post(ada, f"{path}/flag/", {"reason": 3}).json()["field"] == "reason"
    moved = post(ada, f"{path}/flag/", {"reason": "cut off"}).json()
    assert moved["context"] != held["context"]
    attempt = post(ada, f"{path}/attempts/", {"texts": {"hypothesis": "They rest."}}, key="k").json()
    bad = post(ada, f"{path}/example/", {"attempt": attempt["key"], "why_label": 1})
    assert (bad.status_code, bad.json()["field"]) == (400, "why_label")
    example = post(ada, f"{path}/example/", {"attempt": attempt["key"], "why_label": "So it says."}).json()
    assert Example.objects.get().why_label == "So it says."
    assert person("thief").delete(f"/api/v1/examples/{example['key']}/").status_code == 404
    assert ada.delete(f"/api/v1/examples/{example['key']}/").json()["state"] == "retracted"


def test_a_validator_takes_the_last_vote_back(experiment: Experiment) -> None:
    Experiment.objects.update(undo_seconds=60)
    factories.written(experiment)
    ben = writer_in(experiment, "static")
    lease = post(ben, "experiments/study/validations/").json()
    post(ben, f"validations/{lease['key']}/vote/", {"label": "entailment"})
    undone = ben.delete(f"/api/v1/validations/{lease['key']}/vote/").json()
    assert (undone["state"], undone["label"]) == ("leased", None)
    Experiment.objects.update(undo_seconds=0)
    post(ben, f"validations/{lease['key']}/vote/", {"label": "entailment"})
    assert ben.delete(f"/api/v1/validations/{lease['key']}/vote/").json()["code"] == "too_late"
