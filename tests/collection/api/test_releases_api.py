"""Releases through the API: asking, deciding, files, and giving them out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings
from django.test import Client

from annotators.membership import Role
from annotators.tokens import issue
from collection import releases
from collection.export.storage import release_storage
from collection.models import Experiment, Release, Round
from lifecycle.models import StateChange
from tests import factories

pytestmark = pytest.mark.django_db
RELEASES = "/api/v1/console/experiments/study/releases/"


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.RELEASES_URL = f"file://{tmp_path}/releases"


@pytest.fixture
def experiment() -> Experiment:
    """A study whose first round is done, and whose second one runs, in every arm."""
    made = factories.running()
    Round.objects.update(state="done")
    for arm in made.arms.all():
        Round.objects.create(arm=arm, number=2, quota=5)
    return made


def as_(experiment: Experiment, role: Role = Role.OWNER, scopes: Sequence[str] = ("read", "run", "manage")) -> Client:
    """A program of somebody with a role, with a token of these scopes."""
    secret = issue(factories.researcher(experiment, role).user, "t", list(scopes))[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def owner(experiment: Experiment) -> Client:
    """An owner's program."""
    return as_(experiment)


def post(client: Client, path: str, body: Any = None, key: str | None = None) -> Any:
    """Send JSON."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(path, {} if body is None else body, content_type="application/json", headers=headers)


def test_a_release_is_asked_for_once_with_an_idempotency_key_and_has_defaults(owner: Client) -> None:
    first, second = (post(owner, RELEASES, {"formats": ["csv"]}, key="one") for _ in range(2))
    assert (first.status_code, first.json()) == (202, second.json())
    told = first.json()
    assert (told["number"], told["state"], told["choices"]["formats"]) == (1, "due", ["csv"])
    assert told["choices"]["rounds"] == {"non-adversarial": [1], "static": [1], "dynamic": [1]}
    assert Release.objects.count() == 1
    assert owner.get(f"{RELEASES}1/").json() == told
    assert [item["number"] for item in owner.get(RELEASES).json()["results"]] == [1]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"rounds": [2]}, 409, "running"),
        ({"rounds": {"dynamic": [1]}}, 400, "rounds"),
        ({"rounds": "1"}, 400, "rounds"),
        ({"arms": ["dynamic", "dynamic"]}, 400, "arms"),
        ({"formats": ["pickle"]}, 400, "formats.0"),
        ({"states": ["retracted"]}, 400, "states.0"),
        ({"splits": {"method": "fooling", "dev": 2}}, 400, "splits.dev"),
        ({"splits": {"salt": "x"}}, 400, "splits.salt"),
        ({"salt": "x"}, 400, "salt"),
    ],
)
def test_a_wrong_choice_is_named_and_nothing_asked_for(
    owner: Client, body: dict[str, Any], status: int, named: str
) -> None:
    answer = post(owner, RELEASES, body)
    said = answer.json()
    assert (answer.status_code, said.get("field", said["code"])) == (status, named)
    assert not Release.objects.exists()


def test_what_was_found_is_decided_about_once_and_who_did_is_on_record(owner: Client, experiment: Experiment) -> None:
    kept = [{"table": "contexts", "id": "0", "column": "text", "kind": "e-mail", "excerpt": "••••"}]
    made = factories.release(experiment, state="held", findings={"counts": {"e-mail": 1}, "kept": kept})
    assert owner.get(f"{RELEASES}1/").json()["findings"] == {"counts": {"e-mail": 1}, "kept": kept}
    assert post(owner, f"{RELEASES}1/decision/", {"decision": "ignored"}).json()["field"] == "decision"
    decided = post(owner, f"{RELEASES}1/decision/", {"decision": "left_out"})
    assert (decided.status_code, decided.json()["state"], decided.json()["findings_decision"]) == (
        200,
        "due",
        "left_out",
    )
    again = post(owner, f"{RELEASES}1/decision/", {"decision": "accepted"})
    assert (again.status_code, again.json()["code"]) == (409, "release_due")
    event = StateChange.objects.filter(subject_type="collection.release", subject_id=made.pk).latest("pk")
    assert event.actor is not None
    assert event.detail["findings"] == "left_out"


def test_a_failed_release_is_tried_again(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment, state="failed", problem="The disk is full.")
    assert owner.get(f"{RELEASES}1/").json()["problem"] == "The disk is full."
    assert post(owner, f"{RELEASES}1/retry/").json()["state"] == "due"
    assert post(owner, f"{RELEASES}1/retry/").status_code == 409


def test_files_and_zip_are_streamed_with_their_checksums(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment)
    for item in owner.get(f"{RELEASES}1/").json()["files"]:
        answer = owner.get(f"{RELEASES}1/files/{item['path']}", headers={"Accept": "text/plain"})
        assert answer.streaming
        assert answer.headers["X-Checksum-Sha256"] == item["sha256"]
        assert answer.headers["Content-Length"] == str(item["size"])
        assert len(b"".join(answer)) == item["size"]
    archive = owner.get(f"{RELEASES}1/zip/")
    assert zipfile.ZipFile(io.BytesIO(b"".join(archive))).testzip() is None
    for path in ("../1/release.json", "etc/passwd", "jsonl"):
        assert owner.get(f"{RELEASES}1/files/{path}").status_code == 404


def test_files_of_a_release_that_is_not_done_or_that_the_storage_lacks_are_refused(
    owner: Client, experiment: Experiment
) -> None:
    factories.release(experiment, 1, state="building")
    assert owner.get(f"{RELEASES}1/files/release.json").status_code == 404
    assert owner.get(f"{RELEASES}1/zip/").json()["code"] == "release_building"
    release_storage().remove(releases.place_of(factories.release(experiment, 2)))
    for path in ("zip/", "files/release.json"):
        assert owner.get(f"{RELEASES}2/{path}").json()["code"] == "no_files"


def test_a_link_is_made_told_to_owners_and_taken_away(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment, link=None)
    link = post(owner, f"{RELEASES}1/link/").json()["link"]
    assert link == post(owner, f"{RELEASES}1/link/").json()["link"]
    assert Client().get(link).status_code == 200
    told = as_(experiment, Role.RESEARCHER).get(f"{RELEASES}1/").json()
    assert (told["public"], told["link"]) == (True, None)
    assert owner.delete(f"{RELEASES}1/link/").status_code == 204
    assert owner.delete(f"{RELEASES}1/link/").status_code == 204
    assert Client().get(link).status_code == 404


def test_withdrawing_needs_a_yes_and_once_more_does_no_harm(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment)
    assert post(owner, f"{RELEASES}1/withdraw/", {"sure": False}).json()["field"] == "sure"
    assert post(owner, f"{RELEASES}1/withdraw/", {"sure": True}).json()["state"] == "withdrawn"
    assert post(owner, f"{RELEASES}1/withdraw/", {"sure": True}).json()["state"] == "withdrawn"
    assert post(owner, f"{RELEASES}1/link/").status_code == 409


def test_two_releases_are_compared(owner: Client, experiment: Experiment) -> None:
    for number in (1, 2):
        factories.release(experiment, number)
    told = owner.get(f"{RELEASES}2/difference/", {"former": "1"}).json()
    assert told["settings"] == {}
    assert told["examples"] == [
        {
            "arm": "dynamic", "compared": True, "added": {"count": 1, "first": ["2"]},
            "removed": {"count": 1, "first": ["1"]}, "changed": {"count": 0, "first": []}, "moved": [],
        }
    ]  # fmt: skip
    assert owner.get(f"{RELEASES}2/difference/").json()["field"] == "former"
    assert owner.get(f"{RELEASES}2/difference/", {"former": "7"}).status_code == 404
    with mock.patch("collection.downloads.MOST_COMPARED", 1):
        assert owner.get(f"{RELEASES}2/difference/", {"former": "1"}).json()["code"] == "too_large"


def test_rights_and_scopes(experiment: Experiment) -> None:
    factories.release(experiment)
    researcher = as_(experiment, Role.RESEARCHER)
    for path, body in (("1/withdraw/", {"sure": True}), ("1/link/", None)):
        assert post(researcher, RELEASES + path, body).status_code == 404
        assert post(as_(experiment, scopes=["read", "run"]), RELEASES + path, body).status_code == 403
    assert post(as_(experiment, scopes=["read"]), RELEASES).status_code == 403
    assert post(researcher, RELEASES).status_code == 202
    for stranger in (as_(experiment, Role.VALIDATOR), as_(experiment, Role.ANNOTATOR), as_(factories.draft("other"))):
        for path in ("", "1/", "1/zip/", "1/files/release.json", "1/difference/?former=1"):
            assert stranger.get(RELEASES + path).status_code == 404
        assert post(stranger, RELEASES).status_code == 404
    assert Client().get(RELEASES).status_code == 401


def test_releases_come_page_by_page(owner: Client, experiment: Experiment) -> None:
    for number in (1, 2, 3):
        factories.release(experiment, number, state="failed")
    with mock.patch("collection.api.console.releases.PAGE", 2):
        first = owner.get(RELEASES).json()
        second = owner.get(RELEASES, {"cursor": first["next"]}).json()
    assert [item["number"] for item in first["results"] + second["results"]] == [3, 2, 1]
    assert second["next"] is None
    assert owner.get(RELEASES, {"cursor": "x"}).json()["field"] == "cursor"
