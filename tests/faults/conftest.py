from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import Site, running_site
from tests.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in a folder."""
    return make_tiny_model(tmp_path_factory.mktemp("base") / "tiny", ["entailment", "not_entailment"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running
