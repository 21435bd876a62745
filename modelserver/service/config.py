"""The model server's settings, from environment variables; wrong ones stop it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modelserver.wire import ModelRef, WireError


@dataclass(frozen=True)
class Config:
    """Sizes in bytes, times in seconds. ``threads`` 0 means as many as there are cores; no ``token``, no check."""

    repository_url: str
    cache: Path
    host: str = "127.0.0.1"
    port: int = 8001
    memory_bytes: int = 2_000_000_000
    queue: int = 256
    max_batch: int = 32
    threads: int = 0
    max_body_bytes: int = 1_000_000
    timeout_s: int = 30
    token: str = ""
    preload: tuple[ModelRef, ...] = ()

    @classmethod
    def from_environment(cls, values: Mapping[str, str] = os.environ) -> Self:
        """The settings. Raises WireError naming the variable that is wrong."""
        data = Path(values.get("DATA_DIR") or "var").resolve()
        return cls(
            repository_url=values.get("MODEL_REPOSITORY_URL") or f"file://{data / 'models'}",
            cache=Path(values.get("MODELSERVER_CACHE_DIR") or data / "cache" / "served"),
            host=values.get("MODELSERVER_HOST", "127.0.0.1"),
            port=_whole(values, "MODELSERVER_PORT", 8001, 1, 65535),
            memory_bytes=1_000_000 * _whole(values, "MODELSERVER_MEMORY_MB", 2000, 1, 10_000_000),
            queue=_whole(values, "MODELSERVER_QUEUE", 256, 1, 100_000),
            max_batch=_whole(values, "MODELSERVER_MAX_BATCH", 32, 1, 4096),
            threads=_whole(values, "MODELSERVER_THREADS", 0, 0, 1024),
            max_body_bytes=1000 * _whole(values, "MODELSERVER_MAX_BODY_KB", 1000, 1, 100_000),
            timeout_s=_whole(values, "MODELSERVER_TIMEOUT_S", 30, 1, 3600),
            token=values.get("MODELSERVER_TOKEN", ""),
            preload=_refs(values, "MODELSERVER_PRELOAD"),
        )


def _whole(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = values.get(name, str(default))
    if not value.isdigit() or not low <= int(value) <= high:
        raise WireError(name, f"must be a whole number from {low} to {high}, not {value!r}")
    return int(value)


def _refs(values: Mapping[str, str], name: str) -> tuple[ModelRef, ...]:
    refs = []
    for item in filter(None, values.get(name, "").split(",")):
        model, _, version = item.strip().partition("/")
        if not version.isdigit():
            raise WireError(name, f"{item!r} is not of the form name/version")
        refs.append(ModelRef(model, int(version)))
    return tuple(refs)
