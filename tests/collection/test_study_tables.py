"""An experiment as the tables that analytics reads, in the database and as files."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from annotators.models import LedgerEntry
from collection import assignment, submission
from collection.analytics.files import StudyFileError, read_study, write_study
from collection.analytics.study import TABLES, Study
from collection.models import Attempt, Example, Experiment, Validation
from collection.pseudonyms import pseudonym
from collection.reconcile import reconcile
from collection.study_tables import active_seconds, study_of
from modelserver import runs
from modelserver.datafiles import DataStore
from tests import factories

pytestmark = pytest.mark.django_db

QUICK: dict[str, Any] = {"quota": 1, "quorum": 1, "max_validations": 1, "rounds": 2}
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """Data files of a test."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


def played(store: DataStore) -> Experiment:
    """A study with one round done in every arm."""
    pay = {"base_pay_minor": 20, "fooling_bonus_minor": 30, "validation_pay_minor": 5}
    experiment = factories.running(**QUICK, **pay, test_sets=[factories.plain_set(store)])
    for arm in ("non-adversarial", "static", "dynamic"):
        factories.accepted(experiment, arm, 1)
    client = factories.client_that_says("entailment")
    for _ in range(20):
        reconcile(client, store)
        for run in runs.due():
            factories.train(run)
    experiment.refresh_from_db()
    return experiment


def same(one: Study, other: Study) -> None:
    """Assert that two studies hold the same, types of columns included."""
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert (one.arms, one.labels, one.rounds, one.currency) == (other.arms, other.labels, other.rounds, other.currency)


def test_every_accepted_example_is_there_with_its_arm_writer_verdict_and_cost(store: DataStore) -> None:
    experiment = played(store)
    study = study_of(experiment)
    assert list(study.arms) == ["non-adversarial", "static", "dynamic"]
    rows = study.examples.set_index("arm")
    example = Example.objects.get(arm__slug="dynamic")
    row = rows.loc["dynamic"]
    assert row["writer"] == pseudonym(experiment, example.annotator)
    assert (row["key"], row["label"], row["state"], row["tries"]) == (str(example.key), example.label, "accepted", 1)
    assert row["context_text"] == example.attempt.texts[0]
    assert row["text"] == example.attempt.texts[1]
    assert bool(row["fooled"]) is True
    assert row["cost"] == 50
    assert pd.isna(rows.loc["non-adversarial"]["fooled"])
    assert rows.loc["non-adversarial"]["cost"] == 20


def test_votes_carry_what_they_cost_and_only_those_that_count_are_there(store: DataStore) -> None:
    experiment = played(store)
    assert list(study_of(experiment).votes["cost"]) == [5.0] * 3
    Validation.objects.filter(example__arm__slug="static").update(settled_at=None)
    assert sorted(study_of(experiment).votes["arm"]) == ["dynamic", "non-adversarial"]


def test_versions_are_the_base_the_loops_and_the_curves_with_what_they_predicted(store: DataStore) -> None:
    study = study_of(played(store))
    assert study.versions["role"].value_counts().to_dict() == {"base": 1, "loop": 3, "curve": 3}
    assert set(study.evaluations["version"]) == set(study.versions["version"]) - {"base/0"}
    assert [list(item) for item in study.evaluations["predicted"]] == [[0, 0]] * 3
    assert list(study.test_items["label"]) == ["entailment", "not_entailment"]
    assert set(study.round_scores["version"]) == set(study.versions["version"])


def test_tries_that_led_to_nothing_are_attempts_without_an_example() -> None:
    experiment = factories.running(**QUICK)
    writer = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, writer)
    factories.attempted(held, factories.client_that_says(held.target_label))
    fooling = factories.attempted(held, factories.fooled(held))
    submission.submit(held.key, writer, fooling.key)
    attempts = study_of(experiment).attempts
    assert list(attempts["index"]) == [1, 2]
    assert list(attempts["fooled"]) == [False, True]
    assert list(attempts["example"] != "") == [False, True]
    assert attempts["confidence"].tolist() == pytest.approx([0.9, 0.1])
    assert study_of(experiment).examples["tries"].item() == 2


def test_tries_of_a_text_that_is_being_written_are_not_yet_spent() -> None:
    experiment = factories.running(**QUICK)
    writer = factories.member_of(experiment, "dynamic")
    held = assignment.claim(experiment, writer)
    factories.attempted(held, factories.client_that_says(held.target_label))
    assert study_of(experiment).attempts.empty
    assignment.release(held.key, writer)
    assert list(study_of(experiment).attempts["example"]) == [""]


def test_what_was_retracted_was_never_collected() -> None:
    experiment = factories.running(**QUICK)
    writer = factories.member_of(experiment, "dynamic")
    example = factories.written(experiment, "dynamic", writer)
    submission.retract(example.key, writer)
    study = study_of(experiment)
    assert len(study.examples) == 0
    assert list(study.attempts["example"]) == [""]


def test_a_long_gap_counts_as_five_minutes_of_work() -> None:
    minutes = [START + dt.timedelta(minutes=at) for at in (0, 1, 3, 63, 64)]
    assert active_seconds(minutes) == (1 + 2 + 5 + 1) * 60
    assert active_seconds([START]) == 0


def test_a_clock_that_is_behind_another_takes_no_time_away_from_work() -> None:
    signs = [START + dt.timedelta(minutes=at) for at in (0, 2, 1.5, 2.5)]
    assert active_seconds(signs) == 2.5 * 60


def test_an_experiment_without_anything_is_tables_without_rows() -> None:
    study = study_of(factories.draft())
    for name, columns in TABLES.items():
        frame = getattr(study, name)
        assert len(frame) == 0
        assert list(frame.columns) == list(columns)


def test_a_study_comes_back_from_its_files_as_it_was(store: DataStore, tmp_path: Path) -> None:
    study = study_of(played(store))
    write_study(study, tmp_path / "tables")
    same(read_study(tmp_path / "tables"), study)


def test_nobody_is_named_in_the_files(store: DataStore, tmp_path: Path) -> None:
    experiment = played(store)
    write_study(study_of(experiment), tmp_path)
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.jsonl"))
    for entry in LedgerEntry.objects.select_related("annotator__user"):
        assert entry.annotator.user.username not in written
        assert str(entry.annotator.key) not in written


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("examples.jsonl", "[]", "examples.jsonl, line 1: must be an object"),
        ("examples.jsonl", "{", "examples.jsonl, line 1: is not JSON"),
        ("examples.jsonl", "{}", "examples.jsonl, line 1: key is missing"),
        ("versions.jsonl", '{"version": 3}', "versions.jsonl, line 1: version must be a text"),
        ("test_sets.jsonl", "\udcff", "test_sets.jsonl: is not UTF-8"),
        ("study.json", "[", "study.json: "),
        ("study.json", "{}", "study.json: name must be a text"),
    ],
)
def test_a_file_that_is_none_is_named_with_its_line(tmp_path: Path, file: str, line: str, said: str) -> None:
    write_study(study_of(factories.draft()), tmp_path)
    (tmp_path / file).write_bytes(line.encode("utf-8", "surrogateescape"))
    with pytest.raises(StudyFileError) as error:
        read_study(tmp_path)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("column", "value"),
    [("round", -1), ("round", 1.5), ("round", True), ("fooled", "yes"), ("seconds", "long"), ("submitted_at", "today")],
)
def test_a_value_of_the_wrong_kind_is_named(store: DataStore, tmp_path: Path, column: str, value: object) -> None:
    write_study(study_of(played(store)), tmp_path)
    path = tmp_path / "examples.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | {column: value}), *others]), encoding="utf-8")
    with pytest.raises(StudyFileError, match=rf"examples.jsonl, line 1: {column} must be "):
        read_study(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_study(study_of(factories.draft()), tmp_path)
    (tmp_path / "votes.jsonl").unlink()
    with pytest.raises(StudyFileError, match=r"votes.jsonl: the file is missing"):
        read_study(tmp_path)


def test_reading_a_study_takes_as_many_queries_with_many_examples(django_assert_max_num_queries: Any) -> None:
    experiment = factories.running(**(QUICK | {"quota": 10}))
    factories.accepted(experiment, "dynamic", 5)
    assert Attempt.objects.count() == 5
    with django_assert_max_num_queries(14):
        study_of(experiment)
