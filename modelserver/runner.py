"""A training worker's part of a run: start the training process, watch it, publish and register what it made."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery.signals import worker_shutting_down
from django.conf import settings
from django.db import OperationalError, close_old_connections

from lifecycle.moves import LostRace
from modelserver import registry, runs
from modelserver.models import ModelVersion, TrainingRun
from modelserver.repository import VersionExists
from modelserver.signals import run_ended
from modelserver.wire import (
    ERROR_FILE,
    PROGRESS_FILE,
    RESULT_FILE,
    DataFile,
    EvaluationFile,
    Job,
    ModelRef,
    Result,
    Source,
    WireError,
    write_json,
)

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
_stopping = threading.Event()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _stopping.set()


def work(run_id: int) -> None:
    """Claim a run and see it to its end. Returns at once if there is nothing to claim."""
    run = runs.claim(run_id)
    if run is None:
        return
    folder = Path(settings.DATA_DIR) / "runs" / f"{run.pk}-{run.owner}"
    folder.mkdir(parents=True)
    try:
        _carry_out(run, folder)
    except WireError as error:
        runs.fail(run, error.message, field=error.field, final=True)
    except Exception as error:
        # The boundary of the process: whatever went wrong is kept with the run, which is tried again.
        log.exception("run %s failed", run.key)
        runs.fail(run, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        run_ended.send(sender=TrainingRun, run_id=run.pk)


def _carry_out(run: TrainingRun, folder: Path) -> None:
    spec = runs.RunSpec.from_dict(run.spec)
    job_file = folder / "job.json"
    write_json(job_file, _job(spec, folder).to_dict())
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelserver.training", str(job_file)],
            cwd=settings.BASE_DIR,
            env={"GOMP_SPINCOUNT": "1000", **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            ended = _watch(run, process, folder / PROGRESS_FILE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if not ended:
        return
    if process.returncode != 0:
        _explain(folder, process.returncode)
    result = Result.from_dict(json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))
    if spec.publish is not None:
        _publish(folder / result.artifact, spec.publish)
    try:
        runs.succeed(run, result.manifest_sha256, result.metrics, result.to_dict()["scores"])
    except LostRace as error:
        log.warning("the result of run %s is dropped: %s", run.key, error)
        # Does nothing if another worker has the run by now, and ends it if its version is registered already.
        runs.fail(run, str(error), final=True)


def _job(spec: runs.RunSpec, folder: Path) -> Job:
    store = registry.data_store()
    store.forget_removed()
    if spec.source is not None:
        parent = ModelVersion.objects.get(name=spec.source.name, version=spec.source.version)
        source = Source(artifact=str(registry.repository().fetch(spec.source)), manifest_sha256=parent.manifest_sha256)
    else:
        base = registry.resolve_base_model(spec.pretrained)
        if (base / "manifest.json").is_file():
            source = Source(artifact=str(base))
        else:
            source = Source(pretrained=str(base) if base.is_dir() else spec.pretrained)
    data = None
    if spec.kind == "train":
        data = DataFile(str(store.fetch(spec.data_sha256)), spec.data_sha256, spec.data_rows)
    return Job(
        kind=spec.kind,
        source=source,
        labels=spec.labels,
        output=str(folder),
        seed=spec.seed,
        recipe=spec.recipe,
        data=data,
        evaluate=tuple(
            EvaluationFile(item.key, str(store.fetch(item.sha256)), item.sha256, item.rows) for item in spec.evaluate
        ),
        threads=settings.TRAINING_THREADS,
    )


def _watch(run: TrainingRun, process: subprocess.Popen[bytes], progress_file: Path) -> bool:
    """Show heartbeats until the process ends. False if it was stopped: the run is cancelled, lost or given back."""
    next_beat = time.monotonic()
    while process.poll() is None:
        if _stopping.is_set():
            process.kill()
            process.wait()
            runs.release(run)
            return False
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + settings.TRAINING_HEARTBEAT_SECONDS
            if not _beat(run, progress_file):
                log.warning("run %s is no longer this worker's; stopped", run.key)
                return False
        time.sleep(POLL_SECONDS)
    return _beat(run, progress_file)


def _beat(run: TrainingRun, progress_file: Path) -> bool:
    progress = None
    if progress_file.exists():
        progress = json.loads(progress_file.read_text(encoding="utf-8"))
        run.progress = progress
    try:
        close_old_connections()
        return runs.heartbeat(run, progress)
    except OperationalError:
        # A database that is away for a moment must not end a training; the deadline decides.
        log.exception("no heartbeat for run %s", run.key)
        return True


def _explain(folder: Path, code: int) -> None:
    """Raise what the failed process left: WireError if it cannot succeed, else RuntimeError with its last lines."""
    error_file = folder / ERROR_FILE
    if error_file.exists():
        error = json.loads(error_file.read_text(encoding="utf-8"))
        raise WireError(error["field"], error["message"])
    tail = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise RuntimeError(f"the training process ended with status {code}: " + " / ".join(tail))


def _publish(artifact: Path, ref: ModelRef) -> None:
    repository = registry.repository()
    try:
        repository.publish(artifact, ref)
    except VersionExists:
        # Left by a worker that died between publishing and registering. Nothing points to a version that the
        # database does not know, so it may go; one that is registered stays, and registering ours will fail.
        if ModelVersion.objects.filter(name=ref.name, version=ref.version).exists():
            return
        repository.discard(ref)
        repository.publish(artifact, ref)
