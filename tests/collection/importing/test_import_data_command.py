"""``manage.py import_data``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from collection.demo.tasks import task
from collection.models import Context, DataImport, RoundZero, TestSet
from collection.states import ImportState
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def anli(settings: LazySettings, tmp_path: Path) -> Path:
    """A file as ANLI's are."""
    settings.DATA_DIR = tmp_path
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"
    path = tmp_path / "train.jsonl"
    row = {"uid": "0", "context": "It rains.", "hypothesis": "Water falls.", "label": "e", "emturk": True, "genre": "w"}
    path.write_text(json.dumps(row) + "\n")
    return path


def test_anli_data_start_an_arm(anli: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factories.draft()
    call_command(
        "import_data", "round-zero", str(anli), "--experiment", "study", "--arms", "dynamic",
        "--labels", "e=entailment", "n=not_entailment",
    )  # fmt: skip
    assert RoundZero.objects.get().arm.slug == "dynamic"
    assert "will start with 1 rows" in capsys.readouterr().out


def test_faults_are_printed_with_line_and_column(anli: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factories.draft()
    with pytest.raises(CommandError, match="Nothing was stored"):
        call_command("import_data", "round-zero", str(anli), "--experiment", "study")
    assert "train.jsonl, line 1, label: Must be one of entailment" in capsys.readouterr().err
    assert DataImport.objects.get().state == ImportState.REFUSED
    assert anli.exists()


def test_test_sets_and_contexts_come_too(anli: Path) -> None:
    made = task("nli")
    call_command(
        "import_data", "test-set", str(anli), "--task", made.slug, "--slug", "anli", "--name", "ANLI",
        "--labels", "e=entailment", "--columns", "premise=context",
    )  # fmt: skip
    assert TestSet.objects.get().rows == 1
    draft = factories.draft()
    call_command("import_data", "contexts", str(anli), "--experiment", draft.slug, "--columns", "premise=context")
    assert Context.objects.filter(text="It rains.").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["round-zero", "x.jsonl", "--experiment", "none"], "experiment: there is no"),
        (["test-set", "x.jsonl", "--task", "none"], "task: there is no"),
        (["test-set", "x.jsonl", "--task", "nli"], "slug, name"),
        (["contexts", "x.doc", "--experiment", "study"], "format: the name"),
        (["contexts", "x.jsonl", "--experiment", "study"], "There is no .*x.jsonl"),
        (["contexts", "x.jsonl", "--experiment", "study", "--columns", "premise"], "columns: must be given as X=Y"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], problem: str) -> None:
    factories.draft()
    with pytest.raises(CommandError, match=problem):
        call_command("import_data", *arguments)
    assert not DataImport.objects.exists()
