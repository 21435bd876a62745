"""A model version's card: what it is, where it comes from and what it scores, in words that travel with its files."""

from __future__ import annotations

import json

from collection.models import Experiment
from collection.versions import Lineage, Score
from modelserver.artifacts import Manifest

_CHECKING = (
    "manifest.json names the sha256 of every file beside it; its own is above. Weights are safetensors: no code."
)


def card_of(experiment: Experiment, lineage: Lineage, manifest: Manifest) -> str:
    """The card as Markdown. The same version and scores always give the same text."""
    version, task = lineage.version, experiment.task
    facts = [
        *_origin(experiment, lineage),
        f"Task: {task.name}; fields: {', '.join(field.name for field in task.schema.fields)}.",
        f"Labels, in the order of the outputs: {', '.join(manifest.labels)}.",
        f"Made at {version.created_at.isoformat(timespec='seconds')}, seed {version.seed}.",
        f"sha256 of manifest.json: {version.manifest_sha256}.",
        *_encoder(manifest),
    ]
    paragraphs = [
        f"# {version}",
        f"A model version of the experiment “{experiment.name}” ({experiment.slug}).",
        "\n".join(f"- {fact}" for fact in facts),
        "## Scores",
        "\n".join(f"- {_score(score)}" for score in lineage.scores) or "None yet.",
        "## Checking the files",
        _CHECKING,
    ]
    return "\n\n".join(paragraphs) + "\n"


def _origin(experiment: Experiment, lineage: Lineage) -> list[str]:
    version, round_ = lineage.version, lineage.round
    if round_ is None:
        return [f"The base version, imported from {experiment.base_model}."]
    return [
        f"Trained by arm {round_.arm.slug}, round {round_.number}, from {version.parent}.",
        f"Trained on {version.data_rows} rows; sha256 of the data: {version.data_sha256}.",
        f"Recipe: {json.dumps(version.recipe, sort_keys=True)}.",
    ]


def _encoder(manifest: Manifest) -> list[str]:
    encoder = manifest.encoder
    if encoder is None:
        return []
    if manifest.encoder_ref is not None:
        needed = f"the version {manifest.encoder_ref}, sha256 of its manifest {encoder['manifest_sha256']}"
    else:
        needed = f"the Python package {encoder['package']}, sha256 of its weights {encoder['sha256']}"
    return [f"Only what was trained on top of an encoder. It needs {needed}."]


def _score(score: Score) -> str:
    figure = score.accuracy
    return (
        f"{score.test_set.name}: accuracy {figure.value:.3f}, 95% interval {figure.low:.3f} to {figure.high:.3f}"
        f" (Wilson, n = {figure.n}); balanced accuracy {score.balanced_accuracy:.3f}."
    )
