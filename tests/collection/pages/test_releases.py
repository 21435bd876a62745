"""The pages of releases: each state, who may do what, downloads, and the link for people without an account."""

from __future__ import annotations

import hashlib
import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client

from annotators.membership import Role
from collection import releases
from collection.export.storage import release_storage
from collection.models import Experiment, Release, Round
from collection.pages.throttling import _Public
from collection.states import ReleaseState
from tests import factories
from tests.collection import released
from tests.collection.pages import logged_in, shown

pytestmark = pytest.mark.django_db
PAGE = "/studies/study/releases/"
FORM: dict[str, Any] = {
    "told": "0", "arms": ["static", "dynamic"], "states": ["accepted"], "formats": ["jsonl"], "method": "none",
    "seed": "0",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.RELEASES_URL = f"file://{tmp_path}/releases"


@pytest.fixture
def experiment() -> Experiment:
    """A study with a round that is done and one that is not."""
    made = factories.running()
    for arm in made.arms.all():
        factories.trained(made, arm.slug)
        Round.objects.filter(arm=arm, number=1).update(state="done")
        Round.objects.create(arm=arm, number=2, quota=5)
    return made


@pytest.fixture
def owner(experiment: Experiment) -> Client:
    """Its owner's browser."""
    return logged_in(factories.researcher(experiment))


def member(experiment: Experiment, role: Role) -> Client:
    """The browser of somebody with a role."""
    return logged_in(factories.researcher(experiment, role))


def read(answer: Any) -> bytes:
    """What was sent, chunk by chunk."""
    return b"".join(answer.streaming_content)


def test_a_release_is_asked_for_with_the_choices_of_the_form(owner: Client) -> None:
    form = shown(owner.get(PAGE))
    assert "all that are done: 1" in form
    asked = owner.post(
        PAGE, {**FORM, "rounds": "1", "attempts": "on", "method": "fooling", "dev": "10", "test": "12,5"}
    )
    assert (asked.status_code, asked.headers["Location"]) == (302, f"{PAGE}1/")
    made = Release.objects.get()
    assert made.choices["rounds"] == {"static": [1], "dynamic": [1]}
    assert made.choices["attempts"] is True
    splits = made.choices["splits"]
    assert (splits["method"], splits["dev"], splits["test"], splits["contexts"]) == ("fooling", 0.1, 0.125, False)
    page = shown(owner.get(f"{PAGE}1/"))
    assert "A worker makes it as soon as one is free." in page
    assert 'hx-trigger="every 2s"' in page
    assert "Release 1" in shown(owner.get(PAGE))


def test_two_clicks_make_one_release(owner: Client) -> None:
    owner.post(PAGE, FORM)
    again = owner.post(PAGE, FORM)
    assert again.status_code == 409
    assert "Release 1 was asked for meanwhile." in shown(again)
    assert Release.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"rounds": "2"}, 409, "still running: static 2, dynamic 2"),
        ({"rounds": "1-2"}, 409, "still running"),
        ({"rounds": "1-900000"}, 422, "There are no rounds"),
        ({"rounds": "first"}, 422, "Must be numbers like"),
        ({"arms": []}, 422, "<strong>arms</strong>"),
        ({"arms": ["unheard"]}, 422, "<strong>arms</strong>"),
        ({"formats": []}, 422, "<strong>formats</strong>"),
        ({"formats": ["anli"], "attempts": "on"}, 422, "<strong>attempts</strong>"),
        ({"states": ["retracted"]}, 422, "<strong>states</strong>"),
        ({"method": "guessing", "dev": "10", "test": "10"}, 422, "<strong>splits.method</strong>"),
        ({"method": "fooling", "dev": "60", "test": "60"}, 422, "<strong>splits"),
        ({"method": "fooling", "dev": "NaN", "test": "10"}, 422, "<strong>splits.dev</strong>"),
        ({"seed": "-1"}, 422, "<strong>splits.seed</strong>"),
        ({"told": "x"}, 422, "Please load the page again."),
    ],
)
def test_what_is_wrong_with_the_form_is_named_and_nothing_asked_for(
    owner: Client, fields: dict[str, Any], status: int, words: str
) -> None:
    refused = owner.post(PAGE, {**FORM, **fields})
    assert (refused.status_code, words in shown(refused)) == (status, True)
    assert not Release.objects.exists()


def test_before_a_round_is_done_there_is_no_form_but_the_reason(owner: Client, experiment: Experiment) -> None:
    Round.objects.update(state="training")
    assert "No round is done yet: there is nothing to release." in shown(owner.get(PAGE))
    refused = owner.post(PAGE, FORM)
    assert (refused.status_code, Release.objects.exists()) == (409, False)


def test_how_far_it_is_is_shown_while_it_is_made(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment, state="building", progress={"phase": "writing", "done": 30, "of": 90})
    page = shown(owner.get(f"{PAGE}1/"))
    assert "A worker makes it: writing." in page
    assert '<progress max="90" value="30"' in page
    assert "Withdraw" not in page


def test_a_held_release_shows_what_was_found_masked_and_is_decided_about_once(
    owner: Client, experiment: Experiment
) -> None:
    found = {
        "table": "examples",
        "id": str(uuid.uuid4()),
        "column": "hypothesis",
        "kind": "e-mail",
        "excerpt": "I am ••••",
    }
    factories.release(experiment, state="held", findings={"counts": {"e-mail": 1200}, "kept": [found] * 1000})
    page = shown(owner.get(f"{PAGE}1/"))
    assert "<dt>E-mail</dt><dd>1200</dd>" in page
    assert "I am ••••" in page
    assert "the first 100" in page
    assert owner.post(f"{PAGE}1/", {"action": "accepted"}).status_code == 302
    release = Release.objects.get()
    assert (release.state, release.findings_decision) == (ReleaseState.DUE, "accepted")
    again = owner.post(f"{PAGE}1/", {"action": "left_out"})
    assert again.status_code == 409
    assert "Release 1 waits for a worker. Nothing was done." in shown(again)
    assert Release.objects.get().findings_decision == "accepted"


def test_a_failed_release_says_why_and_is_tried_again(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment, state="failed", problem="The disk is full.")
    assert "The disk is full." in shown(owner.get(f"{PAGE}1/"))
    assert owner.post(f"{PAGE}1/", {"action": "retry"}).status_code == 302
    assert Release.objects.get().state == ReleaseState.DUE
    assert owner.post(f"{PAGE}1/", {"action": "retry"}).status_code == 409
    assert owner.post(f"{PAGE}1/", {"action": "burn"}).status_code == 422


def test_every_file_and_the_zip_come_as_they_were_released(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment)
    page = shown(owner.get(f"{PAGE}1/"))
    assert 'href="/studies/study/releases/1/files/jsonl/dynamic/examples.jsonl"' in page
    answer = owner.get(f"{PAGE}1/files/jsonl/dynamic/examples.jsonl")
    content = read(answer)
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["X-Checksum-Sha256"] == hashlib.sha256(content).hexdigest()
    assert (
        answer.headers["Content-Disposition"] == 'attachment; filename="study-release-1-jsonl-dynamic-examples.jsonl"'
    )
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    head = owner.head(f"{PAGE}1/files/jsonl/dynamic/examples.jsonl")
    assert (head.streaming, head.headers["Content-Length"]) == (False, str(len(content)))
    whole = owner.get(f"{PAGE}1/zip/")
    archive = read(whole)
    assert whole.headers["Content-Length"] == str(len(archive))
    assert whole.headers["X-Checksum-Sha256"] == "4" * 64
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert names == ["study-release-1/jsonl/dynamic/examples.jsonl", "study-release-1/release.json"]


@pytest.mark.parametrize(
    "path",
    [
        "../1/release.json",
        "/etc/passwd",
        "..%2f..%2frelease.json",
        "release.json%00",
        "jsonl",
        "",
        "jsonl//dynamic",
        "%ff",
    ],
)
def test_a_forged_path_is_not_there(owner: Client, experiment: Experiment, path: str) -> None:
    release = factories.release(experiment)
    for start in (f"{PAGE}1/files/", f"/r/{release.link}/files/"):
        assert owner.get(start + path).status_code == 404


def test_a_file_that_the_storage_lacks_is_told_in_words(owner: Client, experiment: Experiment) -> None:
    release = factories.release(experiment)
    release_storage().remove(releases.place_of(release))
    for path in (f"{PAGE}1/files/release.json", f"{PAGE}1/zip/"):
        assert "The storage of releases lacks this file" in shown(owner.get(path, follow=True))
    assert owner.get(f"/r/{release.link}/zip/").status_code == 409


def test_a_damaged_file_breaks_the_transfer_off(owner: Client, experiment: Experiment, tmp_path: Path) -> None:
    factories.release(experiment)
    (tmp_path / f"releases/{experiment.key}/1/release.json").write_bytes(b"[]\n")
    with pytest.raises(OSError, match="another content"):
        read(owner.get(f"{PAGE}1/files/release.json"))


def test_a_link_opens_one_release_to_anybody_until_it_is_taken_away(owner: Client, experiment: Experiment) -> None:
    factories.release(experiment, link=None)
    assert owner.post(f"{PAGE}1/", {"action": "link"}).status_code == 302
    link = Release.objects.get().link
    owner.post(f"{PAGE}1/", {"action": "link"})
    assert Release.objects.get().link == link, "pressing twice"
    anybody = Client()
    page = anybody.get(f"/r/{link}/")
    assert (page.status_code, page.headers["X-Robots-Tag"]) == (200, "noindex, nofollow")
    assert '<meta name="robots" content="noindex, nofollow">' in shown(page)
    assert "<script" not in shown(page)
    assert not page.cookies
    file = anybody.get(f"/r/{link}/files/release.json")
    assert (read(file), file.headers["X-Robots-Tag"]) == (b"{}\n", "noindex, nofollow")
    assert zipfile.ZipFile(io.BytesIO(read(anybody.get(f"/r/{link}/zip/")))).testzip() is None
    owner.post(f"{PAGE}1/", {"action": "unlink"})
    for path in (f"/r/{link}/", f"/r/{link}/zip/", f"/r/{link}/files/release.json", f"/r/{uuid.uuid4()}/"):
        assert anybody.get(path).status_code == 404


def test_who_follows_links_too_often_is_told_when_to_come_back(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Public, "rate", "4/hour", raising=False)
    cache.clear()
    link = factories.release(experiment).link
    anybody, elsewhere = Client(REMOTE_ADDR="192.0.2.1"), Client(REMOTE_ADDR="192.0.2.99")
    paths = (f"/r/{link}/", f"/r/{link}/zip/", f"/r/{link}/files/release.json", f"/r/{uuid.uuid4()}/")
    assert [anybody.get(path).status_code for path in paths] == [200, 200, 200, 404]
    for path in paths:
        refused = anybody.get(path)
        assert (refused.status_code, refused.headers["X-Robots-Tag"]) == (429, "noindex, nofollow")
        assert 3500 < int(refused.headers["Retry-After"]) <= 3600
        assert f"Please try again in {refused.headers['Retry-After']} seconds." in refused.content.decode()
    assert anybody.head(paths[0]).status_code == 429
    assert elsewhere.get(paths[0]).status_code == 200
    assert Client(REMOTE_ADDR="192.0.2.1").get("/login/").status_code == 200, "only links are counted"
    cache.clear()


def test_withdrawing_takes_the_files_and_needs_it_to_be_typed(
    owner: Client, experiment: Experiment, django_capture_on_commit_callbacks: Any, tmp_path: Path
) -> None:
    link = factories.release(experiment).link
    for typed in ("", "study 2", "yes"):
        refused = owner.post(f"{PAGE}1/", {"action": "withdraw", "confirmation": typed})
        assert refused.status_code == 422
    assert Release.objects.get().state == ReleaseState.DONE
    with django_capture_on_commit_callbacks(execute=True):
        owner.post(f"{PAGE}1/", {"action": "withdraw", "confirmation": " study 1 "})
    page = shown(owner.get(f"{PAGE}1/"))
    assert "Its files are gone. What it was stays on record." in page
    assert "4" * 64 in page
    assert "Download" not in page
    assert not (tmp_path / f"releases/{experiment.key}/1").exists()
    assert owner.get(f"{PAGE}1/files/release.json").status_code == 404
    assert owner.get(f"{PAGE}1/zip/", follow=True).redirect_chain == [(f"{PAGE}1/", 302)]
    assert Client().get(f"/r/{link}/").status_code == 404
    assert owner.post(f"{PAGE}1/", {"action": "withdraw", "confirmation": "study 1"}).status_code == 302
    assert Release.objects.get().state == ReleaseState.WITHDRAWN


def test_researchers_make_and_decide_and_owners_alone_give_out_and_withdraw(experiment: Experiment) -> None:
    factories.release(experiment)
    researcher = member(experiment, Role.RESEARCHER)
    page = shown(researcher.get(f"{PAGE}1/"))
    assert "Withdraw it" not in page
    assert str(Release.objects.get().link) not in page
    for action in ("link", "unlink", "withdraw"):
        refused = researcher.post(f"{PAGE}1/", {"action": action, "confirmation": "study 1"})
        assert refused.status_code == 404
    assert Release.objects.get().state == ReleaseState.DONE
    assert researcher.post(PAGE, {**FORM, "told": "1"}).status_code == 302


def test_annotators_and_strangers_find_no_release(experiment: Experiment) -> None:
    factories.release(experiment)
    elsewhere = factories.draft("elsewhere")
    for who in (
        logged_in(factories.member_of(experiment, "dynamic")),
        member(experiment, Role.VALIDATOR),
        logged_in(factories.researcher(elsewhere)),
    ):
        for path in ("", "1/", "1/zip/", "1/files/release.json", "1/difference/?former=1"):
            assert who.get(PAGE + path).status_code == 404
        assert who.post(PAGE, FORM).status_code == 404
    other = logged_in(factories.researcher(elsewhere))
    assert other.get("/studies/elsewhere/releases/1/").status_code == 404
    assert other.get("/studies/elsewhere/releases/99999999999/").status_code == 404


def test_two_releases_are_compared_and_only_when_it_takes_no_long_wait(
    owner: Client, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        factories.release(experiment, number)
    page = owner.get(f"{PAGE}2/difference/?former=1")
    assert '<th scope="row">dynamic</th><td>1</td><td>1</td><td>0</td>' in shown(page)
    monkeypatch.setattr("collection.downloads.MOST_COMPARED", 1)
    refused = owner.get(f"{PAGE}2/difference/?former=1")
    assert refused.status_code == 409
    assert "manage.py release study --diff 1 2" in shown(refused)
    assert owner.get(f"{PAGE}2/difference/?former=9").status_code == 404
    assert owner.get(f"{PAGE}2/difference/").status_code == 302


def test_a_release_that_a_worker_made_is_shown_with_its_counts() -> None:
    made = released.built(released.study("real"), formats=["jsonl", "csv"])
    page = shown(logged_in(factories.researcher(made.experiment)).get("/studies/real/releases/1/"))
    assert "<dt>Examples of dynamic</dt><dd>2</dd>" in page
    assert made.sha256 in page
    assert "csv/static/examples.csv" in page
