"""A model version as a folder: a manifest and the files it names, each with its sha256.

Standard library only. Equal manifests are written as equal bytes, so that a manifest's sha256 names the version.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from modelserver.wire import SHA256, ModelRef, WireError, file_sha256

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "weights.safetensors"
TOKENIZER_FILE = "tokenizer.json"

FORMAT = 1
MAX_MANIFEST_BYTES = 1_000_000
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
ADAPTER_FIELDS = frozenset({"rank", "alpha", "dropout", "target_modules", "modules_to_save"})
FILE_SUFFIXES = (".safetensors", ".json", ".txt", ".md")


class ArtifactError(ValueError):
    """An artifact that is not what it must be: malformed, incomplete, or with another content than its hashes say."""


@dataclass(frozen=True)
class Manifest:
    """What an artifact is. ``files`` maps each file's plain name to its sha256.

    A ``full`` artifact holds all tensors and the tokenizer. An ``adapter`` holds only what was trained on top of
    ``encoder``, which gives the frozen tensors and the tokenizer: ``{"package", "sha256"}`` for an installed package,
    ``{"model": {"name", "version"}, "manifest_sha256"}`` for another artifact of the same repository.
    ``config`` is the Hugging Face model config, ``adapter`` the LoRA shape, ``max_length`` counts tokens.
    """

    kind: Literal["full", "adapter"]
    files: Mapping[str, str]
    labels: tuple[str, ...]
    max_length: int
    config: Mapping[str, Any]
    encoder: Mapping[str, Any] | None = None
    adapter: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """A manifest from plain values. Raises ArtifactError saying what is wrong."""
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ArtifactError(f"the manifest is not of format {FORMAT}")
        names = {item.name for item in dataclasses.fields(cls)}
        if set(values) != names | {"format"}:
            raise ArtifactError(f"the manifest must have the fields format, {', '.join(sorted(names))} and no others")
        for name in ("files", "config", "training", "versions"):
            if not isinstance(values[name], dict):
                raise ArtifactError(f"{name} in the manifest must be an object")
        _check_files(values["files"])
        labels = values["labels"]
        if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(item, str) for item in labels):
            raise ArtifactError("labels in the manifest must be a list of at least two names")
        if len(set(labels)) != len(labels):
            raise ArtifactError("labels in the manifest must be different from each other")
        if type(values["max_length"]) is not int or values["max_length"] < 1:
            raise ArtifactError("max_length in the manifest must be a whole number of tokens")
        needed = {WEIGHTS_FILE}
        if values["kind"] == "full":
            needed.add(TOKENIZER_FILE)
            if values["encoder"] is not None or values["adapter"] is not None:
                raise ArtifactError("a full artifact has neither encoder nor adapter")
        elif values["kind"] == "adapter":
            _check_encoder(values["encoder"])
            _check_adapter(values["adapter"])
        else:
            raise ArtifactError("kind in the manifest must be full or adapter")
        missing = needed - set(values["files"])
        if missing:
            raise ArtifactError(f"the manifest names no {sorted(missing)[0]}")
        return cls(**{name: values[name] for name in names} | {"labels": tuple(labels)})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"format": FORMAT, **{item.name: getattr(self, item.name) for item in dataclasses.fields(self)}}

    @property
    def encoder_ref(self) -> ModelRef | None:
        """The model version that an adapter's encoder is, or None if it needs no other artifact."""
        if self.encoder is None or "model" not in self.encoder:
            return None
        return ModelRef(self.encoder["model"]["name"], self.encoder["model"]["version"])


def read_manifest(folder: Path, expected_sha256: str | None = None) -> Manifest:
    """The manifest of an artifact folder.

    Raises ArtifactError if there is none, if it is malformed, or if its sha256 is not the expected one.
    """
    content = _manifest_bytes(folder)
    if expected_sha256 is not None and hashlib.sha256(content).hexdigest() != expected_sha256:
        raise ArtifactError(f"{MANIFEST_FILE} has another sha256 than expected")
    return parse_manifest(content)


def parse_manifest(content: bytes) -> Manifest:
    """The manifest in the bytes of its file. Raises ArtifactError if it is malformed."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise ArtifactError(f"{MANIFEST_FILE} is not JSON") from None
    return Manifest.from_dict(values)


def manifest_sha256(folder: Path) -> str:
    """The sha256 of the manifest's bytes, in hex. Raises ArtifactError if there is none."""
    return hashlib.sha256(_manifest_bytes(folder)).hexdigest()


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Check the hash of every file the manifest names. Raises ArtifactError naming the first that is wrong."""
    for name, digest in sorted(manifest.files.items()):
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{name} is missing")
        if file_sha256(path) != digest:
            raise ArtifactError(f"{name} has another sha256 than its manifest says")


def read_verified(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The content of a file the manifest names, hashed as read. Raises ArtifactError if it is missing or wrong."""
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{name} is missing") from None
    if hashlib.sha256(content).hexdigest() != manifest.files[name]:
        raise ArtifactError(f"{name} has another sha256 than its manifest says")
    return content


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write the manifest into its folder and return its sha256. Equal manifests give equal bytes."""
    Manifest.from_dict(json.loads(json.dumps(manifest.to_dict())))
    text = json.dumps(manifest.to_dict(), ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1)
    content = f"{text}\n".encode()
    (folder / MANIFEST_FILE).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ArtifactError(f"the folder has no {MANIFEST_FILE}")
    with path.open("rb") as file:
        content = file.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{MANIFEST_FILE} is larger than {MAX_MANIFEST_BYTES} bytes")
    return content


def _check_files(files: dict[str, Any]) -> None:
    for name, digest in files.items():
        if not FILE_NAME.fullmatch(name) or name == MANIFEST_FILE:
            raise ArtifactError(f"{name!r} is not a file name an artifact may have")
        if not name.endswith(FILE_SUFFIXES):
            raise ArtifactError(f"{name!r} is refused: an artifact holds safetensors weights, JSON and text, no pickle")
        if not isinstance(digest, str) or not SHA256.fullmatch(digest):
            raise ArtifactError(f"the sha256 of {name!r} in the manifest is not one")


def _check_adapter(adapter: object) -> None:
    if not isinstance(adapter, dict) or set(adapter) != ADAPTER_FIELDS:
        raise ArtifactError(f"an adapter artifact needs its adapter's {', '.join(sorted(ADAPTER_FIELDS))}")
    numbers = (adapter["rank"], adapter["alpha"], adapter["dropout"])
    if not all(type(number) in (int, float) and number >= 0 for number in numbers) or type(adapter["rank"]) is not int:
        raise ArtifactError("rank, alpha and dropout of the adapter must be numbers, rank a whole one")
    for name in ("target_modules", "modules_to_save"):
        if not isinstance(adapter[name], list) or not all(isinstance(item, str) for item in adapter[name]):
            raise ArtifactError(f"{name} of the adapter must be a list of names")


def _check_encoder(encoder: object) -> None:
    if not isinstance(encoder, dict):
        raise ArtifactError("an adapter artifact needs its encoder")
    if set(encoder) == {"package", "sha256"}:
        digest = encoder["sha256"]
        named = isinstance(encoder["package"], str)
    elif set(encoder) == {"model", "manifest_sha256"}:
        digest = encoder["manifest_sha256"]
        model = encoder["model"]
        named = isinstance(model, dict) and set(model) == {"name", "version"}
        named = named and isinstance(model["name"], str) and type(model["version"]) is int
    else:
        raise ArtifactError("the encoder must be a package with its sha256 or a model with its manifest_sha256")
    if not named or not isinstance(digest, str) or not SHA256.fullmatch(digest):
        raise ArtifactError("the encoder in the manifest is malformed")
    if "model" in encoder:
        try:
            ModelRef(**encoder["model"])
        except WireError as error:
            raise ArtifactError(f"the encoder in the manifest is malformed: {error}") from None
