"""Artifacts that are whole by their hashes but hold no real network: for what moves files about."""

from __future__ import annotations

import json
from pathlib import Path

from modelserver.artifacts import Manifest, write_manifest
from modelserver.wire import ModelRef, file_sha256

LABELS = ("entailment", "not_entailment")


def plain_artifact(folder: Path, content: str = "weights", encoder: tuple[ModelRef, str] | None = None) -> str:
    """Write an artifact, an adapter if it has an ``encoder`` (version and manifest sha256); returns its own sha256."""
    folder.mkdir(parents=True)
    files = {"weights.safetensors": content}
    if encoder is None:
        files["tokenizer.json"] = json.dumps({"of": content})
    for name, text in files.items():
        (folder / name).write_text(text)
    manifest = Manifest(
        kind="full" if encoder is None else "adapter",
        files={name: file_sha256(folder / name) for name in files},
        labels=LABELS,
        max_length=32,
        config={"model_type": "bert"},
        encoder=None
        if encoder is None
        else {"model": {"name": encoder[0].name, "version": encoder[0].version}, "manifest_sha256": encoder[1]},
        adapter=None
        if encoder is None
        else {"rank": 1, "alpha": 1, "dropout": 0.0, "target_modules": ["query"], "modules_to_save": []},
    )
    return write_manifest(folder, manifest)
