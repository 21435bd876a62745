"""The versions in memory: one load for all who wait, the least recently used out, nobody's version taken away."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from modelserver.artifacts import ArtifactError
from modelserver.engine import pool as pool_module
from modelserver.engine.gate import Full
from modelserver.engine.loading import LoadedModel
from modelserver.engine.pool import LoadFailed, VersionPool
from modelserver.repository import VersionMissing
from modelserver.wire import ModelRef

PATIENCE_S = 30
A, B, C = (ModelRef(name, 0) for name in "abc")


@dataclass
class FakeModel:
    name: str
    size_bytes: int = 10


@dataclass
class Storage:
    """What the pool loads from: counts the loads, holds up or fails those it is told to."""

    sizes: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    held_up: dict[str, threading.Event] = field(default_factory=dict)
    fetches_held_up: dict[str, threading.Event] = field(default_factory=dict)
    fetches: Counter[str] = field(default_factory=Counter)
    loads: Counter[str] = field(default_factory=Counter)

    def fetch(self, ref: ModelRef) -> Path:
        if ref.name in self.fetches_held_up:
            assert self.fetches_held_up[ref.name].wait(PATIENCE_S)
        if isinstance(self.failures.get(ref.name), VersionMissing):
            raise self.failures[ref.name]
        self.fetches[ref.name] += 1
        return Path(ref.name)

    def load(self, folder: Path) -> LoadedModel:
        name = folder.name
        self.loads[name] += 1
        if name in self.held_up:
            assert self.held_up[name].wait(PATIENCE_S)
        if name in self.failures:
            raise self.failures[name]
        return cast(LoadedModel, FakeModel(name, self.sizes.get(name, 10)))

    def hold_up(self, ref: ModelRef) -> threading.Event:
        return self.held_up.setdefault(ref.name, threading.Event())


async def name_of(pool: VersionPool, ref: ModelRef) -> str:
    """Use a version for a moment; the name of what was given."""
    async with pool.use(ref) as model:
        return cast(FakeModel, model).name


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0)


def run(
    scenario: Callable[[VersionPool, Storage], Coroutine[Any, Any, None]],
    storage: Storage | None = None,
    memory_bytes: int = 20,
    max_waiting: int = 100,
) -> Storage:
    """Play a scenario with a pool that has room for two versions of the usual size."""
    stored = storage or Storage()

    async def play() -> None:
        pool = VersionPool(stored.fetch, stored.load, memory_bytes, max_waiting)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scenario(pool, stored)
        finally:
            for event in (*stored.held_up.values(), *stored.fetches_held_up.values()):
                event.set()
            await pool.close()

    asyncio.run(play())
    return stored


def test_a_version_is_loaded_once_for_all_who_wait_for_it() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        opened = storage.hold_up(A)
        waiting = [asyncio.create_task(name_of(pool, A)) for _ in range(20)]
        await until(lambda: storage.loads["a"] == 1)
        opened.set()
        assert await asyncio.gather(*waiting) == ["a"] * 20
        assert await name_of(pool, A) == "a"

    assert run(scenario).loads == {"a": 1}


def test_others_are_served_while_one_loads() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        await name_of(pool, A)
        opened = storage.hold_up(B)
        loading = asyncio.create_task(name_of(pool, B))
        await until(lambda: storage.loads["b"] == 1)
        assert await name_of(pool, A) == "a"
        assert not loading.done()
        opened.set()
        assert await loading == "b"

    run(scenario)


def test_a_download_that_hangs_does_not_keep_others_from_loading() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        opened = storage.fetches_held_up.setdefault("a", threading.Event())
        hanging = asyncio.create_task(name_of(pool, A))
        assert await name_of(pool, B) == "b"
        assert not hanging.done()
        opened.set()
        assert await hanging == "a"

    run(scenario)


def test_one_who_gives_up_does_not_end_the_load_for_the_others() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        opened_a, opened_b = storage.hold_up(A), storage.hold_up(B)
        first = asyncio.create_task(name_of(pool, A))
        await until(lambda: storage.loads["a"] == 1)
        # B waits behind A, and the first who wants it gives up before its load has begun.
        impatient = asyncio.create_task(name_of(pool, B))
        await asyncio.sleep(0)
        patient = asyncio.create_task(name_of(pool, B))
        await asyncio.sleep(0)
        impatient.cancel()
        opened_a.set()
        opened_b.set()
        assert await first == "a"
        assert await patient == "b"
        assert await name_of(pool, B) == "b"

    run(scenario)


def test_the_least_recently_used_goes_out() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        for ref in (A, B, A, C):
            await name_of(pool, ref)
        assert [pool.holds(ref) for ref in (A, B, C)] == [True, False, True]
        await name_of(pool, B)
        assert [pool.holds(ref) for ref in (A, B, C)] == [False, True, True]

    assert run(scenario).loads == {"a": 1, "b": 2, "c": 1}


def test_as_many_go_out_as_the_new_one_needs() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        for ref in (A, B, C):
            await name_of(pool, ref)
        assert [pool.holds(ref) for ref in (A, B, C)] == [False, False, True]

    run(scenario, Storage(sizes={"c": 20}))


def test_a_version_in_use_stays_and_an_idle_one_goes() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        async with pool.use(A):
            await name_of(pool, B)
            await name_of(pool, C)
            assert [pool.holds(ref) for ref in (A, B, C)] == [True, False, True]

    run(scenario)


def test_if_all_are_in_use_one_is_put_out_but_its_users_finish_and_only_then_is_more_loaded() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        async with AsyncExitStack() as users:
            model = cast(FakeModel, await users.enter_async_context(pool.use(A)))
            assert await name_of(pool, B) == "b"
            assert not pool.holds(A)
            waiting = asyncio.create_task(name_of(pool, C))
            await until(lambda: storage.fetches["c"] == 1)
            for _ in range(20):
                # Time enough for a load that did not wait.
                await asyncio.to_thread(str)
            assert model.name == "a"
            assert await name_of(pool, B) == "b"
            assert (storage.loads["c"], waiting.done()) == (0, False)
        assert await waiting == "c"

    run(scenario, memory_bytes=10)


def test_versions_that_take_turns_in_too_little_memory_all_get_served() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        wanted = [A, B, C] * 20
        names = await asyncio.gather(*(name_of(pool, ref) for ref in wanted))
        assert names == [ref.name for ref in wanted]
        assert sum(pool.holds(ref) for ref in (A, B, C)) == 1

    run(scenario, memory_bytes=10)


def test_a_version_larger_than_the_memory_is_refused_and_nothing_goes_out_for_it() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        await name_of(pool, A)
        with pytest.raises(LoadFailed, match="b/0 takes 30 bytes of memory and the model server may use 20"):
            await name_of(pool, B)
        assert pool.holds(A)

    run(scenario, Storage(sizes={"b": 30}))


def test_a_version_that_is_missing_is_looked_for_again() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        with pytest.raises(VersionMissing, match="no a"):
            await name_of(pool, A)
        storage.failures.clear()
        assert await name_of(pool, A) == "a"

    run(scenario, Storage(failures={"a": VersionMissing("no a")}))


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (ArtifactError("weights.safetensors has another sha256"), "a/0 is damaged: weights.safetensors has another"),
        (OSError("/secret/place is on fire"), "^a/0 cannot be loaded$"),
    ],
)
def test_a_version_that_cannot_be_loaded_fails_all_who_wait_and_is_not_tried_at_once_again(
    failure: Exception, message: str
) -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        outcomes = await asyncio.gather(*(name_of(pool, A) for _ in range(3)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {LoadFailed}
        with pytest.raises(LoadFailed, match=message):
            await name_of(pool, A)
        assert await name_of(pool, B) == "b"

    assert run(scenario, Storage(failures={"a": failure})).loads["a"] == 1


def test_a_failure_is_not_remembered_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "FAILURE_REMEMBERED_S", 0.0)

    async def scenario(pool: VersionPool, storage: Storage) -> None:
        with pytest.raises(LoadFailed):
            await name_of(pool, A)
        storage.failures.clear()
        assert await name_of(pool, A) == "a"

    run(scenario, Storage(failures={"a": ArtifactError("damaged")}))


def test_a_failed_load_nobody_waits_for_any_more_harms_nobody() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        opened = storage.hold_up(A)
        impatient = asyncio.create_task(name_of(pool, A))
        await until(lambda: storage.loads["a"] == 1)
        impatient.cancel()
        await asyncio.wait([impatient])
        opened.set()
        assert await name_of(pool, B) == "b"

    run(scenario, Storage(failures={"a": ArtifactError("damaged")}))


def test_only_so_many_wait_for_loads_and_those_in_memory_are_not_concerned() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        await name_of(pool, A)
        opened = storage.hold_up(B)
        waiting: list[Awaitable[str]] = [asyncio.create_task(name_of(pool, B)) for _ in range(2)]
        await until(lambda: storage.loads["b"] == 1)
        with pytest.raises(Full, match="2 requests are waiting for a version to load"):
            await name_of(pool, C)
        assert await name_of(pool, A) == "a"
        opened.set()
        assert await asyncio.gather(*waiting) == ["b", "b"]
        assert await name_of(pool, C) == "c"

    run(scenario, max_waiting=2)


def test_at_close_a_load_under_way_is_given_up() -> None:
    async def scenario(pool: VersionPool, storage: Storage) -> None:
        opened = storage.hold_up(A)
        waiting = asyncio.create_task(name_of(pool, A))
        await until(lambda: storage.loads["a"] == 1)
        closing = asyncio.create_task(pool.close())
        with pytest.raises(LoadFailed, match="stopping"):
            await waiting
        opened.set()
        await closing

    run(scenario)
