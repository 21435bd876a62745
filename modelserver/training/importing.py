"""Any classifier that Hugging Face's AutoModelForSequenceClassification loads, as an artifact."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import is_offline_mode
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from modelserver.artifacts import TOKENIZER_FILE, WEIGHTS_FILE, Manifest
from modelserver.engine import networks
from modelserver.training.saving import library_versions, weights_bytes
from modelserver.wire import Job, WireError

FIELD = "base_model"


@dataclass(frozen=True)
class Imported:
    """What an import makes: a manifest whose hashes are still to be filled in, the files, and what to tell of it."""

    manifest: Manifest
    files: dict[str, bytes]
    metrics: dict[str, float]


def import_pretrained(job: Job) -> Imported:
    """Load a local folder or hub id and make it a full artifact with the job's labels in their order.

    A bare encoder gets a new head from the job's seed (metric ``new_head``); a head whose labels have names of their
    own that are none of the job's keeps its order (metric ``labels_by_position``). Raises WireError on ``base_model``
    if it cannot be loaded from safetensors by a built-in architecture with a fast tokenizer, on ``labels`` if the
    head does not answer with the job's labels. Raises OSError if the hub cannot be reached.
    """
    source = job.source.pretrained
    if Path(source).is_dir():
        _check_folder(Path(source))
    network, new_head = _load_network(source, len(job.labels), job.seed)
    metrics = {"new_head": 1.0} if new_head else {}
    if not new_head:
        if network.config.num_labels != len(job.labels):
            message = f"the base model answers with {network.config.num_labels} labels, the task has {len(job.labels)}"
            raise WireError("labels", message)
        names: dict[Any, str] = dict(network.config.id2label or {})
        order = label_order([names[index] for index in sorted(names)], job.labels)
        if order is None:
            metrics["labels_by_position"] = 1.0
        else:
            _reorder_head(network, order)
    tokenizer = _load_tokenizer(source)
    if tokenizer.backend_tokenizer.get_vocab_size() > network.config.vocab_size:
        raise WireError(FIELD, f"{source!r} has a tokenizer with more tokens than its model knows")
    config = network.config.to_dict()
    config["pad_token_id"] = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    if config["pad_token_id"] is None:
        raise WireError(FIELD, f"{source!r} has a tokenizer without a padding token")
    manifest = Manifest(
        kind="full",
        files={},
        labels=job.labels,
        max_length=min(job.recipe.max_length, networks.longest_input(network), tokenizer.model_max_length),
        config=networks.plain_config(config, job.labels),
        training={"seed": job.seed} if new_head else {},
        versions=library_versions(),
    )
    files = {
        WEIGHTS_FILE: weights_bytes(network.state_dict()),
        TOKENIZER_FILE: tokenizer.backend_tokenizer.to_str().encode(),
    }
    return Imported(manifest, files, metrics)


def label_order(names: Sequence[str], labels: Sequence[str]) -> list[int] | None:
    """For each label the index of the model's output that means it, by name, whatever the case.

    None if the model's names say nothing: all are of the form LABEL_0, or none is one of the labels. Raises WireError
    on ``labels`` if only some of them match.
    """
    plain = [_plain(name) for name in names]
    wanted = [_plain(label) for label in labels]
    if set(plain) == set(wanted) and len(set(plain)) == len(wanted):
        return [plain.index(label) for label in wanted]
    if all(re.fullmatch(r"label\d+", name) for name in plain) or not set(plain) & set(wanted):
        return None
    raise WireError("labels", f"the base model's labels are {', '.join(names)}, the task's are {', '.join(labels)}")


def _plain(label: str) -> str:
    return re.sub(r"[\s_-]+", "", label.casefold())


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise WireError(FIELD, f"the folder {str(folder)!r} holds no model: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise WireError(FIELD, f"the folder {str(folder)!r} has no safetensors weights; pickled weights are refused")


def _load_network(source: str, labels: int, seed: int) -> tuple[PreTrainedModel, bool]:
    """The network, and whether its head is new."""
    network, missing = _from_pretrained(source)
    head = networks.head_modules(network)
    lacking = sorted(name for name in missing if not set(name.split(".")) & set(head))
    if lacking:
        raise WireError(FIELD, f"the weights of {source!r} lack {lacking[0]}")
    if not missing:
        return network, False
    torch.manual_seed(seed)
    network, _ = _from_pretrained(source, num_labels=labels)
    return network, True


def _from_pretrained(source: str, **overrides: Any) -> tuple[PreTrainedModel, set[str]]:
    try:
        network, report = AutoModelForSequenceClassification.from_pretrained(
            source,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            **overrides,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise _refusal(source, error) from error
    if getattr(network.config, "quantization_config", None) is not None:
        raise WireError(FIELD, f"{source!r} is quantised; only plain weights can be trained further")
    return network, set(report["missing_keys"])


def _load_tokenizer(source: str) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise _refusal(source, error) from error
    if not tokenizer.is_fast:
        raise WireError(FIELD, f"{source!r} has no tokenizer that can be stored as tokenizer.json")
    # Where there are no tokenizer files, transformers may make one up that knows nothing but special tokens.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise WireError(FIELD, f"{source!r} has no tokenizer files")
    return tokenizer


def _refusal(source: str, error: Exception) -> Exception:
    """What to raise: the error itself if another try may succeed, else one that names the base model."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LocalEntryNotFoundError):
        cause = cause.__cause__
    if cause is not None and is_offline_mode():
        return WireError(FIELD, f"{source!r} is no folder here, nor in the hub's cache, and HF_HUB_OFFLINE is set")
    if cause is not None:
        return error
    first = str(error).strip().split("\n")[0]
    return WireError(FIELD, f"{source!r} cannot be loaded: {first}")


def _reorder_head(network: PreTrainedModel, order: Sequence[int]) -> None:
    """Permute the outputs of the last linear layer so that output i becomes what output ``order[i]`` was."""
    layers = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and set(name.split(".")) & set(networks.head_modules(network))
    ]
    output = layers[-1]
    with torch.no_grad():
        output.weight.copy_(output.weight[list(order)])
        if output.bias is not None:
            output.bias.copy_(output.bias[list(order)])
