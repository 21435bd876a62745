"""``manage.py simulate`` and ``make_adversarial_test_set``, with a real model server and real training."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from collection.models import Evaluation, Example, Experiment, Round
from collection.simulation.crowd import Crowd
from tests.modelserver.tiny_artifacts import full_artifact
from tests.tiny_model import make_tiny_model

LABELS = ["entailment", "not_entailment"]


def rows(path: Path, first: int, count: int) -> Path:
    """A file of rows, each context with one row a label."""
    with path.open("w") as file:
        for number in range(first, first + count):
            premise = f"A man and dog number {number} are in the park on street {number * 7919}."
            for label in LABELS:
                hypothesis = f"The cat {number} is {label} and {number * 104729} runs."
                file.write(json.dumps({"premise": premise, "hypothesis": hypothesis, "label": label}) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_study_that_is_interrupted_goes_on_and_prints_its_tables(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODEL_REPOSITORY_URL = f"file://{tmp_path}/models"
    settings.TRAINING_DATA_URL = f"file://{tmp_path}/data"
    base = make_tiny_model(tmp_path / "base", LABELS)
    pool = rows(tmp_path / "pool.jsonl", 0, 100)
    test = rows(tmp_path / "test.jsonl", 5000, 10)
    arguments = [
        *("simulate", str(pool), "--test-set", f"plain={test}", "--base-model", str(base), "--tries", "2"),
        *("--rounds", "1", "--quota", "4", "--agreement", "1", "--recipe", '{"epochs": 1, "method": "full"}'),
    ]
    fill = Crowd.fill

    def interrupted(crowd: Crowd, arm: Any) -> bool:
        if Example.objects.count() == 5:
            raise KeyboardInterrupt
        return fill(crowd, arm)

    monkeypatch.setattr(Crowd, "fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call_command(*arguments)
    monkeypatch.setattr(Crowd, "fill", fill)
    printed = StringIO()
    call_command(*arguments, stdout=printed)
    assert Experiment.objects.get().state == "finished"
    assert Example.objects.filter(state="accepted").count() == Example.objects.count() == 12
    assert set(Round.objects.values_list("state", flat=True)) == {"done"}
    assert Evaluation.objects.count() == 4
    table = printed.getvalue()
    for part in (
        "| dynamic | 1 | done | 4 | 4 |",
        "test set plain, imported, n = 20",
        "| (base) | none | 0 |",
        "50.0%",
    ):
        assert part in table


@pytest.mark.slow
@pytest.mark.django_db
def test_the_adversarial_test_set_holds_errors_on_rows_that_the_pool_has_not(tmp_path: Path) -> None:
    source = rows(tmp_path / "rows.jsonl", 0, 60)
    pool, errors = tmp_path / "pool.jsonl", tmp_path / "errors.jsonl"
    printed = StringIO()
    call_command(
        *("make_adversarial_test_set", str(source), "--model", str(full_artifact(tmp_path / "m", LABELS))),
        *("--share", "0.5", "--out-pool", str(pool), "--out-test", str(errors)),
        stdout=printed,
    )
    kept = {json.loads(line)["premise"] for line in pool.read_text().splitlines()}
    wrong = [json.loads(line) for line in errors.read_text().splitlines()]
    assert wrong
    assert not kept & {row["premise"] for row in wrong}
    # A random model says much the same of all: it is wrong about the rows of one label, and there are two a context.
    assert f"{len(wrong)} wrong" in printed.getvalue()
    assert len(wrong) < 120 - 2 * len(kept)


@pytest.mark.django_db
def test_faults_of_the_command_line_are_named(tmp_path: Path) -> None:
    pool = rows(tmp_path / "pool.jsonl", 0, 2)
    for arguments, said in (
        (["--agreement", "2"], "agreement"),
        (["--test-set", "plain"], "test-set"),
        (["--test-set", f"plain:odd={pool}"], "test-set"),
        (["--recipe", '{"epochs": 0}'], "recipe.epochs"),
        (["--recipe", "[1]"], "recipe"),
        (["--base-model", "no such/model"], "base_model"),
        (["--quota", "0"], "quota"),
        (["--test-set", f"plain={pool}"], "pool"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("simulate", str(pool), *arguments)
    assert Experiment.objects.count() == 0
