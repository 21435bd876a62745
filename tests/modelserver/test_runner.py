"""A worker's part of a run, with real training processes on a tiny model."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from celery.signals import worker_shutting_down
from django.db import OperationalError

from modelserver import registry, runner, runs
from modelserver.artifacts import manifest_sha256
from modelserver.datafiles import Row, StoredFile
from modelserver.models import ModelVersion, TrainingRun
from modelserver.repository import VersionMissing
from modelserver.runs import RunSpec, TestFile
from modelserver.signals import run_ended
from modelserver.states import RunState
from modelserver.wire import ModelRef
from tests.modelserver.plain_artifacts import plain_artifact
from tests.modelserver.tiny_artifacts import LABELS, PAIRS, RECIPE
from tests.tiny_model import make_tiny_model

# Without a transaction around each test: a worker closes connections that are in none of its own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BASE = ModelRef("tiny", 0)
Started = list["subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pretrained model."""
    return make_tiny_model(tmp_path_factory.mktemp("base") / "model", LABELS)


@pytest.fixture(autouse=True)
def _site(settings: Any, tmp_path: Path) -> None:
    """A data folder of the test's own, and a worker that looks after its process often."""
    settings.DATA_DIR = tmp_path
    settings.MODEL_REPOSITORY_URL = f"file://{tmp_path / 'models'}"
    settings.TRAINING_DATA_URL = f"file://{tmp_path / 'data'}"
    settings.TRAINING_HEARTBEAT_SECONDS = 0.01
    settings.TRAINING_MAX_ATTEMPTS = 3
    settings.TRAINING_THREADS = 1


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The training processes that the worker has started."""
    processes: Started = []
    start = subprocess.Popen

    def remember(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(start(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(runner.subprocess, "Popen", remember)
    return processes


@pytest.fixture
def at_first_heartbeat(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[TrainingRun], None]], None]:
    """Does something while the training process of a run is under way, before the run's first heartbeat."""

    def arrange(act: Callable[[TrainingRun], None]) -> None:
        heartbeat = runs.heartbeat

        def act_first(run: TrainingRun, progress: Any) -> bool:
            monkeypatch.setattr(runs, "heartbeat", heartbeat)
            act(run)
            return heartbeat(run, progress)

        monkeypatch.setattr(runs, "heartbeat", act_first)

    return arrange


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """The runs that workers have said to have finished with."""
    told: list[int] = []

    def tell(run_id: int, **_: Any) -> None:
        told.append(run_id)

    run_ended.connect(tell)
    yield told
    run_ended.disconnect(tell)


def import_spec(base: Path | str) -> RunSpec:
    """The import of a base model as ``tiny/0``."""
    return RunSpec("import", LABELS, publish=BASE, pretrained=str(base))


def put_pairs() -> StoredFile:
    """The pairs, in the site's data store."""
    return registry.data_store().put(Row(str(at), pair[:-1], pair[-1]) for at, pair in enumerate(PAIRS))


def queued(spec: RunSpec) -> TrainingRun:
    """A queued run."""
    return runs.request(uuid.uuid4().hex, uuid.UUID(int=1), spec)


def worked(run: TrainingRun) -> TrainingRun:
    """The run after a worker has taken it."""
    runner.work(run.pk)
    return TrainingRun.objects.get(pk=run.pk)


def assert_nothing_left(run: TrainingRun) -> None:
    """The worker's folder is gone, and no version has been published."""
    assert list((registry.settings.DATA_DIR / "runs").iterdir()) == []
    with pytest.raises(VersionMissing):
        registry.repository().fetch(BASE)
    assert not ModelVersion.objects.exists()


def test_a_base_model_is_imported_trained_and_scored(base: Path, ended: list[int]) -> None:
    rows = put_pairs()
    test = (TestFile("pairs", rows.sha256, rows.rows),)
    trained = ModelRef("tiny", 1)
    specs = [
        import_spec(base),
        RunSpec("train", LABELS, trained, BASE, "", RECIPE, 7, rows.sha256, rows.rows, test),
        RunSpec("evaluate", LABELS, source=trained, evaluate=test),
    ]
    done = [worked(queued(spec)) for spec in specs]
    assert [(run.state, run.error) for run in done] == [(RunState.SUCCEEDED, "")] * 3
    assert ended == [run.pk for run in done]
    assert [str(run.model_version) for run in done] == ["tiny/0", "tiny/1", "tiny/1"]
    for run in done[:2]:
        version = run.model_version
        assert version is not None
        assert manifest_sha256(registry.repository().fetch(version.ref)) == version.manifest_sha256
    train, evaluate = done[1:]
    assert train.model_version is not None
    assert train.model_version.parent == done[0].model_version
    assert train.model_version.metrics["train_loss"] > 0
    assert (train.progress["phase"], len(train.progress["curve"]) > 0) == ("done", True)
    assert [(score["key"], score["rows"], len(score["predicted"])) for score in train.scores] == [("pairs", 6, 6)]
    assert evaluate.scores == train.scores
    assert ModelVersion.objects.count() == 2
    assert list((registry.settings.DATA_DIR / "runs").iterdir()) == []


def test_a_run_that_is_done_or_taken_or_unknown_is_left_alone(started: Started, ended: list[int]) -> None:
    taken = queued(import_spec("base"))
    assert runs.claim(taken.pk) is not None
    cancelled = queued(import_spec("base"))
    runs.cancel(cancelled)
    for run_id in (taken.pk, cancelled.pk, cancelled.pk + 1):
        runner.work(run_id)
    assert (started, ended) == ([], [])
    assert {run.state for run in TrainingRun.objects.all()} == {RunState.RUNNING, RunState.CANCELLED}


@pytest.mark.parametrize("named", ["not/here", "folder"])
def test_a_bad_base_model_fails_the_run_at_once_and_is_named(named: str, tmp_path: Path, ended: list[int]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    run = worked(queued(import_spec(folder if named == "folder" else named)))
    assert (run.state, run.error_field, run.attempts) == (RunState.FAILED, "base_model", 1)
    assert run.error
    assert "Traceback" not in run.error
    assert ended == [run.pk]
    assert_nothing_left(run)


def test_a_data_file_that_is_not_there_fails_the_run_before_a_process_starts(started: Started, base: Path) -> None:
    assert worked(queued(import_spec(base))).state == RunState.SUCCEEDED
    spec = RunSpec("train", LABELS, ModelRef("tiny", 1), BASE, data_sha256="0" * 64, data_rows=6, recipe=RECIPE)
    run = worked(queued(spec))
    assert (run.state, run.error_field) == (RunState.FAILED, "sha256")
    assert len(started) == 1


def test_the_process_of_a_cancelled_run_is_stopped(
    base: Path, started: Started, ended: list[int], at_first_heartbeat: Callable[..., None]
) -> None:
    at_first_heartbeat(lambda run: runs.cancel(TrainingRun.objects.get(pk=run.pk)))
    run = worked(queued(import_spec(base)))
    assert run.state == RunState.CANCELLED
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    assert ended == [run.pk]
    assert_nothing_left(run)


def test_a_worker_that_is_told_to_stop_gives_its_run_back(
    base: Path, started: Started, monkeypatch: pytest.MonkeyPatch, at_first_heartbeat: Callable[..., None]
) -> None:
    monkeypatch.setattr(runner, "_stopping", Event())
    at_first_heartbeat(lambda run: worker_shutting_down.send(sender=None))
    run = worked(queued(import_spec(base)))
    assert (run.state, run.attempts, run.not_before, run.owner) == (RunState.QUEUED, 0, None, None)
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    assert_nothing_left(run)


def test_a_training_process_that_is_killed_is_a_failed_attempt(
    base: Path, started: Started, at_first_heartbeat: Callable[..., None]
) -> None:
    at_first_heartbeat(lambda run: os.kill(started[0].pid, signal.SIGKILL))
    run = worked(queued(import_spec(base)))
    assert (run.state, run.attempts, run.error_field) == (RunState.QUEUED, 1, "")
    assert "ended with status -9" in run.error
    assert run.not_before is not None
    assert_nothing_left(run)


def test_a_run_given_to_another_worker_is_stopped_and_stays_with_that_one(
    base: Path, started: Started, at_first_heartbeat: Callable[..., None]
) -> None:
    other = uuid.uuid4()
    at_first_heartbeat(lambda run: TrainingRun.objects.filter(pk=run.pk).update(owner=other))
    run = worked(queued(import_spec(base)))
    assert (run.state, run.owner, run.error) == (RunState.RUNNING, other, "")
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    assert_nothing_left(run)


def test_a_database_that_is_away_for_a_moment_ends_no_training(
    base: Path, at_first_heartbeat: Callable[..., None]
) -> None:
    def fail(run: TrainingRun) -> None:
        raise OperationalError("the database is away")

    at_first_heartbeat(fail)
    run = worked(queued(import_spec(base)))
    assert (run.state, run.attempts) == (RunState.SUCCEEDED, 1)


def test_a_version_left_by_a_worker_that_died_before_registering_it_is_replaced(base: Path, tmp_path: Path) -> None:
    left = plain_artifact(tmp_path / "left")
    registry.repository().publish(tmp_path / "left", BASE)
    run = worked(queued(import_spec(base)))
    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    version = ModelVersion.objects.get()
    assert version.manifest_sha256 != left
    assert manifest_sha256(registry.repository().fetch(BASE)) == version.manifest_sha256


def test_a_registered_version_is_never_replaced(base: Path, tmp_path: Path) -> None:
    kept = plain_artifact(tmp_path / "kept")
    registry.repository().publish(tmp_path / "kept", BASE)
    ModelVersion(name="tiny", version=0, manifest_sha256=kept, labels=list(LABELS)).save()
    run = worked(queued(import_spec(base)))
    assert run.state != RunState.SUCCEEDED
    assert ModelVersion.objects.get().manifest_sha256 == kept
    assert manifest_sha256(registry.repository().fetch(BASE)) == kept
