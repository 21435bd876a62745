"""Real model servers: processes on loopback ports, with tiny random models in their repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from modelserver.client import ModelClient
from modelserver.repository import ModelRepository
from modelserver.wire import ModelRef
from tests.modelserver.tiny_artifacts import LABELS, full_artifact
from tests.ports import free_port

PATIENCE_S = 120


class Server:
    """One model server process. Started again, it is at the same address."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"modelserver-{self.port}.log"
        self._environment = {
            **os.environ,
            "MODEL_REPOSITORY_URL": str(folder / "models"),
            "MODELSERVER_CACHE_DIR": str(folder / "cache"),
            "MODELSERVER_PORT": str(self.port),
            "MODELSERVER_THREADS": "1",
            **settings,
        }
        self._clients: list[ModelClient] = []
        self.start()

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modelserver.service"], env=self._environment, stdout=log, stderr=log
            )
        client = self.client()
        while not client.is_ready():
            assert self.process.poll() is None, self.log.read_text()

    def client(self) -> ModelClient:
        """A client of its own, closed at the end."""
        self._clients.append(ModelClient(self.url, timeout_s=PATIENCE_S))
        return self._clients[-1]

    def kill(self) -> None:
        """End it with no chance to tidy up."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, and the clients it gave."""
        self.kill()
        for client in self._clients:
            client.close()


class Models:
    """A repository and the artifacts that can be published in it: two that differ, made once."""

    def __init__(self, root: Path, artifacts: list[Path]) -> None:
        self.repository = ModelRepository(str(root / "models"))
        self.artifacts = artifacts

    def publish(self, version: int, artifact: int | None = None) -> ModelRef:
        """Publish ``tiny/<version>``, by itself the two artifacts in turn."""
        ref = ModelRef("tiny", version)
        self.repository.publish(self.artifacts[version % 2 if artifact is None else artifact], ref)
        return ref


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two artifacts with different weights."""
    torch.set_num_threads(1)
    return [full_artifact(tmp_path_factory.mktemp(f"artifact-{seed}"), LABELS, seed) for seed in (0, 1)]


@pytest.fixture
def models(tmp_path: Path, artifacts: list[Path]) -> Models:
    """An empty repository, which the servers of the test read."""
    return Models(tmp_path, artifacts)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with changed settings; they are killed at the end."""
    servers: list[Server] = []

    def start(**settings: str) -> Server:
        servers.append(Server(tmp_path, settings))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
