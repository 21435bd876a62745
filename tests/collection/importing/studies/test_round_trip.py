"""A release that is imported on an empty site and released again has the same data files, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from collection.models import Example, Experiment, ImportedVersion
from tests.collection.importing.studies.studies import data_files, released, study

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ("Zwölf Boxkämpfer \U0001f3f4‍☠️", '"quoted", =SUM(A1)\n\tnew line', "नमस्ते שלום مرحبا", "'-+@ '' <b>&amp;")


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "site"
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"


@pytest.mark.parametrize("attempts", [True, False])
@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_it_comes_back_to_the_byte(format: str, attempts: bool, tmp_path: Path) -> None:
    first = released(study(TEXTS), tmp_path / "first", [format], attempts)
    before = data_files(first)
    call_command("flush", interactive=False, verbosity=0)
    call_command("import_release", str(first))
    imported = Experiment.objects.get()
    assert (imported.slug, imported.state) == ("study", "finished")
    assert ImportedVersion.objects.count() == 4
    assert not Example.objects.filter(annotator__user__is_active=True).exists()
    again = data_files(released(imported, tmp_path / "again", [format], attempts))
    assert again.keys() == before.keys()
    for name, content in before.items():
        assert again[name] == content, name
