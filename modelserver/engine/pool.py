"""The versions held in memory: loaded when first asked for, the least recently used out when memory is short."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from modelserver.engine.loading import LoadedModel, load
from modelserver.repository import ModelRepository
from modelserver.wire import ModelRef


class TooLarge(RuntimeError):
    """A version alone takes more memory than the pool may."""


class VersionPool:
    """Model versions by reference, within ``memory_bytes``.

    One thread loads while others serve; all who ask for a version that is being loaded wait for the same load. A
    load that fails fails for those who waited, and is tried anew for the next who asks. A version that is put out
    lives on until whoever holds it is done with it.
    """

    def __init__(
        self, repository: ModelRepository, memory_bytes: int, loader: Callable[[Path], LoadedModel] = load
    ) -> None:
        self._repository = repository
        self._budget = memory_bytes
        self._load = loader
        self._lock = threading.Lock()
        self._held: OrderedDict[ModelRef, LoadedModel] = OrderedDict()
        self._loading: dict[ModelRef, Future[LoadedModel]] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")

    def held(self, ref: ModelRef) -> LoadedModel | None:
        """The version if it is in memory, which makes it the most recently used."""
        with self._lock:
            model = self._held.get(ref)
            if model is not None:
                self._held.move_to_end(ref)
            return model

    def request(self, ref: ModelRef) -> Future[LoadedModel]:
        """A future of the version, loaded if need be.

        It fails with VersionMissing, ArtifactError (damaged) or TooLarge.
        """
        with self._lock:
            model = self._held.get(ref)
            if model is not None:
                self._held.move_to_end(ref)
                ready: Future[LoadedModel] = Future()
                ready.set_result(model)
                return ready
            if ref not in self._loading:
                self._loading[ref] = self._loader.submit(self._bring_in, ref)
            return self._loading[ref]

    def refs(self) -> list[ModelRef]:
        """What is in memory, least recently used first."""
        with self._lock:
            return list(self._held)

    def close(self) -> None:
        """Load nothing more."""
        self._loader.shutdown(wait=True, cancel_futures=True)

    def _bring_in(self, ref: ModelRef) -> LoadedModel:
        try:
            model = self._load(self._repository.fetch(ref))
            if model.size_bytes > self._budget:
                raise TooLarge(f"{ref} takes {model.size_bytes} bytes; the model server may use {self._budget}")
            with self._lock:
                self._held[ref] = model
                while sum(item.size_bytes for item in self._held.values()) > self._budget:
                    self._held.popitem(last=False)
            return model
        finally:
            with self._lock:
                self._loading.pop(ref, None)
