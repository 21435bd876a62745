"""The model server's settings, from environment variables; wrong ones stop it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modelserver.wire import ModelRef, WireError


@dataclass(frozen=True)
class Config:
    """Sizes in bytes, times in seconds. ``threads`` 0 means as many as there are cores; no ``token``, no check.

    ``batch_tokens`` keeps batches short, so that nobody waits long behind one: on a CPU a network of the shipped
    model's size gains nothing from more than a few hundred tokens at once. A GPU wants ten times as many.
    """

    repository_url: str
    cache: Path
    host: str = "127.0.0.1"
    port: int = 8001
    memory_bytes: int = 2_000_000_000
    queue: int = 256
    max_batch: int = 32
    batch_tokens: int = 1024
    threads: int = 0
    max_body_bytes: int = 1_024_000
    timeout_s: float = 30
    token: str = ""
    preload: tuple[ModelRef, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings; a variable that is empty counts as not set. Raises WireError naming the one that is wrong."""
        values = {name: value for name, value in environment.items() if value}
        data = Path(values.get("DATA_DIR", "var")).resolve()
        return cls(
            repository_url=values.get("MODEL_REPOSITORY_URL", f"file://{data / 'models'}"),
            cache=Path(values.get("MODELSERVER_CACHE_DIR", data / "cache" / "served")),
            host=values.get("MODELSERVER_HOST", cls.host),
            port=_whole(values, "MODELSERVER_PORT", cls.port, 1, 65535),
            memory_bytes=1_000_000 * _whole(values, "MODELSERVER_MEMORY_MB", 2000, 1, 10_000_000),
            queue=_whole(values, "MODELSERVER_QUEUE", cls.queue, 1, 100_000),
            max_batch=_whole(values, "MODELSERVER_MAX_BATCH", cls.max_batch, 1, 4096),
            batch_tokens=_whole(values, "MODELSERVER_BATCH_TOKENS", cls.batch_tokens, 1, 10_000_000),
            threads=_whole(values, "MODELSERVER_THREADS", 0, 0, 1024),
            max_body_bytes=1_000 * _whole(values, "MODELSERVER_MAX_BODY_KB", 1024, 1, 100_000),
            timeout_s=_seconds(values, "MODELSERVER_TIMEOUT_S", cls.timeout_s),
            token=_token(values, "MODELSERVER_TOKEN"),
            preload=_refs(values, "MODELSERVER_PRELOAD"),
        )


def _whole(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = values.get(name, str(default))
    if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
        raise WireError(name, f"must be a whole number from {low} to {high}, not {value!r}")
    return int(value)


def _seconds(values: Mapping[str, str], name: str, default: float) -> float:
    value = values.get(name, str(default))
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise WireError(name, f"must be a number of seconds, at most 3600, not {value!r}")
    return seconds


def _token(values: Mapping[str, str], name: str) -> str:
    value = values.get(name, "")
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise WireError(name, "must be of printable ASCII characters, without blanks around it")
    return value


def _refs(values: Mapping[str, str], name: str) -> tuple[ModelRef, ...]:
    refs = []
    for item in filter(None, (part.strip() for part in values.get(name, "").split(","))):
        model, _, version = item.partition("/")
        if not (version.isascii() and version.isdigit()):
            raise WireError(name, f"{item!r} is not of the form name/version")
        try:
            refs.append(ModelRef(model, int(version)))
        except WireError as error:
            raise WireError(name, error.message) from None
    return tuple(refs)
