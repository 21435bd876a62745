"""A release that is imported on an empty site and released again has the same data files, to the byte."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collection import releases
from collection.models import Attempt, Example, Experiment, ImportedVersion, Release, Validation
from collection.states import ExampleState, ReleaseState
from collection.texts import fingerprint
from tests.collection import released
from tests.collection.importing.studies.studies import STATES, data_files, study, write

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = ("Zwölf Boxkämpfer \U0001f3f4‍☠️", '"quoted", =SUM(A1)\n\tnew line', "नमस्ते שלום مرحبا", "'-+@ '' <b>&amp;")
# Whatever a database can keep: lone surrogates and NUL are refused where texts come to the site.
EVERYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
# Made anew for each release, of what is the release's own.
_OWN = ("README.md", "croissant.json", "release.json", "privacy.json", "report/")


@pytest.fixture(autouse=True)
def _own_folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "site"
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"
    settings.RELEASES_URL = f"file://{tmp_path}/releases"


def release_of(experiment: Experiment, folder: Path, **wanted: Any) -> dict[str, bytes]:
    """The data files of a new release, which lies in that folder then."""
    chosen = {"states": list(STATES), "test_items": True, **wanted}
    made = released.built(experiment, **chosen)
    if made.state == ReleaseState.HELD:
        releases.decide_findings(made, None, "accepted")
        made = released.again(Release.objects.get(pk=made.pk))
    assert (made.state, made.problem) == (ReleaseState.DONE, "")
    for path, content in released.everything(made).items():
        write(folder / path, content)
    return {path: content for path, content in data_files(folder).items() if not path.startswith(_OWN)}


def comes_back(tmp_path: Path, experiment: Experiment, **wanted: Any) -> Experiment:
    """Release, empty the site, import, release again, compare."""
    before = release_of(experiment, tmp_path / "first", **wanted)
    call_command("flush", interactive=False, verbosity=0)
    call_command("import_release", str(tmp_path / "first"))
    imported = Experiment.objects.get()
    again = release_of(imported, tmp_path / "again", **wanted)
    assert again.keys() == before.keys()
    for path, content in before.items():
        assert again[path] == content, path
    return imported


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_every_table_comes_back_to_the_byte(format: str, tmp_path: Path) -> None:
    imported = comes_back(tmp_path, study(TEXTS), formats=[format], attempts=True)
    assert (imported.slug, imported.state) == ("study", "finished")
    assert ImportedVersion.objects.count() == 4
    assert not Example.objects.filter(annotator__user__is_active=True).exists()
    assert set(Example.objects.values_list("state", flat=True)) == set(STATES)


def test_who_took_another_context_after_a_try_comes_back_with_both(tmp_path: Path) -> None:
    experiment = study(TEXTS)
    submitted = Example.objects.filter(arm__experiment=experiment).first().attempt
    other = experiment.contexts.exclude(pk=submitted.context_id).first()
    Attempt.objects.filter(pk=submitted.pk).update(index=submitted.index + 1)
    submitted.pk, submitted.key, submitted.idempotency_key = None, uuid.uuid4(), "before"
    submitted.context, submitted.texts = other, [other.text, "Tried on another context."]
    submitted.save(force_insert=True)
    comes_back(tmp_path, experiment, formats=["jsonl"], attempts=True)


@pytest.mark.parametrize("format", ["jsonl", "huggingface"])
def test_examples_alone_come_back_to_the_byte_with_their_splits(format: str, tmp_path: Path) -> None:
    splits = {"method": "fooling", "dev": 0.3, "test": 0.3, "contexts": True, "seed": 7}
    comes_back(tmp_path, study(TEXTS), formats=[format], splits=splits)


def test_what_was_left_out_for_privacy_leaves_no_gap_that_an_import_stumbles_over(tmp_path: Path) -> None:
    experiment = study(("Write to jane.doe@company.com.", *TEXTS))
    made = released.built(experiment, states=list(STATES), formats=["jsonl"], attempts=True)
    assert made.state == ReleaseState.HELD
    releases.decide_findings(made, None, "left_out")
    made = released.again(Release.objects.get(pk=made.pk))
    for path, content in released.everything(made).items():
        write(tmp_path / "first" / path, content)
    before = {path: content for path, content in data_files(tmp_path / "first").items() if not path.startswith(_OWN)}
    call_command("flush", interactive=False, verbosity=0)
    call_command("import_release", str(tmp_path / "first"))
    again = release_of(Experiment.objects.get(), tmp_path / "again", formats=["jsonl"], attempts=True)
    assert {path: content for path, content in again.items() if "jsonl/" in path} == {
        path: content for path, content in before.items() if "jsonl/" in path
    }


# Shrinking takes minutes: each go releases and imports a study.
@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(written=st.lists(EVERYTHING, min_size=12, max_size=12), format=st.sampled_from(["jsonl", "csv", "parquet"]))
def test_whatever_unicode_people_write_comes_back(
    written: list[str], format: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    call_command("flush", interactive=False, verbosity=0)
    experiment = study()
    for index, example in enumerate(Example.objects.exclude(state=ExampleState.RETRACTED)):
        text = f"{index} {written[index % len(written)]}"
        texts = [example.attempt.texts[0], text]
        Attempt.objects.filter(pk=example.attempt_id).update(texts=texts)
        Example.objects.filter(pk=example.pk).update(why_label=text, ruling=text[1:], fingerprint=fingerprint(texts))
    Validation.objects.exclude(settled_at=None).update(reason=written[0])
    comes_back(tmp_path_factory.mktemp("release"), experiment, formats=[format], attempts=True)
