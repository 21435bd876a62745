"""Celery's filesystem transport, made safe for several processes.

Kombu creates a message's file and then fills it, so a worker may take it while it is empty, and dies of that. The
tables of its exchanges have the same fault. Here a message appears whole, and one process at a time has the tables.
"""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose files are never seen half-written."""

    def get_table(self, exchange: str) -> list[Any]:
        """The queues bound to an exchange."""
        with self._alone():
            table: list[Any] = super().get_table(exchange)
        return table

    def _queue_bind(self, exchange: Any, routing_key: Any, pattern: Any, queue: Any) -> None:
        with self._alone():
            super()._queue_bind(exchange, routing_key, pattern, queue)

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}"
        part = folder / f"{name}.part"
        part.write_text(dumps(payload), encoding="utf-8")
        part.rename(folder / f"{name}.{queue}.msg")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        control = Path(self.control_folder)
        control.mkdir(parents=True, exist_ok=True)
        with (control / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    """The transport behind ``filesystem://``, see config.celery."""

    Channel = Channel
