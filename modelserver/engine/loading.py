"""A model version in memory: read from its artifact, every file hash-checked before use."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from modelserver.artifacts import (
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    ArtifactError,
    Manifest,
    read_manifest,
    read_verified,
)
from modelserver.engine import networks, packages
from modelserver.engine.encoding import Encoding, TextEncoder, padded_batch
from modelserver.wire import TextInput

# transformers and torch change global state while they build a network.
_building = threading.Lock()


@dataclass
class LoadedModel:
    """A network with its tokenizer. Encoding and predicting are safe to call from several threads."""

    manifest: Manifest
    network: PreTrainedModel | PeftModel
    tokenizer_json: bytes

    def __post_init__(self) -> None:
        plain = self.network.get_base_model() if isinstance(self.network, PeftModel) else self.network
        inner = cast(PreTrainedModel, plain)
        self.max_length = min(self.manifest.max_length, networks.longest_input(inner))
        self._encoder = TextEncoder(self.tokenizer_json, self.max_length)
        self._with_type_ids = networks.takes_type_ids(inner)
        self._pad_id = int(self.manifest.config.get("pad_token_id") or 0)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the network's outputs."""
        return self.manifest.labels

    @property
    def size_bytes(self) -> int:
        """Memory the weights take."""
        tensors = (*self.network.parameters(), *self.network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    def encode(self, inputs: Sequence[TextInput]) -> list[Encoding]:
        """One encoding an input, in order, without padding; ``len()`` of each is its number of tokens.

        Only the context is cut to fit: the first text of a pair, or a single text. Raises TextTooLongError, a
        WireError on ``text_pair``, if the second text alone is too long.
        """
        return self._encoder.encode(inputs)

    def logits(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        """One padded forward pass over at least one encoding: float32 of shape [encodings, labels]."""
        batch = padded_batch(encodings, self._pad_id, self._with_type_ids, self.device)
        output: torch.Tensor = self.network(**batch).logits
        return output.float()

    def probabilities(self, encodings: Sequence[Encoding]) -> list[list[float]]:
        """One padded forward pass: a distribution over the labels for each encoding, in order."""
        if not encodings:
            return []
        with torch.inference_mode():
            rows: list[list[float]] = self.logits(encodings).softmax(dim=-1).tolist()
        return rows


def load(
    folder: Path, manifest_sha256: str | None = None, *, trainable: bool = False, dropout: float | None = None
) -> LoadedModel:
    """Load an artifact, on the CPU and in evaluation mode. Threads that load at the same time take turns.

    An adapter is merged into the weights, unless ``trainable``: then it stays a PeftModel, with the adapter's
    ``dropout`` as given instead of as trained. Raises ArtifactError if anything is not what its hash says, if the
    encoder is not there, or if the weights do not fit the config.
    """
    manifest = read_manifest(folder, manifest_sha256)
    weights = read_verified(folder, manifest, WEIGHTS_FILE)
    with _building:
        if manifest.kind == "full":
            model = _build_full(manifest, weights, read_verified(folder, manifest, TOKENIZER_FILE))
        else:
            encoder, tokenizer_json = _read_encoder(folder, manifest, manifest.encoder or {})
            shape = dict(manifest.adapter or {})
            if dropout is not None:
                shape["dropout"] = dropout
            model = _build_adapted(manifest, weights, encoder, tokenizer_json, shape)
            if not trainable:
                model = merged(model)
    model.network.eval()
    if not trainable:
        model.network.requires_grad_(False)
    return model


def merged(model: LoadedModel) -> LoadedModel:
    """The same model as it is served: an adapter, if it is one, merged into the weights and used up."""
    if not isinstance(model.network, PeftModel):
        return model
    return dataclasses.replace(model, network=networks.merge_adapter(model.network))


def encoder_folder(folder: Path, manifest: Manifest) -> Path | None:
    """Where the artifact lies whose tensors an adapter in ``folder`` needs; None if it needs no other artifact."""
    ref = manifest.encoder_ref
    return None if ref is None else folder.resolve().parent.parent / ref.name / str(ref.version)


def _build_full(manifest: Manifest, weights: bytes, tokenizer_json: bytes) -> LoadedModel:
    config = networks.plain_config(manifest.config, manifest.labels)
    network, missing = networks.build(config, networks.read_tensors(weights))
    if missing:
        raise ArtifactError(f"the weights lack {sorted(missing)[0]}")
    return LoadedModel(manifest, network, tokenizer_json)


def _build_adapted(
    manifest: Manifest, weights: bytes, encoder: bytes, tokenizer_json: bytes, shape: Mapping[str, Any]
) -> LoadedModel:
    config = networks.plain_config(manifest.config, manifest.labels)
    network, missing = networks.build(config, networks.read_tensors(encoder))
    lacking = sorted(name for name in missing if not set(name.split(".")) & set(shape["modules_to_save"]))
    if lacking:
        raise ArtifactError(f"the encoder's weights lack {lacking[0]}")
    adapted = networks.attach_adapter(network, shape)
    networks.fill_adapter(adapted, networks.read_tensors(weights))
    return LoadedModel(manifest, adapted, tokenizer_json)


def _read_encoder(folder: Path, manifest: Manifest, encoder: Mapping[str, Any]) -> tuple[bytes, bytes]:
    place = encoder_folder(folder, manifest)
    if place is None:
        package = encoder["package"]
        weights = packages.read_packaged(package, packages.WEIGHTS)
        if hashlib.sha256(weights).hexdigest() != encoder["sha256"]:
            raise ArtifactError(f"the artifact was trained on other weights than those of the package {package}")
        return weights, packages.read_packaged(package, packages.TOKENIZER)
    full = read_manifest(place, encoder["manifest_sha256"])
    if full.kind != "full":
        raise ArtifactError("the encoder of an adapter must be a full artifact")
    return read_verified(place, full, WEIGHTS_FILE), read_verified(place, full, TOKENIZER_FILE)
