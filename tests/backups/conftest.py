"""Stores of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _stores(settings: object, tmp_path: Path) -> None:
    settings.MODEL_REPOSITORY_URL = f"file://{tmp_path}/models"  # type: ignore[attr-defined]
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"  # type: ignore[attr-defined]
    settings.RELEASES_URL = f"file://{tmp_path}/releases"  # type: ignore[attr-defined]
