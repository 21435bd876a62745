"""Imports and round 0 through the API."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from annotators.tokens import issue
from collection import imports, intake
from collection.models import DataImport, Experiment, RoundZero
from tests import factories

pytestmark = pytest.mark.django_db
IMPORTS = "/api/v1/console/imports/"
ROUND_ZERO = "/api/v1/console/experiments/study/round-zero/"
ROWS = b"premise,hypothesis,label\nIt rains.,Water falls.,e\n"
LABELS = json.dumps({"e": "entailment"})


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"


@pytest.fixture
def ada() -> User:
    """A researcher of the site."""
    return User.objects.create(username="ada", is_staff=True)


@pytest.fixture
def client(ada: User) -> Client:
    """Her session."""
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def draft(ada: User) -> Experiment:
    """Her draft."""
    return factories.draft(owner=ada)


def send(client: Client, url: str, content: bytes = ROWS, file: str = "rows.csv", **fields: Any) -> Any:
    """Send a file with its form."""
    sent = io.BytesIO(content)
    sent.name = file
    return client.post(url, {"file": sent, **fields})


def test_a_file_is_sent_followed_and_told_in_full(client: Client, draft: Experiment) -> None:
    sent = send(client, IMPORTS, kind="round-zero", experiment="study", labels=LABELS, arms=["dynamic", "static"])
    assert sent.status_code == 202
    body = sent.json()
    assert (body["state"], body["kind"], body["name"], body["size"]) == ("due", "round-zero", "rows.csv", len(ROWS))
    intake.carry_out(DataImport.objects.get().pk)
    done = client.get(f"{IMPORTS}{body['key']}/").json()
    assert (done["state"], done["faults"], done["made"], done["experiment"]) == ("done", [], None, "study")
    assert done["outcome"].startswith("static, dynamic will start with 1 rows")
    assert [item["key"] for item in client.get(IMPORTS).json()["results"]] == [body["key"]]


def test_a_failed_import_is_tried_again(client: Client, draft: Experiment) -> None:
    page = f"{IMPORTS}{send(client, IMPORTS, kind='round-zero', experiment='study', labels=LABELS).json()['key']}/"
    early = client.post(f"{page}retry/")
    assert (early.status_code, early.json()["code"]) == (409, "import_due")
    taken = imports.claim(DataImport.objects.get().pk)
    assert taken is not None
    imports.fail(taken, "no space left")
    again = client.post(f"{page}retry/")
    assert (again.status_code, again.json()["state"], again.json()["problem"]) == (200, "due", "")
    intake.carry_out(taken.pk)
    assert client.get(page).json()["state"] == "done"


def test_a_token_may_send_with_the_scope_run_alone(client: Client, ada: User, draft: Experiment) -> None:
    for scopes, status in ((["read"], 403), (["run"], 202)):
        secret = issue(ada, "t", scopes)[1]
        headers = {"Authorization": f"Bearer {secret}"}
        file = io.BytesIO(ROWS)
        file.name = "rows.csv"
        body = {"file": file, "kind": "round-zero", "experiment": "study"}
        assert Client(headers=headers).post(IMPORTS, body).status_code == status


def test_faults_have_file_line_and_column(client: Client, draft: Experiment) -> None:
    key = send(client, IMPORTS, kind="round-zero", experiment="study").json()["key"]
    intake.carry_out(DataImport.objects.get().pk)
    refused = client.get(f"{IMPORTS}{key}/").json()
    assert (refused["state"], refused["fault_count"]) == ("refused", 1)
    fault = refused["faults"][0]
    assert (fault["file"], fault["line"], fault["column"]) == ("rows.csv", 2, "label")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "gossip"}, "kind"),
        ({"kind": "contexts"}, None),
        ({"kind": "contexts", "experiment": "study", "labels": LABELS}, "labels"),
        ({"kind": "round-zero", "experiment": "study", "labels": '"e"'}, "labels"),
        ({"kind": "round-zero", "experiment": "study", "labels": '{"e": "maybe"}'}, "labels.e"),
        ({"kind": "round-zero", "experiment": "study", "columns": '{"label": 1}'}, "columns"),
        ({"kind": "round-zero", "experiment": "study", "labels": '{"\\ud800": "entailment"}'}, "labels"),
        ({"kind": "test-set", "task": "nothing", "slug": "a", "name": "A"}, "task"),
        ({"kind": "release", "slug": "A b"}, "slug"),
        ({"kind": "release", "path": "/etc/passwd"}, "path"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_kept(
    client: Client, draft: Experiment, fields: dict[str, str], field: str | None
) -> None:
    answer = send(client, IMPORTS, **fields)
    assert (answer.status_code, answer.json().get("field")) == (404 if field is None else 400, field)
    assert not DataImport.objects.exists()


def test_a_launched_experiment_takes_nothing_more(client: Client, draft: Experiment) -> None:
    Experiment.objects.update(state="preparing")
    answer = send(client, IMPORTS, kind="contexts", experiment="study")
    assert (answer.status_code, answer.json()["code"]) == (409, "locked")


def test_imports_come_page_by_page_and_only_ones_own(client: Client, draft: Experiment) -> None:
    keys = [send(client, IMPORTS, kind="contexts", experiment="study").json()["key"] for _ in range(3)]
    with mock.patch("collection.api.console.imports.PAGE", 2):
        first = client.get(IMPORTS).json()
        second = client.get(IMPORTS, {"cursor": first["next"]}).json()
    assert [item["key"] for item in first["results"] + second["results"]] == keys[::-1]
    other = Client()
    other.force_login(User.objects.create(username="eve", is_staff=True))
    assert other.get(IMPORTS).json()["results"] == []
    assert other.get(f"{IMPORTS}{keys[0]}/").status_code == 404
    stranger = Client()
    stranger.force_login(factories.person().user)
    assert stranger.get(IMPORTS).status_code == 404
    assert send(stranger, IMPORTS, kind="contexts", experiment="study").status_code == 404


def test_round_zero_is_looked_at_stored_told_and_taken_away(client: Client, draft: Experiment) -> None:
    looked = send(client, ROUND_ZERO, format="csv", labels=LABELS)
    assert (looked.status_code, looked.json()["rows"], looked.json()["tested"]) == (200, 1, 0)
    assert not RoundZero.objects.exists()
    refused = send(client, ROUND_ZERO, format="csv", store="true")
    assert (refused.status_code, refused.json()["field"]) == (400, "file")
    stored = send(client, ROUND_ZERO, format="csv", labels=LABELS, store="true")
    assert stored.status_code == 201
    told = client.get(ROUND_ZERO).json()
    assert told == stored.json()
    assert told["locked"] is None
    assert [(item["arm"], item["rows"], item["name"]) for item in told["arms"]] == [
        ("non-adversarial", 1, "rows.csv"), ("static", 1, "rows.csv"), ("dynamic", 1, "rows.csv")
    ]  # fmt: skip
    assert client.delete(f"{ROUND_ZERO}?arm=unheard").json()["field"] == "arms"
    assert client.delete(f"{ROUND_ZERO}?arm=static").status_code == 204
    assert RoundZero.objects.count() == 2
    assert client.delete(ROUND_ZERO).status_code == 204
    assert not RoundZero.objects.exists()


def test_round_zero_is_locked_after_the_launch_with_the_reason(client: Client, draft: Experiment) -> None:
    Experiment.objects.update(state="preparing")
    assert "cannot be compared" in client.get(ROUND_ZERO).json()["locked"]
    for answer in (client.delete(ROUND_ZERO), send(client, ROUND_ZERO, format="csv", labels=LABELS, store="true")):
        assert (answer.status_code, answer.json()["code"]) == (409, "locked")
