"""The model server's application in this process, with tiny random models in its repository."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from starlette.applications import Starlette

from modelserver.repository import ModelRepository
from modelserver.service.app import make_app
from modelserver.service.config import Config
from modelserver.wire import ModelRef
from tests.modelserver.tiny_artifacts import LABELS, full_artifact

PATIENCE_S = 60
TINY = ModelRef("tiny", 0)
INFER = "/v2/models/tiny/versions/0/infer"


class RunningApp:
    """The application with its lifespan in an event loop of its own; requests come from the tests' threads."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._lifespan = app.router.lifespan_context(app)
        self._do(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://modelserver")

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask and wait for the answer."""
        response: httpx.Response = self._do(self._http.request(method, path, **arguments))
        return response

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", path, **arguments)

    def infer(self, *texts: str, path: str = INFER, **changes: Any) -> httpx.Response:
        """Ask for single texts."""
        return self.request("POST", path, json=infer_body(*texts) | changes)

    def stop(self) -> None:
        """End the lifespan, then the loop."""
        self._do(self._http.aclose())
        self._do(self._lifespan.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)


def infer_body(*texts: str) -> dict[str, Any]:
    """A request for single texts."""
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}]}


@pytest.fixture(scope="package")
def repository_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with ``tiny/0``; not to be changed."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("served")
    artifact = full_artifact(root / "made", LABELS)
    ModelRepository(str(root / "models")).publish(artifact, TINY)
    return root / "models"


@contextmanager
def running(config: Config) -> Iterator[RunningApp]:
    """The application with these settings, ready; stopped at the end."""
    app = RunningApp(make_app(config))
    try:
        while app.get("/v2/health/ready").status_code != 200:
            continue
        yield app
    finally:
        app.stop()


@pytest.fixture
def serve(repository_root: Path, tmp_path: Path) -> Iterator[Callable[..., RunningApp]]:
    """Starts applications with changed settings."""
    apps: list[Any] = []

    def start(**changes: Any) -> RunningApp:
        settings = {"repository_url": str(repository_root), "cache": tmp_path / "cache"} | changes
        context = running(Config(**settings))
        apps.append(context)
        return context.__enter__()

    yield start
    for context in apps:
        context.__exit__(None, None, None)


@pytest.fixture(scope="package")
def app(repository_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One application with the usual settings, shared by the tests that change nothing in it."""
    with running(Config(repository_url=str(repository_root), cache=tmp_path_factory.mktemp("cache"))) as started:
        yield started
