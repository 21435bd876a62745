"""Sequence classification networks: built from a config and tensors, with an adapter put on or merged in."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import safetensors.torch
import torch
from huggingface_hub.errors import StrictDataclassError
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, PreTrainedModel
from transformers.utils import logging as transformers_logging

from modelserver.artifacts import ArtifactError

# What is missing from a set of tensors, or left over, is checked here; the library's own report is noise.
transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

# Where the model came from, and what could make the library do more than build an architecture that it knows.
DROPPED_CONFIG = frozenset(
    {"_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version", "problem_type"}
)


def plain_config(config: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """A config for a manifest: plain JSON values, with these labels, free of paths and of pointers to code."""
    kept = {name: value for name, value in config.items() if name not in DROPPED_CONFIG}
    kept["id2label"] = {str(index): label for index, label in enumerate(labels)}
    kept["label2id"] = {label: index for index, label in enumerate(labels)}
    plain: dict[str, Any] = json.loads(json.dumps(kept, sort_keys=True))
    return plain


def read_tensors(content: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises ArtifactError if it is not one."""
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise ArtifactError(f"the weights are not safetensors: {error}") from None


def build(config: Mapping[str, Any], tensors: dict[str, torch.Tensor]) -> tuple[PreTrainedModel, set[str]]:
    """The network of a config with these weights in float32, in evaluation mode, and the names of weights not given.

    Those are initialised from torch's global generator, as the architecture does it. Raises ArtifactError if the
    architecture is unknown or if a tensor has no place in it or another shape.
    """
    values = dict(config)
    model_type = values.pop("model_type", None)
    if model_type not in CONFIG_MAPPING or "quantization_config" in values:
        raise ArtifactError(f"a model of type {model_type!r} is not one this version can build")
    try:
        model_config = CONFIG_MAPPING[model_type].from_dict(values)
    except (TypeError, ValueError, StrictDataclassError) as error:
        raise ArtifactError(f"the config is not one of a model of type {model_type!r}: {error}") from None
    if type(model_config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise ArtifactError(f"a model of type {model_type!r} does not classify sequences")
    architecture: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(model_config)]
    network, report = architecture.from_pretrained(
        None,
        config=model_config,
        state_dict=tensors,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    wrong = sorted([*report["unexpected_keys"], *(item[0] for item in report["mismatched_keys"])])
    if wrong:
        raise ArtifactError(f"the weights do not fit the config: {wrong[0]}")
    return network, set(report["missing_keys"])


def head_modules(network: PreTrainedModel) -> list[str]:
    """The names of the modules that turn the encoder's output into logits: the head, and a pooler before it."""
    encoder = network.base_model
    modules = [
        *((name, module) for name, module in network.named_children() if module is not encoder),
        *((name, module) for name, module in encoder.named_children() if name == "pooler"),
    ]
    return sorted({name for name, module in modules if next(module.parameters(), None) is not None})


def adapter_shape(network: PreTrainedModel, rank: int, alpha: int, dropout: float) -> dict[str, Any]:
    """LoRA on every linear layer of the encoder, with the head trained whole, as plain values for a manifest.

    Raises ValueError if the encoder has no linear layer.
    """
    head = head_modules(network)
    targets = {
        name.rpartition(".")[2]
        for name, module in network.base_model.named_modules()
        if isinstance(module, nn.Linear) and not set(name.split(".")) & set(head)
    }
    if not targets:
        raise ValueError(f"a model of type {network.config.model_type!r} has no linear layers to adapt")
    return {
        "rank": rank,
        "alpha": alpha,
        "dropout": dropout,
        "target_modules": sorted(targets),
        "modules_to_save": head,
    }


def attach_adapter(network: PreTrainedModel, shape: Mapping[str, Any]) -> PeftModel:
    """Put a new adapter on a network; only the adapter and the head can be trained then.

    It is initialised from torch's global generator so that the network's output does not change.
    """
    config = LoraConfig(
        r=shape["rank"],
        lora_alpha=shape["alpha"],
        lora_dropout=shape["dropout"],
        target_modules=list(shape["target_modules"]),
        modules_to_save=list(shape["modules_to_save"]),
    )
    with warnings.catch_warnings():
        # peft still asks transformers by a name that is going out of use.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        return cast(PeftModel, get_peft_model(network, config))


def adapter_tensors(adapted: PeftModel) -> dict[str, torch.Tensor]:
    """What an adapter artifact stores: the LoRA matrices and the head."""
    tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    return tensors


def fill_adapter(adapted: PeftModel, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give an adapter its trained weights. Raises ArtifactError unless they are exactly those it needs."""
    needed = {name: tensor.shape for name, tensor in adapter_tensors(adapted).items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    if needed != given:
        wrong = sorted(name for name in needed.keys() | given.keys() if needed.get(name) != given.get(name))
        raise ArtifactError(f"the weights do not fit the adapter: {wrong[0]}")
    set_peft_model_state_dict(adapted, dict(tensors))


def merge_adapter(adapted: PeftModel) -> PreTrainedModel:
    """The network with the adapter's changes added to its own weights; the adapter is used up."""
    return cast(PreTrainedModel, adapted.merge_and_unload())


def takes_type_ids(network: PreTrainedModel) -> bool:
    """Whether the model tells the texts of a pair apart by segment ids."""
    # RoBERTa's forward has the argument but one segment; DistilBERT's has no such argument.
    accepted = inspect.signature(network.forward).parameters
    return "token_type_ids" in accepted and getattr(network.config, "type_vocab_size", 0) > 1


def longest_input(network: PreTrainedModel) -> int:
    """How many tokens fit the model's position embeddings; 2**31 if it has none."""
    for name, module in network.base_model.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and isinstance(module, nn.Embedding):
            # RoBERTa and its kin count positions from after the padding index.
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return int(getattr(network.config, "max_position_embeddings", 2**31))
