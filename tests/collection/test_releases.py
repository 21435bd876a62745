"""Asking for releases, who builds them, deciding about what was found, and giving them out."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from collection import releases, releasing
from collection.demo.tasks import task
from collection.errors import Conflict, Invalid, NotYours
from collection.export.storage import DamagedFile, release_storage
from collection.models import Release, Round
from collection.reconcile import reconcile
from collection.states import ExperimentState, RoundState
from collection.tasks import release as release_task
from lifecycle.models import StateChange
from lifecycle.moves import LostRace, move
from modelserver.datafiles import DataStore
from tests import factories
from tests.collection import released

pytestmark = pytest.mark.django_db


def test_a_release_is_asked_for_built_by_a_worker_and_read() -> None:
    experiment = released.study()
    somebody = factories.person().user
    release = releases.ask(experiment, {}, somebody)
    assert (release.number, release.state, release.asked_by) == (1, "due", somebody)
    release_task(release.pk)
    release.refresh_from_db()
    assert (release.state, release.problem) == ("done", "")
    assert len(released.rows(release, "jsonl/dynamic/examples.jsonl")) == 2
    events = StateChange.objects.filter(subject_type="collection.release").order_by("pk")
    assert [event.to_state for event in events] == ["due", "building", "done"]


def test_without_a_choice_all_accepted_examples_of_rounds_that_are_done_are_released() -> None:
    experiment = released.study()
    Round.objects.create(arm=experiment.arms.get(slug="dynamic"), number=2, quota=2)
    choices = releases.ask(experiment, {}).choices
    arms = ["non-adversarial", "static", "dynamic"]
    assert (choices["arms"], choices["rounds"]) == (arms, {arm: [1] for arm in arms})
    assert (choices["states"], choices["attempts"]) == (["accepted"], False)
    assert (choices["formats"], choices["splits"]["method"]) == (["jsonl", "huggingface"], "none")


def test_the_choices_of_a_release_can_be_asked_for_again() -> None:
    experiment = released.study()
    wanted = {
        "arms": ["dynamic", "static"],
        "states": ["rejected", "accepted"],
        "formats": ["csv"],
        "attempts": True,
        "splits": {"method": "fooling", "dev": 0.2, "seed": 7},
    }
    first = releases.ask(experiment, wanted)
    assert first.choices["arms"] == ["static", "dynamic"]
    assert releases.ask(experiment, first.choices).choices == first.choices


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([], "choices"),
        ({"colour": "red"}, "colour"),
        ({"arms": []}, "arms"),
        ({"arms": ["nobody"]}, "arms"),
        ({"arms": ["static", "static"]}, "arms"),
        ({"arms": "static"}, "arms"),
        ({"rounds": 1}, "rounds"),
        ({"rounds": [9]}, "rounds"),
        ({"rounds": [True]}, "rounds"),
        ({"rounds": [1, 1]}, "rounds"),
        ({"rounds": {"static": [1]}}, "rounds"),
        ({"states": ["retracted"]}, "states"),
        ({"formats": ["xlsx"]}, "formats"),
        ({"attempts": "yes"}, "attempts"),
        ({"attempts": True, "formats": ["huggingface"]}, "attempts"),
        ({"test_items": 1}, "test_items"),
        ({"splits": "none"}, "splits"),
        ({"splits": {"method": "random"}}, "splits.method"),
        ({"splits": {"share": 1}}, "splits.share"),
        ({"splits": {"method": "fooling", "dev": float("nan")}}, "splits.dev"),
        ({"splits": {"method": "fooling", "seed": -1}}, "splits.seed"),
    ],
)
def test_a_choice_that_is_wrong_is_named_and_nothing_is_stored(wanted: Any, field: str) -> None:
    experiment = factories.running(**released.QUICK)
    released.over(experiment)
    with pytest.raises(Invalid) as caught:
        releases.ask(experiment, wanted)
    assert caught.value.field == field
    assert not Release.objects.exists()


def test_splits_by_context_need_contexts() -> None:
    experiment = factories.running(task=task("sentiment"), **released.QUICK)
    released.over(experiment)
    with pytest.raises(Invalid, match="no contexts"):
        releases.ask(experiment, {"splits": {"method": "fooling", "contexts": True}})


def test_a_round_that_is_running_is_refused_by_name_until_it_is_done_or_the_study_is_over() -> None:
    experiment = released.study()
    Round.objects.filter(arm__slug="static").update(state=RoundState.TRAINING)
    with pytest.raises(Conflict, match="still running: static 1"):
        releases.ask(experiment, {"rounds": [1]})
    assert releases.ask(experiment, {}).choices["arms"] == ["non-adversarial", "dynamic"]
    with pytest.raises(Conflict, match="No round of static is done"):
        releases.ask(experiment, {"arms": ["static"]})
    move(experiment, ExperimentState.ENDED)
    assert releases.ask(experiment, {"rounds": [1]}).choices["rounds"]["static"] == [1]


def test_there_is_nothing_to_release_before_a_round_is_done() -> None:
    with pytest.raises(Conflict, match="nothing to release"):
        releases.ask(factories.running(**released.QUICK), {})


def test_an_unknown_release_is_not_there() -> None:
    experiment = released.study()
    for number in (0, 1, 2**40, -1):
        with pytest.raises(NotYours):
            releases.one_of(experiment, number)


def test_two_workers_build_a_release_once() -> None:
    release = releases.ask(released.study(), {})
    assert releases.claim(release.pk) is not None
    assert releases.claim(release.pk) is None
    releasing.release(release.pk)
    assert Release.objects.get().state == "building"


def test_only_so_many_releases_are_built_at_once(settings: LazySettings) -> None:
    settings.RELEASES_AT_ONCE = 1
    experiment = released.study()
    first, second = releases.ask(experiment, {}), releases.ask(experiment, {})
    assert releases.due() == [first]
    assert releases.claim(first.pk) is not None
    assert releases.due() == []
    Release.objects.filter(pk=first.pk).update(state="done")
    assert releases.due() == [second]


def test_a_worker_that_was_given_up_publishes_nothing_and_another_one_does(
    settings: LazySettings, tmp_path: Any
) -> None:
    release = releases.ask(released.study(), {})
    first = releases.claim(release.pk)
    assert first is not None
    Release.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
    reconcile(factories.client_that_says("entailment"), DataStore(f"file://{tmp_path}/data", tmp_path / "cache"))
    assert released.again(release).state == "done"
    with pytest.raises(LostRace):
        releases.heartbeat(first, {})
    with pytest.raises(LostRace):
        releases.finish(first, {}, "", 0)
    with pytest.raises(LostRace):
        releases.fail(first, "too late")


def test_a_release_that_takes_its_workers_with_it_fails_and_starts_counting_anew_when_tried_again() -> None:
    release = releases.ask(released.study(), {})

    def lost() -> str:
        assert releases.claim(release.pk) is not None
        Release.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
        releases.reclaim_dead()
        release.refresh_from_db()
        return release.state

    assert [lost() for _ in range(3)] == ["due", "due", "failed"]
    assert release.problem.endswith("Nothing was published.")
    releases.retry(release)
    assert lost() == "due"


def test_a_release_that_failed_says_why_and_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    release = releases.ask(released.study(), {})
    with monkeypatch.context() as patch:
        patch.setattr("collection.releasing.build", lambda job: 1 / 0)
        released.again(release)
    assert (release.state, release.problem) == ("failed", "ZeroDivisionError: division by zero")
    with pytest.raises(Conflict, match="could not be made"):
        releases.archive_of(release)
    releases.retry(release)
    assert released.again(release).state == "done"
    with pytest.raises(Conflict, match="is done"):
        releases.retry(release)


def test_withdrawing_takes_files_and_link_away_and_leaves_row_and_checksum(
    django_capture_on_commit_callbacks: Any,
) -> None:
    release = released.built(released.study())
    link, checksum = releases.make_link(release), release.sha256
    assert releases.linked(link) == release
    content = releases.open_file(release, "privacy.json")
    with django_capture_on_commit_callbacks(execute=True):
        releases.withdraw(release, factories.person().user)
    release.refresh_from_db()
    assert (release.state, release.sha256, release.link) == ("withdrawn", checksum, None)
    assert releases.files_of(release) == []
    with pytest.raises(DamagedFile, match="missing"):
        b"".join(content)
    with pytest.raises(NotYours):
        releases.linked(link)
    releases.withdraw(release)
    assert StateChange.objects.filter(subject_type="collection.release", to_state="withdrawn").count() == 1


def test_a_release_that_is_being_built_cannot_be_withdrawn() -> None:
    release = releases.ask(released.study(), {})
    releases.claim(release.pk)
    with pytest.raises(Conflict, match="is being made"):
        releases.withdraw(releases.one_of(release.experiment, 1))


def test_a_link_is_made_once_and_works_until_it_is_removed() -> None:
    release = releases.ask(released.study(), {})
    with pytest.raises(Conflict):
        releases.make_link(release)
    released.again(release)
    link = releases.make_link(release)
    assert releases.make_link(release) == link
    releases.remove_link(release)
    releases.remove_link(release)
    with pytest.raises(NotYours):
        releases.linked(link)
    notes = [event.detail for event in StateChange.objects.filter(subject_type="collection.release", from_state="done")]
    assert notes == [{"link": "made"}, {"link": "removed"}]


def test_the_archive_holds_every_file_and_is_the_same_each_time() -> None:
    release = released.built(released.study())
    archive = releases.archive_of(release)
    content = b"".join(archive.parts)
    assert content == b"".join(releases.archive_of(release).parts)
    assert (len(content), archive.sha256) == (archive.size, release.sha256)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        found = {name.removeprefix("study-release-1/"): opened.read(name) for name in opened.namelist()}
    assert found == released.everything(release)
    manifest = json.loads(found["release.json"])
    assert {path: item["sha256"] for path, item in manifest["files"].items()} == {
        path: hashlib.sha256(item).hexdigest() for path, item in found.items() if path != "release.json"
    }
    lines = sorted(f"{item['sha256']}  {path}\n" for path, item in manifest["files"].items())
    assert manifest["sha256"] == release.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert release.size == sum(map(len, found.values()))


def test_a_file_that_was_tampered_with_breaks_the_download_off() -> None:
    release = released.built(released.study())
    place = releases.place_of(release)
    storage = release_storage()
    with storage._filesystem.open(f"{storage._path(place)}/privacy.json", "ab") as file:
        file.write(b" ")
    with pytest.raises(DamagedFile, match=r"privacy\.json has another content"):
        released.content(release, "privacy.json")
    with pytest.raises(DamagedFile):
        b"".join(releases.archive_of(release).parts)


@pytest.mark.parametrize("path", ["../1/release.json", "/etc/passwd", "jsonl", "", "release.json\0"])
def test_only_files_of_the_release_can_be_read(path: str) -> None:
    with pytest.raises(NotYours):
        releases.open_file(released.built(released.study()), path)


def test_an_erasure_makes_anew_what_is_not_released_and_marks_what_is() -> None:
    experiment = released.study()
    done, due, building = (releases.ask(experiment, {}) for _ in range(3))
    released.again(done)
    other = released.built(released.study("other"))
    held = releases.claim(building.pk)
    assert held is not None
    salts = {item.pk: item.salt for item in Release.objects.all()}
    releases.note_erasure(experiment)
    for item in (done, due, building, other):
        item.refresh_from_db()
    assert [item.state for item in (done, due, building, other)] == ["done", "due", "due", "done"]
    assert "made before somebody was erased" in done.note
    assert (other.note, due.note) == ("", "")
    for item in (due, building):
        assert item.salt != salts[item.pk]
        assert item.as_of > item.created_at
    with pytest.raises(LostRace):
        releases.heartbeat(held, {})


def test_a_release_taken_while_somebody_is_erased_is_not_built_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = releases.ask(released.study(), {})

    def erased_before(item: Release, *args: Any, **options: Any) -> None:
        releases.note_erasure(release.experiment)
        move(item, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(releases, "move", erased_before)
        assert releases.claim(release.pk) is None
    taken = releases.claim(release.pk)
    assert taken is not None
    assert taken.salt != release.salt


@pytest.mark.parametrize("erased", [True, False])
def test_of_a_release_that_was_published_in_part_or_too_late_nothing_stays(
    erased: bool, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RELEASES_URL = "memory://releases"
    release = releases.ask(released.study(), {})
    finish = releases.finish

    def too_late(*args: Any) -> None:
        if not erased:
            raise OSError("the network is gone")
        releases.note_erasure(release.experiment)
        finish(*args)

    with monkeypatch.context() as patched:
        patched.setattr(releases, "finish", too_late)
        releasing.release(release.pk)
    release.refresh_from_db()
    assert release.state == ("due" if erased else "failed")
    assert release_storage()._filesystem.find("/releases") == []


def test_a_release_that_lies_elsewhere_is_published_read_and_removed(
    settings: LazySettings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.RELEASES_URL = "memory://releases"
    release = released.built(released.study())
    assert release.state == "done", release.problem
    assert json.loads(released.content(release, "release.json"))["number"] == 1
    with django_capture_on_commit_callbacks(execute=True):
        releases.withdraw(release)
    assert release_storage()._filesystem.find("/releases") == []
