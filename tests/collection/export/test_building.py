"""Building releases: killed and resumed, on a full disk, with personal data in them, with every kind of text."""

from __future__ import annotations

import errno
import json
import uuid
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings, settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from annotators.models import Annotator
from collection import releases, releasing
from collection.errors import Conflict, Invalid
from collection.export.choices import FORMATS
from collection.export.people import People, SharedPseudonym
from collection.export.scratch import sweep
from collection.export.storage import release_storage
from collection.models import Attempt, Context, Example, Experiment, ImportedWriter, Release, RoundScore, Validation
from modelserver.models import TrainingRun
from tests import factories
from tests.collection import released

pytestmark = pytest.mark.django_db

ALL_STATES = ["accepted", "rejected", "flagged", "pending"]


class Killed(BaseException):
    """What no handler of the product catches: the worker is gone."""


def scratch() -> list[Path]:
    """The scratch folders there are."""
    return sorted((Path(settings.DATA_DIR) / "releases" / ".building").glob("*"))


def stored() -> list[Path]:
    """All published files there are, and what is half published."""
    root = Path(settings.DATA_DIR) / "releases"
    return [path for path in root.rglob("*") if path.is_file() and ".building" not in path.parts]


@pytest.fixture(autouse=True)
def _own_folder(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.RELEASES_URL = f"file://{tmp_path}/releases"


def forget(release: Release) -> None:
    """As if a release had never been asked for: the next one has its number."""
    release_storage().remove(releases.place_of(release))
    Release.objects.filter(pk=release.pk).delete()


def like(release: Release, other: Release) -> None:
    """Give a release the salt and the moment of another one."""
    Release.objects.filter(pk=release.pk).update(salt=other.salt, as_of=other.as_of)


def revived(release: Release) -> Release:
    """Have a release that a killed worker held given to another one, which builds it."""
    Release.objects.filter(pk=release.pk, state="building").update(state="due")
    return released.again(release)


def test_a_build_that_is_killed_anywhere_goes_on_to_the_same_checksum() -> None:
    experiment = released.study()
    wanted = {"attempts": True, "formats": list(FORMATS), "splits": {"method": "fooling", "dev": 0.4, "test": 0.3}}
    whole = releases.ask(experiment, wanted)
    steps: list[str] = []
    releasing.release(whole.pk, lambda phase, done, of: steps.append(phase))
    whole.refresh_from_db()
    assert (whole.state, whole.problem) == ("done", "")
    assert {"reading", "dividing", "writing"} <= set(steps)
    forget(whole)
    for number in range(1, len(steps), max(1, len(steps) // 12)):
        release = releases.ask(experiment, wanted)
        like(release, whole)
        left = number

        def until_killed(phase: str, done: int, of: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        with pytest.raises(Killed):
            releasing.release(release.pk, until_killed)
        assert not (Path(settings.DATA_DIR) / "releases" / str(experiment.key) / str(release.number)).exists()
        assert revived(release).sha256 == whole.sha256, f"killed at step {number}, {steps[number - 1]}"
        forget(release)


def test_what_was_made_before_a_kill_is_not_made_again() -> None:
    release = releases.ask(released.study(), {"formats": ["jsonl"]})
    with mock.patch("collection.export.kept.Kept.divide", side_effect=Killed), pytest.raises(Killed):
        releasing.release(release.pk)
    with mock.patch("collection.export.parts.example_rows", side_effect=AssertionError("read again")):
        assert revived(release).state == "done"


def test_what_changes_beside_the_rounds_after_a_kill_does_not_change_the_release() -> None:
    experiment = released.study()
    whole = released.built(experiment)
    forget(whole)
    release = releases.ask(experiment, {})
    like(release, whole)
    with mock.patch("collection.export.kept.Kept.divide", side_effect=Killed), pytest.raises(Killed):
        releasing.release(release.pk)
    factories.report(experiment)
    Experiment.objects.update(name="Another name")
    factories.scored(experiment, factories.trained(experiment))
    assert revived(release).sha256 == whole.sha256


@pytest.mark.parametrize("after", [0, 1, 5, 12, 25])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_no_file_and_says_so_and_the_next_try_succeeds(after: int, number: int) -> None:
    release = releases.ask(released.study(), {"attempts": True})
    left = after

    def full(path: Path) -> None:
        nonlocal left
        if left == 0:
            raise OSError(number, "No space left on device")
        left -= 1

    with mock.patch("collection.export.whole.flush", full):
        released.again(release)
    assert release.state == "failed"
    assert "The disk is full" in release.problem
    assert (scratch(), stored()) == ([], [])
    releases.retry(release)
    assert released.again(release).state == "done"


def test_a_full_disk_at_publishing_leaves_no_release() -> None:
    release = releases.ask(released.study(), {})
    with mock.patch("collection.export.storage.flush", side_effect=OSError(errno.ENOSPC, "full")):
        released.again(release)
    assert (release.state, stored()) == ("failed", [])


def test_nothing_is_left_in_scratch_when_a_release_is_done_and_of_one_that_is_gone() -> None:
    experiment = released.study()
    release = releases.ask(experiment, {})
    with mock.patch("collection.export.kept.Kept.divide", side_effect=Killed), pytest.raises(Killed):
        releasing.release(release.pk)
    assert len(scratch()) == 1
    sweep()
    assert len(scratch()) == 1, "another worker goes on with it"
    releases.note_erasure(experiment)
    sweep()
    assert scratch() == [], "what was read before the erasure is gone"
    assert (released.built(experiment).state, scratch()) == ("done", [])


def test_a_shared_pseudonym_takes_another_salt() -> None:
    release = releases.ask(released.study(), {})
    salt = release.salt
    called = People.called

    def once(self: People, numbers: Any) -> Any:
        if self._salt == salt.encode():
            raise SharedPseudonym("w0 stands for two people")
        return called(self, numbers)

    with mock.patch.object(People, "called", once):
        released.again(release)
    assert (release.state, release.salt != salt) == ("done", True)


def test_two_who_have_one_pseudonym_are_noticed() -> None:
    experiment = released.study()
    people = People(experiment, "salt", 0)
    numbers = list(Annotator.objects.values_list("pk", flat=True)[:2])
    people.meet(numbers)
    people._known[numbers[1]] = people._known[numbers[0]]
    with pytest.raises(SharedPseudonym):
        people.called(numbers)


# --- Personal data --------------------------------------------------------------------------------


def with_findings(text: str = "Write to jane.doe@example.org today.") -> Experiment:
    """A study with an example that has an e-mail address in it, and a clean one."""
    experiment = factories.running(**released.QUICK)
    released.with_text(experiment, "A clean text of somebody.")
    released.with_text(experiment, text)
    released.over(experiment)
    return experiment


def test_what_is_found_is_shown_masked_and_nothing_is_published_before_a_decision() -> None:
    release = released.built(with_findings(), arms=["static"], attempts=True)
    assert (release.state, stored()) == ("held", [])
    assert release.findings["counts"] == {"e-mail address": 2}, "in the example and in its attempt"
    kept = release.findings["kept"]
    assert [(item["table"], item["column"], item["kind"]) for item in kept] == [
        ("examples", "hypothesis", "e-mail address"),
        ("attempts", "hypothesis", "e-mail address"),
    ]
    assert "jane" not in json.dumps(release.findings)
    with pytest.raises(Conflict, match="waits for a decision"):
        releases.archive_of(release)


@pytest.mark.parametrize("decision", ["", "yes", None, ["accepted"]])
def test_another_decision_than_the_two_is_refused(decision: Any) -> None:
    release = released.built(with_findings(), arms=["static"])
    with pytest.raises(Invalid, match="accepted, left_out"):
        releases.decide_findings(release, None, decision)


def test_what_was_found_is_released_as_it_is_if_somebody_says_so() -> None:
    release = released.built(with_findings(), arms=["static"], attempts=True)
    releases.decide_findings(release, factories.person().user, "accepted")
    released.again(release)
    assert "jane.doe@example.org" in released.content(release, "jsonl/static/examples.jsonl").decode()
    assert len(released.rows(release, "jsonl/static/examples.jsonl")) == 2
    assert json.loads(released.content(release, "privacy.json")) == {
        "decision": "accepted",
        "found": {"e-mail address": 2},
        "left_out": {"attempts": 0, "contexts": 0, "examples": 0},
    }
    with pytest.raises(Conflict):
        releases.decide_findings(release, None, "accepted")


def test_what_was_found_is_left_out_of_every_file_if_somebody_says_so() -> None:
    experiment = with_findings()
    gone = Example.objects.get(attempt__texts__icontains="jane")
    formats = list(FORMATS)
    version = factories.trained(experiment, "static", 1)
    run = TrainingRun.objects.get(model_version=version)
    keys = [str(key) for key in Example.objects.order_by("pk").values_list("key", flat=True)]
    RoundScore.objects.create(model_version=version, round=gone.round, run=run, examples=keys, predicted=[0, 1])
    run.ended_at = None
    run.save()
    release = released.built(experiment, arms=["static"], attempts=True, formats=formats)
    releases.decide_findings(release, None, "left_out")
    released.again(release)
    files = released.everything(release)
    for path, content in files.items():
        assert b"jane" not in content, path
        assert str(gone.key).encode() not in content, path
    assert [row["hypothesis"] for row in released.rows(release, "jsonl/static/examples.jsonl")] == [
        "A clean text of somebody."
    ]
    assert len(released.rows(release, "jsonl/static/attempts.jsonl")) == 1
    assert json.loads(files["privacy.json"])["left_out"] == {"attempts": 1, "contexts": 0, "examples": 1}
    (scores,) = released.rows(release, "study/round_scores.jsonl")
    assert (len(scores["examples"]), scores["predicted"]) == (1, [0])
    people = {row["writer"] for row in released.rows(release, "study/writers.jsonl")}
    rows = released.rows(release, "jsonl/static/examples.jsonl")
    assert people == {name for row in rows for name in (row["writer"], *(vote["validator"] for vote in row["votes"]))}


def test_a_context_with_something_in_it_goes_with_all_that_was_written_on_it() -> None:
    experiment = factories.running(**released.QUICK)
    kept, gone = (released.with_text(experiment, f"A clean text, {number}.") for number in ("one", "two"))
    assert gone.attempt.context is not None
    Context.objects.filter(pk=gone.attempt.context_id).update(text="Call +1 212 555 0199 now.")
    released.over(experiment)
    release = released.built(experiment, arms=["static"], attempts=True)
    assert release.findings["counts"] == {"phone number": 1}
    releases.decide_findings(release, None, "left_out")
    released.again(release)
    assert [row["id"] for row in released.rows(release, "jsonl/static/examples.jsonl")] == [str(kept.key)]
    assert len(released.rows(release, "jsonl/static/attempts.jsonl")) == 1
    positions = [row["position"] for row in released.rows(release, "study/contexts.jsonl")]
    assert gone.attempt.context.position not in positions
    assert len(positions) == len(factories.CONTEXTS) - 1


def test_words_beside_the_text_are_scanned_too() -> None:
    experiment = factories.running(**released.QUICK)
    example = released.with_text(experiment, "A clean text.", why_label="Ask me at 5d3f1b2a9c8e7f6a5b4c3d2e.")
    Validation.objects.create(
        example=example, annotator=factories.person(), state="voted", label=example.label, reason="see 8.8.4.4",
        expires_at=timezone.now(), voted_at=timezone.now(), settled_at=timezone.now(),
    )  # fmt: skip
    released.over(experiment)
    release = released.built(experiment, arms=["static"])
    assert {(item["column"], item["kind"]) for item in release.findings["kept"]} == {
        ("why_label", "worker id"),
        ("votes[0].reason", "IP address"),
    }


def test_no_file_names_anybody() -> None:
    experiment = factories.running(**released.QUICK | {"quota": 4})
    factories.accepted(experiment, "dynamic", 2)
    for index, user in enumerate(User.objects.order_by("pk")):
        User.objects.filter(pk=user.pk).update(
            username=f"some-username-{index}",
            email=f"mail{index}@example.org",
            first_name="Wilhelmine",
            last_name=f"Doe{index}",
        )
    for index, annotator in enumerate(Annotator.objects.order_by("pk")):
        Annotator.objects.filter(pk=annotator.pk).update(
            platform="prolific", platform_id=f"5f3d{index:020x}", public_name=f"Public Name {index}"
        )
    released.over(experiment)
    factories.report(experiment)
    release = released.built(
        experiment, attempts=True, states=ALL_STATES, formats=list(FORMATS), test_items=True,
        splits={"method": "fooling", "dev": 0.3, "test": 0.3},
    )  # fmt: skip
    assert release.state == "done", release.problem
    forbidden = [b"127.0.0.1", release.salt.encode(), str(experiment.key).encode()]
    for annotator in Annotator.objects.select_related("user"):
        user = annotator.user
        names = (
            user.username,
            user.email,
            user.first_name,
            user.last_name,
            annotator.platform_id,
            annotator.public_name,
        )
        forbidden += [name.encode() for name in names]
        forbidden += [str(annotator.key).encode(), annotator.key.hex.encode(), annotator.key.bytes]
    for path, content in released.everything(release).items():
        for secret in forbidden:
            assert secret not in content, (path, secret)


def test_people_have_other_pseudonyms_in_every_release_and_one_throughout_a_release() -> None:
    experiment = released.study()
    first, second = released.built(experiment), released.built(experiment)
    writers = [{row["writer"] for row in released.rows(item, "study/writers.jsonl")} for item in (first, second)]
    assert len(writers[0]) == len(writers[1]) > 0
    assert not writers[0] & writers[1]
    named = {row["writer"] for row in released.rows(first, "jsonl/dynamic/examples.jsonl")}
    assert named <= writers[0]


def test_the_draws_of_one_person_in_two_studies_are_two() -> None:
    one, other = released.study(), released.study("other")
    somebody = factories.person().pk
    draws = {People(study, "salt", 0).meet([somebody])[somebody].draw for study in (one, other)}
    assert len(draws) == 2
    assert People(one, "other salt", 0).meet([somebody])[somebody].draw in draws


def test_who_came_with_an_imported_release_keeps_pseudonym_and_draw() -> None:
    experiment = released.study()
    example = Example.objects.filter(arm__slug="dynamic").order_by("submitted_at")[0]
    ImportedWriter.objects.create(
        experiment=experiment, annotator=example.annotator, pseudonym="wabc", draws={"0": "00000000000000ff"}
    )
    release = released.built(experiment)
    assert released.rows(release, "jsonl/dynamic/examples.jsonl")[0]["writer"] == "wabc"
    row = next(row for row in released.rows(release, "study/writers.jsonl") if row["writer"] == "wabc")
    assert (row["draw"], row["arm"]) == ("00000000000000ff", "dynamic")


# --- What is in it --------------------------------------------------------------------------------


def test_examples_and_attempts_of_the_states_and_arms_that_were_chosen() -> None:
    experiment = factories.running(**released.QUICK)
    accepted = factories.accepted(experiment, "static", 1)[0]
    rejected = factories.written(experiment, "static")
    wrong = next(label for label in factories.LABELS if label != rejected.label)
    factories.voted(experiment, factories.member_of(experiment, "dynamic"), wrong)
    released.over(experiment)
    only = released.built(experiment, arms=["static"])
    both = released.built(experiment, arms=["static"], states=["accepted", "rejected"], attempts=True)
    assert [row["id"] for row in released.rows(only, "jsonl/static/examples.jsonl")] == [str(accepted.key)]
    found = {row["id"]: (row["state"], row["split"]) for row in released.rows(both, "jsonl/static/examples.jsonl")}
    assert found == {str(accepted.key): ("accepted", "train"), str(rejected.key): ("rejected", "rest")}
    assert "jsonl/static/attempts.jsonl" not in only.files
    assert {row["example"] for row in released.rows(both, "jsonl/static/attempts.jsonl")} == set(found)
    counts = json.loads(released.content(both, "release.json"))["counts"]["static"]
    assert counts == [
        {"round": 1, "state": "accepted", "split": "train", "examples": 1},
        {"round": 1, "state": "rejected", "split": "rest", "examples": 1},
    ]


def test_the_study_can_be_made_again_from_what_is_told_of_it() -> None:
    experiment = released.study()
    version = factories.trained(experiment, parent=experiment.base_version)
    factories.scored(experiment, version)
    release = released.built(experiment, test_items=True)
    told = json.loads(released.content(release, "study/study.json"))
    assert (told["slug"], told["base_version"], told["test_sets"]) == ("study", "base/0", ["hard"])
    assert told["settings"]["quorum"] == experiment.quorum
    assert told["task"]["instructions"] == experiment.task.instructions
    assert [arm["slug"] for arm in told["arms"]] == ["non-adversarial", "static", "dynamic"]
    rounds = {row["arm"]: row for row in released.rows(release, "study/rounds.jsonl")}
    assert (rounds["dynamic"]["model_version"], rounds["dynamic"]["trained_version"]) == ("base/0", str(version))
    versions = {f"{row['name']}/{row['version']}": row for row in released.rows(release, "study/versions.jsonl")}
    assert {name: row["role"] for name, row in versions.items()} == {"base/0": "base", str(version): "loop"}
    assert versions[str(version)]["parent"] == "base/0"
    (scores,) = released.rows(release, "study/evaluations.jsonl")
    assert (scores["version"], scores["test_set"], scores["rows"]) == (str(version), "hard", 10)
    assert len(released.rows(release, "study/contexts.jsonl")) == len(factories.CONTEXTS)


def test_the_report_that_stands_is_in_the_release() -> None:
    experiment = released.study()
    factories.report(experiment)
    release = released.built(experiment)
    report = json.loads(released.content(release, "report/report.json"))
    assert [section["id"] for section in report["sections"]] == ["summary", "collection"]
    assert b"&lt;b&gt;computed" in released.content(release, "report/report.html")
    assert released.content(release, "report/report.pdf").startswith(b"%PDF")


def test_splits_are_disjoint_by_writer_and_stand_in_every_file() -> None:
    experiment = released.study(each=6)
    wanted = {"splits": {"method": "fooling", "dev": 0.3, "test": 0.3}, "formats": ["jsonl", "huggingface"]}
    release = released.built(experiment, **wanted)
    rows = [row for arm in release.choices["arms"] for row in released.rows(release, f"jsonl/{arm}/examples.jsonl")]
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(row["writer"], set()).add(row["split"])
    assert all(len(found - {"rest"}) <= 1 for found in sides.values())
    assert {row["split"] for row in rows} > {"train"}
    counts = json.loads(released.content(release, "splits.json"))["counts"]
    for arm in release.choices["arms"]:
        found = [row["split"] for row in rows if row["arm"] == arm]
        assert counts[arm] == {split: found.count(split) for split in set(found)}
        held = {path for path in release.files if path.startswith(f"data/{arm}/")}
        assert held == {f"data/{arm}/{split}.parquet" for split in set(found)}


def test_later_rounds_do_not_move_what_was_in_a_split() -> None:
    experiment = released.study(each=4)
    wanted = {"splits": {"method": "fooling", "dev": 0.3, "test": 0.3}, "formats": ["jsonl"], "rounds": [1]}
    first = released.built(experiment, **wanted)
    released.study("other")
    second = released.built(experiment, **wanted)
    for arm in first.choices["arms"]:
        path = f"jsonl/{arm}/examples.jsonl"
        before, after = ({row["id"]: row["split"] for row in released.rows(item, path)} for item in (first, second))
        assert before == after


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(texts=st.lists(st.text(CHARACTERS, min_size=1, max_size=60), min_size=1, max_size=4, unique=True))
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_kind_of_text_comes_back_from_a_release_as_it_was(texts: list[str]) -> None:
    experiment = factories.running(f"s{uuid.uuid4().hex[:12]}", **released.QUICK | {"quota": 9})
    made = {str(released.with_text(experiment, text, why_label=text).key): text for text in texts}
    released.over(experiment)
    release = released.built(experiment, arms=["static"], formats=["jsonl", "csv", "parquet"], attempts=True)
    if release.state == "held":
        releases.decide_findings(release, None, "accepted")
        released.again(release)
    assert release.state == "done", release.problem
    rows = released.rows(release, "jsonl/static/examples.jsonl")
    assert {row["id"]: (row["hypothesis"], row["why_label"]) for row in rows} == {
        key: (text, text) for key, text in made.items()
    }


def test_half_a_character_that_is_stored_after_all_ends_in_words() -> None:
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL does not store one")
    experiment = factories.running(**released.QUICK)
    example = released.with_text(experiment, "A clean text.")
    Attempt.objects.filter(pk=example.attempt_id).update(texts=[example.attempt.texts[0], "half \ud800"])
    released.over(experiment)
    release = released.built(experiment, arms=["static"])
    assert (release.state, stored()) == ("failed", [])
    assert "surrogate" in release.problem.lower() or "character" in release.problem.lower()
