"""Operations on training runs: each is safe when two do it at once, when it comes twice, and when its doer dies."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from lifecycle.moves import LostRace, move, record
from lifecycle.signs import leave_sign
from modelserver.models import ModelVersion, TrainingRun
from modelserver.states import RUN_ENDED, RunState
from modelserver.wire import JobKind, ModelRef, Progress, Recipe

# The sign that trainers leave, whether they work or wait for work.
TRAINER = "trainer"


@dataclass(frozen=True)
class TestFile:
    """A test set to score: ``key`` names it to whoever asked, the file lies in the data store."""

    __test__ = False

    key: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class RunSpec:
    """What a run is to do, without any path, so that any worker on any machine can do it.

    ``source`` is the version to start from or to score; ``pretrained`` the base model to import instead.
    ``publish`` is the version an import or training run makes.
    """

    kind: JobKind
    labels: tuple[str, ...]
    publish: ModelRef | None = None
    source: ModelRef | None = None
    pretrained: str = ""
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    seed: int = 0
    data_sha256: str = ""
    data_rows: int = 0
    evaluate: tuple[TestFile, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """The spec that ``to_dict`` gave."""
        return cls(
            **{
                **values,
                "labels": tuple(values["labels"]),
                "publish": ModelRef(**values["publish"]) if values["publish"] else None,
                "source": ModelRef(**values["source"]) if values["source"] else None,
                "recipe": Recipe.from_dict(values["recipe"]),
                "evaluate": tuple(TestFile(**item) for item in values["evaluate"]),
            }
        )


def request(key: str, study: uuid.UUID, spec: RunSpec) -> TrainingRun:
    """The run for ``key``: made and queued if there is none yet. Its task is sent by ``send_due`` on commit."""
    with transaction.atomic():
        run, created = TrainingRun.objects.get_or_create(key=key, defaults={"study": study, "spec": spec.to_dict()})
        if created:
            record(run, RunState.QUEUED)
    return run


def due() -> list[TrainingRun]:
    """The queued runs whose back-off is over, oldest first."""
    return list(
        TrainingRun.objects.filter(state=RunState.QUEUED)
        .filter(Q(not_before=None) | Q(not_before__lte=timezone.now()))
        .order_by("pk")
    )


def claim(run_id: int) -> TrainingRun | None:
    """Take a due run for this worker. None if there is nothing to take: done, running elsewhere, or not due yet."""
    now = timezone.now()
    run = TrainingRun.objects.filter(pk=run_id, state=RunState.QUEUED).first()
    if run is None or (run.not_before is not None and run.not_before > now):
        return None
    try:
        move(
            run,
            RunState.RUNNING,
            owner=uuid.uuid4(),
            attempts=run.attempts + 1,
            heartbeat_at=now,
            started_at=now,
            error="",
            error_field="",
            progress={},
        )
    except LostRace:
        return None
    return run


def heartbeat(run: TrainingRun, progress: Mapping[str, Any] | None) -> bool:
    """Say that the run is alive, and how far it is. False if it is no longer this worker's: then stop at once."""
    values: dict[str, Any] = {"heartbeat_at": timezone.now()}
    if progress is not None:
        values["progress"] = dict(progress)
    leave_sign(TRAINER)
    return _mine(run).update(**values) == 1


def succeed(
    run: TrainingRun, manifest_sha256: str, metrics: Mapping[str, float], scores: list[dict[str, Any]]
) -> ModelVersion:
    """End a run well: registers the version it published, if it made one, in the same transaction.

    Raises LostRace if the run is no longer this worker's; then nothing is registered.
    """
    spec = RunSpec.from_dict(run.spec)
    with transaction.atomic():
        if spec.publish is None:
            assert spec.source is not None
            version = ModelVersion.objects.get(name=spec.source.name, version=spec.source.version)
        else:
            version = _register(spec, spec.publish, manifest_sha256, metrics)
        move(
            run,
            RunState.SUCCEEDED,
            where={"owner": run.owner},
            detail=dict(metrics),
            model_version=version,
            scores=scores,
            progress=Progress(phase="done").to_dict() | {"curve": run.progress.get("curve", [])},
            ended_at=timezone.now(),
        )
    return version


def _register(spec: RunSpec, ref: ModelRef, manifest_sha256: str, metrics: Mapping[str, float]) -> ModelVersion:
    parent = None
    if spec.source is not None:
        parent = ModelVersion.objects.get(name=spec.source.name, version=spec.source.version)
    version = ModelVersion(
        name=ref.name,
        version=ref.version,
        manifest_sha256=manifest_sha256,
        labels=list(spec.labels),
        parent=parent,
        recipe=dataclasses.asdict(spec.recipe) if spec.kind == "train" else {},
        seed=spec.seed,
        data_sha256=spec.data_sha256,
        data_rows=spec.data_rows,
        metrics=dict(metrics),
    )
    try:
        with transaction.atomic():
            version.save()
    except IntegrityError:
        # Somebody registered the version while this worker had been given up for dead.
        raise LostRace(f"{ref} is registered already") from None
    return version


def fail(
    run: TrainingRun, message: str, *, field: str = "", final: bool = False, where: Mapping[str, Any] | None = None
) -> None:
    """Record that an attempt failed: queued again after a back-off that doubles, or failed for good.

    ``final`` says that running it again cannot help; ``where`` adds conditions. Does nothing if the run is no longer
    this worker's.
    """
    now = timezone.now()
    condition = {"owner": run.owner, **(where or {})}
    try:
        if final or run.attempts >= settings.TRAINING_MAX_ATTEMPTS:
            move(
                run,
                RunState.FAILED,
                where=condition,
                detail={"error": message},
                error=message,
                error_field=field,
                owner=None,
                ended_at=now,
            )
        else:
            wait = settings.TRAINING_BACKOFF_SECONDS * 2 ** (run.attempts - 1)
            move(
                run,
                RunState.QUEUED,
                where=condition,
                detail={"error": message, "retry_in_s": wait},
                error=message,
                owner=None,
                not_before=now + dt.timedelta(seconds=wait),
            )
    except LostRace:
        return


def release(run: TrainingRun) -> None:
    """Give a run back unharmed because its worker is stopping: it waits for the next worker, this attempt uncounted."""
    try:
        move(
            run,
            RunState.QUEUED,
            where={"owner": run.owner},
            detail={"reason": "the worker stopped"},
            owner=None,
            attempts=run.attempts - 1,
        )
    except LostRace:
        return


def cancel(run: TrainingRun) -> None:
    """Cancel a run that has not ended; a worker that has it notices at its next heartbeat. Raises LostRace."""
    if run.state not in RUN_ENDED:
        move(run, RunState.CANCELLED, owner=None, ended_at=timezone.now())


def retry(run: TrainingRun, spec: RunSpec | None = None) -> None:
    """Queue a failed run again with all its attempts. ``spec`` is what it is to do if that is something else by now:
    some of its data may have been erased. Raises IllegalMove or LostRace unless it is failed.
    """
    anew: dict[str, Any] = {} if spec is None else {"spec": spec.to_dict()}
    move(run, RunState.QUEUED, attempts=0, not_before=None, ended_at=None, **anew)


def reclaim_dead() -> int:
    """Give up every run whose worker has shown no heartbeat for the deadline; returns how many."""
    limit = timezone.now() - dt.timedelta(seconds=settings.TRAINING_DEADLINE_SECONDS)
    dead = list(TrainingRun.objects.filter(state=RunState.RUNNING, heartbeat_at__lt=limit))
    for run in dead:
        # The heartbeat in the condition lets a worker that shows one just now keep its run.
        fail(
            run,
            f"the worker showed no heartbeat for {settings.TRAINING_DEADLINE_SECONDS} s",
            where={"heartbeat_at": run.heartbeat_at},
        )
    return len(dead)


def _mine(run: TrainingRun) -> QuerySet[TrainingRun]:
    return TrainingRun.objects.filter(pk=run.pk, state=RunState.RUNNING, owner=run.owner)
