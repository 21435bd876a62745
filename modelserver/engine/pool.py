"""The versions held in memory: loaded when first asked for, the least recently used out when memory is short."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from modelserver.artifacts import ArtifactError
from modelserver.engine.gate import Gate
from modelserver.engine.loading import LoadedModel
from modelserver.repository import VersionMissing
from modelserver.wire import ModelRef

log = logging.getLogger(__name__)

# A damaged version is not hashed again for everyone who asks: that would keep others' loads waiting.
FAILURE_REMEMBERED_S = 5.0
FETCHES_AT_ONCE = 4


class LoadFailed(RuntimeError):
    """A version is published but cannot be loaded: it is damaged or too large, or its storage cannot be read."""


@dataclass(eq=False)
class _Held:
    model: LoadedModel
    size: int
    users: int = 0
    put_out: bool = False


class VersionPool:
    """Model versions by reference, within ``memory_bytes``. Belongs to one event loop.

    Versions load in a thread of their own, one after the other, while others serve; all who ask for a version that
    is being loaded wait for the same load. Put out is the least recently used that nobody uses, and only if there is
    none, one in use: its users finish with it, and until they have, nothing new is loaded. So memory holds at most
    the budget and the version that is being loaded. At most ``max_waiting`` wait for versions to load.
    """

    def __init__(
        self,
        fetch: Callable[[ModelRef], Path],
        load: Callable[[Path], LoadedModel],
        memory_bytes: int,
        max_waiting: int,
    ) -> None:
        self._fetch = fetch
        self._load = load
        self._budget = memory_bytes
        self._held: OrderedDict[ModelRef, _Held] = OrderedDict()
        self._loading: dict[ModelRef, asyncio.Task[None]] = {}
        self._failed: dict[ModelRef, tuple[float, str]] = {}
        self._waiting = Gate("waiting for a version to load", max_waiting)
        self._leaving = 0
        self._all_left = asyncio.Event()
        self._turn = asyncio.Lock()
        self._fetchers = ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="model-fetcher")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")

    def holds(self, ref: ModelRef) -> bool:
        """Whether the version is in memory."""
        return ref in self._held

    @asynccontextmanager
    async def use(self, ref: ModelRef) -> AsyncIterator[LoadedModel]:
        """The version, loaded if need be, for as long as the context lasts.

        Raises VersionMissing, LoadFailed saying why, and Full if too many wait already.
        """
        held = self._held.get(ref)
        if held is None:
            with self._waiting.place():
                while (held := self._held.get(ref)) is None:
                    await self._loaded(ref)
        self._held.move_to_end(ref)
        held.users += 1
        try:
            yield held.model
        finally:
            held.users -= 1
            if held.put_out and not held.users:
                self._leaving -= 1
                self._all_left.set()

    async def close(self) -> None:
        """Load nothing more; waits for a load that is under way."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._loader.shutdown, wait=True, cancel_futures=True)

    async def _loaded(self, ref: ModelRef) -> None:
        task = self._loading.get(ref)
        if task is None:
            self._refuse_failed(ref)
            task = asyncio.create_task(self._bring_in(ref))
            self._loading[ref] = task
            task.add_done_callback(lambda done: self._settle(ref, done))
        # Unlike awaiting the task this does not cancel it for the others when one of them gives up.
        await asyncio.wait([task])
        if task.cancelled():
            raise LoadFailed(f"{ref} is not loaded: the model server is stopping")
        error = task.exception()
        if error is None:
            return
        if isinstance(error, VersionMissing):
            raise VersionMissing(str(error))
        raise LoadFailed(_reason(ref, error))

    async def _bring_in(self, ref: ModelRef) -> None:
        loop = asyncio.get_running_loop()
        folder = await loop.run_in_executor(self._fetchers, self._fetch, ref)
        async with self._turn:
            while self._leaving:
                self._all_left.clear()
                await self._all_left.wait()
            held = await loop.run_in_executor(self._loader, self._loaded_with_size, folder)
            if held.size > self._budget:
                raise LoadFailed(f"{ref} takes {held.size} bytes of memory and the model server may use {self._budget}")
            while sum(other.size for other in self._held.values()) + held.size > self._budget:
                self._put_one_out()
            self._held[ref] = held
        log.info("loaded %s, %d bytes; %d versions in memory", ref, held.size, len(self._held))

    def _loaded_with_size(self, folder: Path) -> _Held:
        model = self._load(folder)
        return _Held(model, model.size_bytes)

    def _put_one_out(self) -> None:
        idle = (ref for ref, held in self._held.items() if not held.users)
        ref = next(idle, next(iter(self._held)))
        held = self._held.pop(ref)
        held.put_out = True
        if held.users:
            self._leaving += 1
        log.info("put %s out of memory", ref)

    def _settle(self, ref: ModelRef, task: asyncio.Task[None]) -> None:
        del self._loading[ref]
        if task.cancelled():
            return
        error = task.exception()
        if error is None or isinstance(error, VersionMissing):
            return
        log.error("%s could not be loaded", ref, exc_info=error)
        now = asyncio.get_running_loop().time()
        self._failed = {other: failure for other, failure in self._failed.items() if failure[0] > now}
        self._failed[ref] = (now + FAILURE_REMEMBERED_S, _reason(ref, error))

    def _refuse_failed(self, ref: ModelRef) -> None:
        until, reason = self._failed.get(ref, (0.0, ""))
        if asyncio.get_running_loop().time() < until:
            raise LoadFailed(reason)


def _reason(ref: ModelRef, error: BaseException) -> str:
    if isinstance(error, LoadFailed):
        return str(error)
    if isinstance(error, ArtifactError):
        return f"{ref} is damaged: {error}"
    return f"{ref} cannot be loaded"
