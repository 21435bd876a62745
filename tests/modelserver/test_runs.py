"""The states of a training run: what happens when two work on it, when one dies, and when it fails."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any

import pytest
from django.utils import timezone

from lifecycle.models import StateChange
from lifecycle.moves import IllegalMove, LostRace
from modelserver import runs, tasks
from modelserver.models import ModelVersion, TrainingRun
from modelserver.runs import RunSpec
from modelserver.states import RunState
from modelserver.wire import ModelRef, Recipe

pytestmark = pytest.mark.django_db

STUDY = uuid.UUID(int=1)
IMPORT = RunSpec("import", ("yes", "no"), publish=ModelRef("tiny", 0), pretrained="models/tiny")
TRAIN = RunSpec(
    "train",
    ("yes", "no"),
    publish=ModelRef("tiny", 1),
    source=ModelRef("tiny", 0),
    recipe=Recipe(epochs=2),
    seed=7,
    data_sha256="d" * 64,
    data_rows=12,
    evaluate=(runs.TestFile("test", "e" * 64, 3),),
)
MANIFEST = "a" * 64


class Clock:
    """The time that runs see."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    """Time that passes only when a test says so, and the settings that the tests reckon with."""
    settings.TRAINING_MAX_ATTEMPTS = 3
    settings.TRAINING_BACKOFF_SECONDS = 30
    settings.TRAINING_DEADLINE_SECONDS = 60
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


def queued(key: str = "r", spec: RunSpec = IMPORT) -> TrainingRun:
    """A queued run."""
    return runs.request(key, STUDY, spec)


def claimed(key: str = "r", spec: RunSpec = IMPORT) -> TrainingRun:
    """A run that this worker has."""
    run = runs.claim(queued(key, spec).pk)
    assert run is not None
    return run


def again(run: TrainingRun) -> TrainingRun:
    """The run as it is in the database."""
    return TrainingRun.objects.get(pk=run.pk)


def history(run: TrainingRun) -> list[str]:
    """The states that the record says it went through."""
    events = StateChange.objects.filter(subject_type="modelserver.trainingrun", subject_id=run.pk)
    return list(events.order_by("pk").values_list("to_state", flat=True))


def lose(run: TrainingRun, clock: Clock) -> TrainingRun:
    """Give the run to another worker behind its worker's back; returns it as that one holds it."""
    clock.pass_(61)
    assert runs.reclaim_dead() == 1
    clock.pass_(60)
    other = runs.claim(run.pk)
    assert other is not None
    return other


@pytest.mark.parametrize("spec", [IMPORT, TRAIN])
def test_a_spec_survives_the_database(spec: RunSpec) -> None:
    assert RunSpec.from_dict(again(queued(spec=spec)).spec) == spec


def test_asking_twice_makes_one_run() -> None:
    first = queued()
    assert queued(spec=TRAIN).pk == first.pk
    assert RunSpec.from_dict(again(first).spec) == IMPORT
    assert history(first) == ["queued"]


def test_due_are_the_queued_ones_whose_wait_is_over_oldest_first(clock: Clock) -> None:
    first, second, running = queued("a"), queued("b"), claimed("c")
    assert [run.pk for run in runs.due()] == [first.pk, second.pk]
    runs.fail(running, "failed")
    assert [run.pk for run in runs.due()] == [first.pk, second.pk]
    clock.pass_(30)
    assert [run.pk for run in runs.due()] == [first.pk, second.pk, running.pk]


def test_a_task_is_sent_for_each_run_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(tasks.run_training, "apply_async", lambda args, expires: sent.append((*args, expires)))
    run = queued("a")
    claimed("b")
    tasks.send_due(15)
    assert sent == [(run.pk, 15)]


def test_a_run_is_claimed_once(clock: Clock) -> None:
    run = claimed()
    assert (run.state, run.attempts, run.heartbeat_at, run.started_at) == (RunState.RUNNING, 1, clock.now, clock.now)
    assert again(run).owner == run.owner
    assert runs.claim(run.pk) is None
    assert runs.claim(run.pk + 1) is None
    assert history(run) == ["queued", "running"]


def test_of_two_who_claim_at_once_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = queued()
    move = runs.move
    won: list[TrainingRun | None] = []

    def move_after_another(*arguments: Any, **values: Any) -> None:
        # Both have seen the run queued; the other one is faster.
        monkeypatch.setattr(runs, "move", move)
        won.append(runs.claim(run.pk))
        move(*arguments, **values)

    monkeypatch.setattr(runs, "move", move_after_another)
    assert runs.claim(run.pk) is None
    assert won[0] is not None
    assert again(run).owner == won[0].owner
    assert again(run).attempts == 1
    assert history(run) == ["queued", "running"]


def test_a_heartbeat_keeps_the_run_and_tells_how_far_it_is(clock: Clock) -> None:
    run = claimed()
    clock.pass_(50)
    assert runs.heartbeat(run, {"step": 3})
    clock.pass_(1)
    assert runs.heartbeat(run, None)
    assert (again(run).heartbeat_at, again(run).progress) == (clock.now, {"step": 3})


def test_who_has_lost_a_run_can_change_nothing_of_it(clock: Clock) -> None:
    mine = claimed()
    other = lose(mine, clock)
    before = again(other).__dict__ | {"_state": None}
    assert not runs.heartbeat(mine, {"step": 9})
    runs.fail(mine, "too late")
    runs.fail(mine, "too late", final=True)
    runs.release(mine)
    with pytest.raises(LostRace):
        runs.succeed(mine, MANIFEST, {}, [])
    assert again(other).__dict__ | {"_state": None} == before
    assert not ModelVersion.objects.exists()
    assert history(mine) == ["queued", "running", "queued", "running"]
    assert runs.heartbeat(other, None)


def test_failures_are_tried_again_after_waits_that_double_until_the_limit(clock: Clock) -> None:
    run = claimed()
    for attempt, wait in ((1, 30), (2, 60)):
        assert again(run).attempts == attempt
        runs.fail(run, f"failure {attempt}", field="ignored")
        waiting = again(run)
        assert (waiting.state, waiting.error, waiting.owner) == (RunState.QUEUED, f"failure {attempt}", None)
        assert waiting.not_before == clock.now + dt.timedelta(seconds=wait)
        clock.pass_(wait - 1)
        assert runs.claim(run.pk) is None
        clock.pass_(1)
        claimed_again = runs.claim(run.pk)
        assert claimed_again is not None
        assert again(run).error == ""
        run = claimed_again
    runs.fail(run, "failure 3")
    failed = again(run)
    assert (failed.state, failed.error, failed.owner, failed.ended_at) == ("failed", "failure 3", None, clock.now)
    assert runs.due() == []
    assert history(run) == ["queued", "running", "queued", "running", "queued", "running", "failed"]


def test_what_cannot_be_helped_by_trying_again_fails_at_once_with_its_field(clock: Clock) -> None:
    run = claimed()
    runs.fail(run, "no such model", field="base_model", final=True)
    failed = again(run)
    assert (failed.state, failed.error, failed.error_field) == (RunState.FAILED, "no such model", "base_model")
    assert (failed.attempts, failed.ended_at, failed.owner) == (1, clock.now, None)


def test_a_worker_without_heartbeat_is_given_up_only_after_the_deadline(clock: Clock) -> None:
    run = claimed()
    clock.pass_(60)
    assert runs.reclaim_dead() == 0
    clock.pass_(1)
    assert runs.reclaim_dead() == 1
    assert (again(run).state, again(run).attempts) == (RunState.QUEUED, 1)
    assert "no heartbeat for 60 s" in again(run).error
    assert runs.reclaim_dead() == 0


def test_a_worker_that_dies_every_time_ends_the_run(clock: Clock) -> None:
    run = claimed()
    for _ in range(2):
        run = lose(run, clock)
    clock.pass_(61)
    assert runs.reclaim_dead() == 1
    assert again(run).state == RunState.FAILED


def test_a_heartbeat_in_the_last_moment_keeps_the_run(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    run = claimed()
    clock.pass_(61)
    fail = runs.fail

    def fail_after_a_heartbeat(*arguments: Any, **values: Any) -> None:
        assert runs.heartbeat(run, None)
        fail(*arguments, **values)

    monkeypatch.setattr(runs, "fail", fail_after_a_heartbeat)
    runs.reclaim_dead()
    assert (again(run).state, again(run).owner) == (RunState.RUNNING, run.owner)


def test_a_run_given_back_waits_for_the_next_worker_and_its_attempt_does_not_count(clock: Clock) -> None:
    run = claimed()
    runs.release(run)
    released = again(run)
    assert (released.state, released.attempts, released.owner) == (RunState.QUEUED, 0, None)
    assert [due.pk for due in runs.due()] == [run.pk]
    assert not runs.heartbeat(run, None)
    assert runs.claim(run.pk) is not None


def test_a_cancelled_run_is_its_workers_no_more(clock: Clock) -> None:
    run = claimed()
    runs.cancel(again(run))
    assert (again(run).state, again(run).owner, again(run).ended_at) == (RunState.CANCELLED, None, clock.now)
    assert not runs.heartbeat(run, None)
    with pytest.raises(LostRace):
        runs.succeed(run, MANIFEST, {}, [])
    assert not ModelVersion.objects.exists()
    assert runs.claim(run.pk) is None


def test_a_queued_run_can_be_cancelled_and_one_that_has_ended_stays_as_it_is() -> None:
    run = queued()
    runs.cancel(run)
    assert again(run).state == RunState.CANCELLED
    runs.cancel(again(run))
    failed = claimed("f")
    runs.fail(failed, "failed", final=True)
    runs.cancel(again(failed))
    assert again(failed).state == RunState.FAILED
    assert history(run) == ["queued", "cancelled"]


def test_a_run_that_ends_while_it_is_cancelled_is_a_lost_race() -> None:
    run = claimed()
    stale = again(run)
    runs.succeed(run, MANIFEST, {}, [])
    with pytest.raises(LostRace):
        runs.cancel(stale)
    assert again(run).state == RunState.SUCCEEDED


def test_a_failed_run_is_retried_with_all_its_attempts(clock: Clock) -> None:
    run = claimed()
    runs.fail(run, "failed", final=True)
    runs.retry(again(run))
    assert (again(run).state, again(run).attempts, again(run).ended_at) == (RunState.QUEUED, 0, None)
    retried = runs.claim(run.pk)
    assert retried is not None
    runs.fail(retried, "failed")
    assert again(run).state == RunState.QUEUED


def test_only_a_failed_run_is_retried() -> None:
    run = queued()
    with pytest.raises(IllegalMove):
        runs.retry(run)
    runs.cancel(run)
    with pytest.raises(IllegalMove):
        runs.retry(again(run))


def test_success_registers_one_version_with_where_it_came_from(clock: Clock) -> None:
    base = runs.succeed(claimed("base"), MANIFEST, {"import_seconds": 1.5}, [])
    run = claimed("train", TRAIN)
    assert runs.heartbeat(run, {"phase": "training", "curve": [[1, 0.7]]})
    run.progress = {"phase": "training", "curve": [[1, 0.7]]}
    version = runs.succeed(run, "b" * 64, {"train_loss": 0.5}, [{"key": "test", "accuracy": 1.0}])
    assert (base.parent, base.recipe, base.ref) == (None, {}, ModelRef("tiny", 0))
    version = ModelVersion.objects.get(pk=version.pk)
    assert (version.ref, version.parent, version.manifest_sha256) == (ModelRef("tiny", 1), base, "b" * 64)
    assert version.recipe == dataclasses.asdict(TRAIN.recipe)
    assert (version.seed, version.data_sha256, version.data_rows) == (7, "d" * 64, 12)
    assert (version.labels, version.metrics) == (["yes", "no"], {"train_loss": 0.5})
    done = again(run)
    assert (done.state, done.model_version, done.ended_at) == (RunState.SUCCEEDED, version, clock.now)
    assert done.scores == [{"key": "test", "accuracy": 1.0}]
    assert (done.progress["phase"], done.progress["curve"]) == ("done", [[1, 0.7]])
    with pytest.raises(LostRace):
        runs.succeed(again(run), "b" * 64, {}, [])
    assert ModelVersion.objects.count() == 2


def test_a_scored_version_is_not_registered_again() -> None:
    base = runs.succeed(claimed("base"), MANIFEST, {}, [])
    spec = RunSpec("evaluate", ("yes", "no"), source=ModelRef("tiny", 0), evaluate=TRAIN.evaluate)
    run = claimed("score", spec)
    assert runs.succeed(run, "", {}, [{"key": "test"}]) == base
    assert again(run).model_version == base
    assert ModelVersion.objects.count() == 1


def test_a_version_that_another_run_has_registered_is_a_lost_race_and_stays() -> None:
    first = runs.succeed(claimed("first"), MANIFEST, {}, [])
    run = claimed("second")
    with pytest.raises(LostRace, match="tiny/0"):
        runs.succeed(run, "b" * 64, {}, [])
    assert ModelVersion.objects.get() == first
    assert again(run).state == RunState.RUNNING
