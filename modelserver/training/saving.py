"""Artifacts on disk: written under a temporary name and renamed when whole."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import safetensors.torch
import torch

from modelserver.artifacts import MANIFEST_FILE, Manifest, manifest_sha256, read_verified, write_manifest

ARTIFACT_FOLDER = "artifact"


def library_versions() -> dict[str, str]:
    """The versions that a set of weights may depend on."""
    libraries = ("torch", "transformers", "peft", "safetensors")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}


def weights_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Tensors as the content of a safetensors file; equal tensors give equal bytes."""
    # A clone each, because the format refuses tensors that share memory.
    return safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    )


def save(target: Path, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Write an artifact folder, whole or not at all, in place of what was there; returns its manifest's sha256.

    The manifest is completed with the files' hashes.
    """
    complete = dataclasses.replace(
        manifest, files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    )
    with _whole(target) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return write_manifest(folder, complete)


def copy(source: Path, manifest: Manifest, target: Path) -> str:
    """Copy an artifact byte for byte, checking every hash; returns its manifest's sha256. Raises ArtifactError."""
    with _whole(target) as folder:
        for name in manifest.files:
            (folder / name).write_bytes(read_verified(source, manifest, name))
        shutil.copyfile(source / MANIFEST_FILE, folder / MANIFEST_FILE)
        return manifest_sha256(folder)


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A temporary folder that takes the target's place if nothing goes wrong, and is removed if something does."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
