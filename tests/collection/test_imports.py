"""Imports by a worker: asked for, carried out once, and what they leave when something goes wrong."""

from __future__ import annotations

import datetime as dt
import errno
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings
from django.utils import timezone

from collection import imports, intake
from collection.demo.tasks import task
from collection.errors import Conflict, Invalid, NotYours
from collection.models import Context, DataImport, Experiment, RoundZero, TestSet
from collection.states import ImportState
from lifecycle.moves import LostRace
from tests import factories
from tests.collection.importing.uploads import upload

pytestmark = pytest.mark.django_db

Kind = DataImport.Kind
GOOD = '{"premise": "It rains.", "hypothesis": "Water falls.", "label": "entailment"}\n'
BAD = '{"premise": "It rains.", "hypothesis": "Water falls.", "label": "maybe"}\n'


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"


def asked(
    content: str | bytes, kind: DataImport.Kind, experiment: Experiment | None = None, **options: Any
) -> DataImport:
    """An import of such a file, due."""
    user = factories.person().user
    given = {"format": "jsonl", **options}
    return imports.ask(
        user, kind, upload(content), "../rows.jsonl", experiment=experiment, task=task("nli"), options=given
    )


def carried_out(item: DataImport) -> DataImport:
    """The import after a worker had it."""
    intake.carry_out(item.pk)
    item.refresh_from_db()
    return item


def kept_files(tmp_path: Path) -> list[Path]:
    """What lies in the storage of imports, and in the folder where they are worked on."""
    return [path for folder in ("data/imports", "imports") for path in (tmp_path / folder).glob("*")]


def test_round_zero_data_come_by_a_worker_and_the_file_is_forgotten(tmp_path: Path) -> None:
    done = carried_out(asked(GOOD, Kind.ROUND_ZERO, factories.draft(), arms=["dynamic"]))
    assert (done.state, done.problem, done.name) == (ImportState.DONE, "", "rows.jsonl")
    assert done.outcome.startswith("dynamic will start with 1 rows, of which 0 are too close to a test set")
    assert RoundZero.objects.get().rows == 1
    imports.forget_files()
    assert kept_files(tmp_path) == []


def test_contexts_come_by_a_worker() -> None:
    done = carried_out(asked("A new context.\n", Kind.CONTEXTS, factories.draft(), format="text"))
    assert (done.state, done.outcome) == (ImportState.DONE, "1 contexts were added; 0 were there already.")
    assert Context.objects.filter(text="A new context.").exists()


def test_a_test_set_comes_by_a_worker() -> None:
    done = carried_out(asked(GOOD, Kind.TEST_SET, slug="hard", name="Hard"))
    assert (done.state, done.outcome) == (ImportState.DONE, "The test set hard has 1 rows.")
    assert TestSet.objects.get().name == "Hard"


@pytest.mark.parametrize("kind", [Kind.ROUND_ZERO, Kind.TEST_SET])
def test_faults_are_kept_with_file_line_and_column_and_nothing_is_stored(kind: DataImport.Kind) -> None:
    refused = carried_out(asked(GOOD + BAD * 150, kind, factories.draft(), slug="hard", name="Hard"))
    assert (refused.state, refused.fault_count, len(refused.faults)) == (ImportState.REFUSED, 150, 100)
    assert refused.faults[0] == {
        "file": "rows.jsonl", "line": 2, "column": "label",
        "message": "Must be one of entailment, not_entailment, not 'maybe'.",
    }  # fmt: skip
    assert "line 2, label" in refused.problem
    assert not RoundZero.objects.exists()
    assert not TestSet.objects.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{\x00", GOOD.encode("utf-16"), b'{"premise": "\xff"}\n'])
def test_a_file_that_cannot_be_read_is_refused_in_words(content: bytes) -> None:
    refused = carried_out(asked(content, Kind.ROUND_ZERO, factories.draft()))
    assert refused.state == ImportState.REFUSED
    assert refused.problem.startswith("file: ")


def test_a_launched_experiment_refuses_and_the_import_says_why() -> None:
    refused = carried_out(asked(GOOD, Kind.ROUND_ZERO, factories.running()))
    assert refused.state == ImportState.REFUSED
    assert "round_zero cannot be changed" in refused.problem


def test_what_is_larger_than_is_taken_is_not_kept(settings: LazySettings, tmp_path: Path) -> None:
    settings.LARGEST_IMPORT_BYTES = 10
    with pytest.raises(Invalid, match="larger than"):
        asked(GOOD, Kind.ROUND_ZERO, factories.draft())
    assert not DataImport.objects.exists()
    assert kept_files(tmp_path) == []


def test_only_who_asked_sees_an_import() -> None:
    item = asked(GOOD, Kind.ROUND_ZERO, factories.draft())
    assert item.user is not None
    assert imports.mine(item.user, item.key) == item
    with pytest.raises(NotYours):
        imports.mine(factories.person().user, item.key)


def test_a_message_that_comes_twice_does_nothing_and_one_import_runs_at_a_time() -> None:
    first = asked(GOOD, Kind.ROUND_ZERO, factories.draft())
    second = asked(GOOD, Kind.TEST_SET, slug="hard", name="Hard")
    assert imports.due() == [first]
    taken = imports.claim(first.pk)
    assert taken is not None
    assert imports.claim(first.pk) is None
    assert imports.due() == []
    intake.carry_out_taken(taken)
    assert carried_out(first).state == ImportState.DONE
    assert imports.due() == [second]


def test_an_import_whose_worker_died_goes_to_another_and_the_dead_one_stores_nothing() -> None:
    draft = factories.draft()
    item = asked(GOOD, Kind.ROUND_ZERO, draft)
    dead = imports.claim(item.pk)
    assert dead is not None
    DataImport.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
    imports.reclaim_dead()
    alive = imports.claim(item.pk)
    assert alive is not None
    with pytest.raises(LostRace):
        imports.heartbeat(dead)
    intake.carry_out_taken(dead)
    assert not RoundZero.objects.exists()
    intake.carry_out_taken(alive)
    assert RoundZero.objects.count() == 3


def test_what_a_killed_process_left_on_the_disk_goes_with_its_import(tmp_path: Path) -> None:
    first = asked("one context\n", Kind.CONTEXTS, factories.draft(), format="text")
    taken = imports.claim(first.pk)
    assert taken is not None
    with imports.fetched(taken) as (_, work):
        # As a killed process leaves it.
        left = work.parent.with_name(f"{taken.key}.killed")
        work.parent.rename(left)
    imports.forget_files()
    assert left.exists(), "another process may still be at it"
    imports.refuse(taken, "no reason")
    imports.forget_files()
    assert kept_files(tmp_path) == []


def test_a_failed_import_is_tried_again_with_its_file_for_a_day(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    item = asked(GOOD, Kind.TEST_SET, slug="hard", name="Hard")
    with monkeypatch.context() as patched:
        patched.setattr(intake, "store_test_set", mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left")))
        assert carried_out(item).problem == "Nothing was stored: [Errno 28] No space left."
    imports.forget_files()
    assert imports.due() == []
    imports.retry(item)
    assert (item.state, item.problem, item.ended_at) == (ImportState.DUE, "", None)
    assert carried_out(item).outcome == "The test set hard has 1 rows."
    with pytest.raises(Conflict, match="Only a failed import"):
        imports.retry(item)
    imports.forget_files()
    assert kept_files(tmp_path) == []


def test_the_file_of_a_failed_import_goes_after_a_day(tmp_path: Path) -> None:
    item = asked(GOOD, Kind.TEST_SET, slug="hard", name="Hard")
    taken = imports.claim(item.pk)
    assert taken is not None
    imports.fail(taken, "no reason")
    assert imports.can_retry(taken)
    # However long nobody was there to drop it.
    DataImport.objects.update(ended_at=timezone.now() - dt.timedelta(days=30))
    taken.refresh_from_db()
    with pytest.raises(Conflict, match="for a day"):
        imports.retry(taken)
    imports.forget_files()
    assert kept_files(tmp_path) == []


def test_an_import_that_takes_its_workers_with_it_fails_and_starts_counting_anew_when_tried_again() -> None:
    item = asked(GOOD, Kind.ROUND_ZERO, factories.draft())

    def lost() -> str:
        assert imports.claim(item.pk) is not None
        DataImport.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
        imports.reclaim_dead()
        item.refresh_from_db()
        return item.state

    assert [lost() for _ in range(3)] == ["due", "due", "failed"]
    assert item.problem.startswith("3 workers were lost with it")
    imports.retry(item)
    assert lost() == "due"
    assert carried_out(item).state == ImportState.DONE


def test_a_command_that_died_leaves_a_failed_import(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD)
    begun = imports.begin(None, Kind.ROUND_ZERO, path, experiment=factories.draft(), options={"format": "jsonl"})
    assert imports.due() == []
    DataImport.objects.update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))
    imports.reclaim_dead()
    begun.refresh_from_db()
    assert (begun.state, path.read_text()) == (ImportState.FAILED, GOOD)


def test_what_nobody_thought_of_fails_the_import_and_not_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(json.dumps("no luck"))

    monkeypatch.setattr(intake, "preview_round_zero", broken)
    failed = carried_out(asked(GOOD, Kind.ROUND_ZERO, factories.draft()))
    assert (failed.state, failed.problem) == (ImportState.FAILED, 'RuntimeError: "no luck"')
