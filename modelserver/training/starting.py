"""The model a training starts from, with the manifest of the artifact it is to become."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from modelserver.artifacts import ArtifactError, Manifest, manifest_sha256
from modelserver.engine import networks, packages
from modelserver.engine.loading import LoadedModel, load
from modelserver.training.saving import library_versions
from modelserver.wire import Job, ModelRef, Recipe, Source, WireError


def load_source(source: Source, *, trainable: bool = False, dropout: float | None = None) -> LoadedModel:
    """The artifact a job names. Raises WireError on ``source.artifact`` if it is not what its hashes say."""
    try:
        return load(Path(source.artifact), source.manifest_sha256 or None, trainable=trainable, dropout=dropout)
    except ArtifactError as error:
        raise WireError("source.artifact", f"{Path(source.artifact).name}: {error}") from None


def starting_model(job: Job) -> LoadedModel:
    """The model of a train job, ready to train by its recipe.

    method adapter: an adapter goes on as it is, a full model gets a new one. method full: all weights, an adapter
    merged first. Raises WireError on ``labels``, ``source.artifact`` or a part of ``recipe``.
    """
    adapter = job.recipe.method == "adapter"
    source = load_source(job.source, trainable=adapter, dropout=job.recipe.dropout)
    if source.labels != job.labels:
        raise WireError("labels", f"the source answers {', '.join(source.labels)}, the job {', '.join(job.labels)}")
    manifest = dataclasses.replace(
        source.manifest,
        kind=job.recipe.method,
        files={},
        max_length=job.recipe.max_length,
        training=_provenance(job),
        versions=library_versions(),
    )
    network = source.network
    if not adapter:
        network.requires_grad_(True)
        manifest = dataclasses.replace(manifest, encoder=None, adapter=None)
    elif isinstance(network, PeftModel):
        shape = dict(source.manifest.adapter or {}) | {"dropout": job.recipe.dropout}
        for name in ("rank", "alpha"):
            if shape[name] != getattr(job.recipe, name):
                raise WireError(f"recipe.{name}", f"must be {shape[name]}, as in the adapter that is trained further")
        manifest = dataclasses.replace(manifest, adapter=shape)
    else:
        manifest = dataclasses.replace(manifest, encoder=_encoder_of(job.source))
        network, manifest = _with_new_adapter(network, manifest, job.recipe, job.seed)
    return _checked(LoadedModel(manifest, network, source.tokenizer_json))


def packaged_model(package: str, labels: Sequence[str], recipe: Recipe, seed: int) -> LoadedModel:
    """A packaged encoder with a new head and a new adapter, ready to train. Raises ArtifactError, WireError."""
    config = json.loads(packages.read_packaged(package, packages.CONFIG))
    torch.manual_seed(seed)
    network, _ = networks.build(
        networks.plain_config(config, labels),
        networks.read_tensors(packages.read_packaged(package, packages.WEIGHTS)),
    )
    manifest = Manifest(
        kind="adapter",
        files={},
        labels=tuple(labels),
        max_length=recipe.max_length,
        config=networks.plain_config(network.config.to_dict(), labels),
        encoder={"package": package, "sha256": packages.PACKAGED_ENCODERS[package].sha256[packages.WEIGHTS]},
        versions=library_versions(),
    )
    adapted, manifest = _with_new_adapter(network, manifest, recipe, seed)
    return _checked(LoadedModel(manifest, adapted, packages.read_packaged(package, packages.TOKENIZER)))


def _with_new_adapter(
    network: PreTrainedModel, manifest: Manifest, recipe: Recipe, seed: int
) -> tuple[PeftModel, Manifest]:
    try:
        shape = networks.adapter_shape(network, recipe.rank, recipe.alpha, recipe.dropout)
    except ValueError as error:
        raise WireError("recipe.method", str(error)) from None
    torch.manual_seed(seed)
    return networks.attach_adapter(network, shape), dataclasses.replace(manifest, adapter=shape)


def _checked(model: LoadedModel) -> LoadedModel:
    if model.max_length < model.manifest.max_length:
        raise WireError("recipe.max_length", f"must be at most {model.max_length}, the length of the model's input")
    return model


def _encoder_of(source: Source) -> dict[str, Any]:
    folder = Path(source.artifact).resolve()
    try:
        ref = ModelRef(folder.parent.name, int(folder.name))
    except ValueError:
        raise WireError("source.artifact", "a full model that gets an adapter must lie at <name>/<version>") from None
    return {"model": dataclasses.asdict(ref), "manifest_sha256": manifest_sha256(folder)}


def _provenance(job: Job) -> dict[str, Any]:
    data = job.data
    if data is None:
        raise WireError("data", "is needed by a train job")
    return {
        "seed": job.seed,
        "recipe": dataclasses.asdict(job.recipe),
        "data_sha256": data.sha256,
        "rows": data.rows,
        "parent": {"manifest_sha256": manifest_sha256(Path(job.source.artifact))},
    }
