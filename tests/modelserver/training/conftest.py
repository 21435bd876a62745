from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.modelserver.tiny_artifacts import adapter_artifact, full_artifact


@pytest.fixture(autouse=True)
def _torch_as_before() -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full artifact at tiny/0 and an adapter on it at tiny/1. Not to be written to."""
    root = tmp_path_factory.mktemp("repository")
    adapter_artifact(root, full_artifact(root))
    return root


@pytest.fixture(scope="session")
def full(repository: Path) -> Path:
    return repository / "tiny" / "0"


@pytest.fixture(scope="session")
def adapter(repository: Path) -> Path:
    return repository / "tiny" / "1"
