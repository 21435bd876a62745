"""Where model versions and data files are kept, and which model names an experiment may start from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.conf import settings

from modelserver.client import ModelClient, PredictsText
from modelserver.datafiles import DataStore
from modelserver.repository import ModelRepository
from modelserver.wire import WireError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")


def repository() -> ModelRepository:
    """The site's model repository."""
    return ModelRepository(settings.MODEL_REPOSITORY_URL, Path(settings.DATA_DIR) / "cache" / "models")


def data_store() -> DataStore:
    """The site's data files."""
    return DataStore(settings.TRAINING_DATA_URL, Path(settings.DATA_DIR) / "cache" / "data")


@cache
def model_client() -> PredictsText:
    """The client of the site's model server; one a process, with its pool of connections."""
    return ModelClient(
        settings.MODELSERVER_URL, token=settings.MODELSERVER_TOKEN, timeout_s=settings.MODELSERVER_TIMEOUT_S
    )


def check_base_model(name: str) -> None:
    """Refuse early what cannot be a base model: WireError on ``base_model``.

    A folder must hold an artifact of ours or a model with safetensors weights. Whether a hub id exists is known
    only when a worker loads it.
    """
    folder = resolve_base_model(name)
    try:
        is_folder = folder.is_dir()
    except OSError:
        # A name that the file system cannot have, being too long for instance.
        is_folder = False
    if is_folder:
        if (folder / "manifest.json").is_file():
            return
        if not (folder / "config.json").is_file():
            raise WireError("base_model", f"the folder {name!r} holds no model: it has no config.json")
        if not any(folder.glob("*.safetensors")):
            raise WireError(
                "base_model", f"the folder {name!r} has no safetensors weights; pickled weights are refused"
            )
        return
    if not HUB_ID.fullmatch(name):
        raise WireError("base_model", f"{name!r} is neither a folder on this machine nor a model id")


def resolve_base_model(name: str) -> Path:
    """The folder a base model's name stands for; names without a leading slash are looked up in the project first."""
    return Path(settings.BASE_DIR) / name
