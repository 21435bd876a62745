"""What a job does, from its description to the files it leaves in its output folder."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from peft import PeftModel
from torch import nn

from modelserver.artifacts import (
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    ArtifactError,
    manifest_sha256,
    read_manifest,
)
from modelserver.engine import networks
from modelserver.engine.loading import LoadedModel, load, merged
from modelserver.training.data import Rows, read_rows
from modelserver.training.determinism import accelerator, seed_everything
from modelserver.training.evaluate import score
from modelserver.training.importing import FIELD as BASE_MODEL
from modelserver.training.importing import import_pretrained
from modelserver.training.loop import Trained, train
from modelserver.training.progress import ProgressFile
from modelserver.training.saving import ARTIFACT_FOLDER, copy, save, weights_bytes
from modelserver.training.starting import load_source, starting_model
from modelserver.wire import ERROR_FILE, RESULT_FILE, Job, Recipe, Result, WireError, write_json


@dataclass(frozen=True)
class Outcome:
    """A model to score, the sha256 of its manifest, and what was measured on the way."""

    model: LoadedModel
    manifest_sha256: str
    metrics: dict[str, float]


def run(job: Job, progress: ProgressFile) -> Result:
    """Do the whole job; ``result.json`` comes last.

    Raises WireError naming the field if the job cannot succeed by being run again.
    """
    output = Path(job.output)
    for stale in (RESULT_FILE, ERROR_FILE):
        (output / stale).unlink(missing_ok=True)
    shutil.rmtree(output / ARTIFACT_FOLDER, ignore_errors=True)
    if type(job.seed) is not int or not 0 <= job.seed < 2**63:
        raise WireError("seed", "must be a whole number from 0 to 2**63 - 1")
    seed_everything(job.seed, job.threads)
    # Every file is read before anything long begins, so that a wrong one is told at once.
    data = None if job.data is None else read_rows(job.data, job.labels, "data")
    tests = [read_rows(item, job.labels, f"evaluate[{index}]") for index, item in enumerate(job.evaluate)]
    if data is not None:
        outcome = _train(job, data, progress)
    elif job.kind == "import":
        outcome = _import_artifact(job) if job.source.artifact else _import_pretrained(job)
    else:
        outcome = _evaluate(job)
    metrics = dict(outcome.metrics)
    _accelerate(outcome.model)
    began = time.monotonic()
    scores = tuple(
        score(outcome.model, item.key, rows, progress) for item, rows in zip(job.evaluate, tests, strict=True)
    )
    if scores:
        metrics["evaluate_seconds"] = time.monotonic() - began
        metrics["evaluate_rows_per_second"] = sum(item.rows for item in scores) / metrics["evaluate_seconds"]
    artifact = ARTIFACT_FOLDER if (output / ARTIFACT_FOLDER).is_dir() else ""
    result = Result(artifact, outcome.manifest_sha256, metrics, scores)
    progress.phase("done")
    write_json(output / RESULT_FILE, result.to_dict())
    return result


def fine_tune(model: LoadedModel, rows: Rows, recipe: Recipe, seed: int, progress: ProgressFile) -> Trained:
    """Train a model that is ready for it, in place. Raises WireError naming the row or the part of the recipe."""
    encodings = rows.encode(model)
    _accelerate(model)
    return train(model, encodings, [row.label for row in rows.rows], recipe, seed, progress)


def save_trained(model: LoadedModel, target: Path) -> str:
    """Write a trained model's artifact; returns its manifest's sha256."""
    if isinstance(model.network, PeftModel):
        return save(target, model.manifest, {WEIGHTS_FILE: weights_bytes(networks.adapter_tensors(model.network))})
    weights = weights_bytes(model.network.state_dict())
    return save(target, model.manifest, {WEIGHTS_FILE: weights, TOKENIZER_FILE: model.tokenizer_json})


def _accelerate(model: LoadedModel) -> None:
    cast(nn.Module, model.network).to(accelerator())


def _train(job: Job, data: Rows, progress: ProgressFile) -> Outcome:
    model = starting_model(job)
    trained = fine_tune(model, data, job.recipe, job.seed, progress)
    startup_seconds = time.monotonic() - progress.created - trained.seconds
    progress.phase("saving")
    digest = save_trained(model, Path(job.output) / ARTIFACT_FOLDER)
    metrics = {
        "startup_seconds": startup_seconds,
        "train_loss": trained.loss,
        "train_seconds": trained.seconds,
        "examples_per_second": trained.examples / trained.seconds,
    }
    return Outcome(merged(model), digest, metrics)


def _evaluate(job: Job) -> Outcome:
    model = load_source(job.source)
    if model.labels != job.labels:
        raise WireError("labels", f"the source answers {', '.join(model.labels)}, the job {', '.join(job.labels)}")
    return Outcome(model, manifest_sha256(Path(job.source.artifact)), {})


def _import_artifact(job: Job) -> Outcome:
    folder = Path(job.source.artifact)
    target = Path(job.output) / ARTIFACT_FOLDER
    try:
        manifest = read_manifest(folder, job.source.manifest_sha256 or None)
        if manifest.encoder_ref is not None:
            raise ArtifactError(f"it needs {manifest.encoder_ref} beside it and cannot stand alone")
        if manifest.labels != job.labels:
            answers = ", ".join(manifest.labels)
            raise WireError("labels", f"the base model answers {answers}; the task has {', '.join(job.labels)}")
        digest = copy(folder, manifest, target)
        return Outcome(load(target, digest), digest, {})
    except ArtifactError as error:
        raise WireError(BASE_MODEL, f"{folder.name}: {error}") from None


def _import_pretrained(job: Job) -> Outcome:
    imported = import_pretrained(job)
    target = Path(job.output) / ARTIFACT_FOLDER
    digest = save(target, imported.manifest, imported.files)
    try:
        # Read back, so that whatever cannot be stored faithfully is refused now and not by the model server.
        return Outcome(load(target, digest), digest, imported.metrics)
    except ArtifactError as error:
        raise WireError(BASE_MODEL, f"{job.source.pretrained!r} cannot be stored: {error}") from None
