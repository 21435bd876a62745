"""What import rules alone cannot show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("annotators", "collection", "config", "lifecycle", "modelserver")
LONGEST = 500


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after a statement."""
    program = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(finished.stdout.split())


@pytest.mark.slow
def test_the_web_process_has_no_torch() -> None:
    loaded = loaded_by(
        "from config.wsgi import application\nimport config.urls, collection.api.urls, collection.pages.urls\n"
        "import collection.changes, collection.planning, collection.releases\n"
        "import collection.export.card, collection.export.croissant, collection.export.splits"
    )
    assert "django" in loaded
    for_workers = {"sklearn", "pyarrow", "pandas", "statsmodels", "vl_convert", "typst"}
    assert not loaded & {"torch", "transformers", "peft", *for_workers}


@pytest.mark.slow
def test_the_model_server_and_the_training_process_have_no_django() -> None:
    loaded = loaded_by("import modelserver.service.app, modelserver.training.jobs")
    assert "torch" in loaded
    assert not loaded & {"django", "celery", "collection", "annotators"}


def test_files_stay_short_enough_to_hold_in_the_head() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    ]
    assert long == []


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "services", "common", "misc"}
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.stem in drawers]
    assert found == []
