"""Data that arms start with: what is taken, what is refused, and what versions are trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collection.changes import change
from collection.errors import Conflict, Invalid
from collection.experiments import THREE_ARMS
from collection.importing.round_zero import LOCKED, preview_round_zero, remove_round_zero, store_round_zero
from collection.models import Experiment, Round, RoundZero
from collection.states import ArmKind, ExperimentState
from collection.training_data import equally_many, trainable_rows, training_data
from lifecycle.models import StateChange
from lifecycle.moves import move
from modelserver.datafiles import DataStore, Row
from tests import factories
from tests.collection.importing.uploads import parquet, upload

pytestmark = pytest.mark.django_db

LABELS = {"e": "entailment", "n": "not_entailment", "c": "not_entailment"}
ROWS = [
    {"uid": "1", "context": "It rains.", "hypothesis": "The street is wet.", "label": "n", "reason": "x"},
    {"uid": "2", "context": "It rains.", "hypothesis": "Water falls.", "label": "e", "reason": ""},
]


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """Data files of a test."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


def jsonl(rows: list[dict[str, str]]) -> str:
    """Rows as JSON lines."""
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def give(experiment: Experiment, store: DataStore, arms: list[str] | None = None) -> list[RoundZero]:
    """ROWS as what arms start with."""
    preview = preview_round_zero(experiment, upload(jsonl(ROWS)), "jsonl", labels=LABELS)
    return store_round_zero(experiment, arms, preview, "R1/train.jsonl", store)


def test_anli_lines_start_every_arm_once_their_letters_are_said(store: DataStore) -> None:
    draft = factories.draft()
    made = give(draft, store)
    assert [item.arm.slug for item in made] == [slug for slug, _ in THREE_ARMS]
    assert {(item.rows, item.name) for item in made} == {(2, "R1/train.jsonl")}
    assert store.rows(made[0].sha256) == [
        Row("round-0:1", ("It rains.", "The street is wet."), "not_entailment"),
        Row("round-0:2", ("It rains.", "Water falls."), "entailment"),
    ]
    event = StateChange.objects.filter(subject_type="collection.experiment").latest("id")
    assert event.detail["round_zero"]["rows"] == 2


def test_letters_that_nobody_explained_are_faults_with_line_and_column() -> None:
    preview = preview_round_zero(factories.draft(), upload(jsonl(ROWS)), "jsonl")
    assert [(fault.line, fault.column) for fault in preview.faults] == [(1, "label"), (2, "label")]
    assert "entailment, not_entailment" in preview.faults[0].message


def test_a_label_that_the_task_has_not_cannot_be_meant() -> None:
    with pytest.raises(Invalid) as refused:
        preview_round_zero(factories.draft(), upload(jsonl(ROWS)), "jsonl", labels={"e": "neutral"})
    assert refused.value.field == "labels.e"


def test_source_study_csv_and_parquet_are_read_too() -> None:
    draft = factories.draft()
    sheet = upload('sentence1,sentence2,label,round\nA dog.,"An animal, alive.",entailment,1\n')
    assert preview_round_zero(draft, sheet, "csv").items[0].texts == ("A dog.", "An animal, alive.")
    table = parquet({"sentence1": ["A dog."], "sentence2": ["It sings."], "label": ["not_entailment"]})
    assert preview_round_zero(draft, table, "parquet").items[0].label == "not_entailment"


def test_a_text_that_comes_twice_is_taken_once_and_named() -> None:
    rows = [ROWS[0], ROWS[1], ROWS[0] | {"hypothesis": "the street is wet"}]
    preview = preview_round_zero(factories.draft(), upload(jsonl(rows)), "jsonl", labels=LABELS)
    assert [item.line for item in preview.items] == [1, 2]
    assert [(item.line, item.first_line) for item in preview.duplicates] == [(3, 1)]


def test_one_text_with_two_labels_is_a_fault_and_nothing_is_stored(store: DataStore) -> None:
    draft = factories.draft()
    preview = preview_round_zero(draft, upload(jsonl([*ROWS, ROWS[0] | {"label": "e"}])), "jsonl", labels=LABELS)
    assert [(fault.line, fault.column) for fault in preview.faults] == [(3, "label")]
    with pytest.raises(Invalid, match="line 3, label"):
        store_round_zero(draft, None, preview, "", store)
    assert not RoundZero.objects.exists()


def test_an_arm_that_is_not_there_is_named_and_nothing_is_stored(store: DataStore) -> None:
    with pytest.raises(Invalid, match="unheard"):
        give(factories.draft(), store, ["dynamic", "unheard"])
    assert not RoundZero.objects.exists()


def test_it_joins_the_training_data_of_its_arm_before_what_is_collected(store: DataStore) -> None:
    draft = factories.draft(quorum=1, max_validations=1)
    give(draft, store, ["dynamic"])
    running = launched(draft)
    example = factories.accepted(running, "dynamic", 1)[0]
    kept, left_out = trainable_rows(running.arms.get(slug="dynamic"), 1, store)
    assert [(number, row.id) for number, row in kept] == [(0, "round-0:1"), (0, "round-0:2"), (1, str(example.key))]
    assert left_out == ()
    assert trainable_rows(running.arms.get(slug="static"), 1, store) == ([], ())
    assert training_data(Round.objects.get(arm__slug="dynamic"), store).file.rows == 3


def test_what_is_nearly_a_test_row_is_never_trained_on(store: DataStore) -> None:
    draft = factories.draft(test_sets=[factories.plain_set(store)])
    rows = [
        {"premise": "It is a cold winter night.", "hypothesis": "Snow falls.", "label": "entailment"},
        {"premise": "It is a cold winter night", "hypothesis": "snow falls!!", "label": "entailment"},
        {"premise": "It is a cold winter nights.", "hypothesis": "Snow falls.", "label": "entailment"},
        {"premise": "Something else.", "hypothesis": "It differs.", "label": "entailment"},
    ]
    preview = preview_round_zero(draft, upload(jsonl(rows)), "jsonl")
    assert (preview.tested, len(preview.items)) == (1, 3)
    store_round_zero(draft, None, preview, "", store)
    kept, left_out = trainable_rows(draft.arms.get(slug="dynamic"), 1, store)
    assert [row.id for _, row in kept] == ["round-0:4"]
    assert left_out == ("round-0:1", "round-0:3")


def test_after_the_launch_it_is_locked_and_says_why(store: DataStore) -> None:
    draft = factories.draft()
    give(draft, store)
    running = launched(draft)
    for attempt in (lambda: give(running, store), lambda: remove_round_zero(running)):
        with pytest.raises(Conflict, match=LOCKED) as refused:
            attempt()
        assert refused.value.code == "locked"
    assert RoundZero.objects.count() == 3


def test_arms_of_a_draft_keep_it_when_other_arms_come_and_can_lose_it(store: DataStore) -> None:
    draft = factories.draft()
    give(draft, store)
    change(draft, {"arms": [("dynamic", ArmKind.DYNAMIC), ("other", ArmKind.STATIC)]})
    assert list(RoundZero.objects.values_list("arm__slug", "rows")) == [("dynamic", 2)]
    remove_round_zero(draft, ["dynamic"])
    assert not RoundZero.objects.exists()


def test_the_curve_compares_equally_many_collected_examples_and_gives_each_arm_all_it_started_with() -> None:
    given = [(0, Row(f"round-0:{index}", ("a",), "x")) for index in range(3)]
    one = [*given, *((1, Row(f"a{index}", ("a",), "x")) for index in range(4))]
    other = [(1, Row(f"b{index}", ("a",), "x")) for index in range(2)]
    assert [len(rows) for rows in equally_many([one, other], seed=7)] == [3 + 2, 2]


def launched(draft: Experiment) -> Experiment:
    """The draft, running."""
    move(draft, ExperimentState.PREPARING)
    return factories.started(draft)
