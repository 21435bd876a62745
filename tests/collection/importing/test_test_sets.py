"""Test sets from a file: looked at first, then stored whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from collection.demo.tasks import task
from collection.errors import Invalid
from collection.importing.preview import Duplicate, Known
from collection.importing.tables import Fault
from collection.importing.test_sets import TestSetPreview, preview_test_set, store_test_set
from collection.models import TestItem, TestSet
from modelserver.datafiles import DataStore
from tests import factories
from tests.collection.importing.uploads import parquet, upload

pytestmark = pytest.mark.django_db

HEADER = "premise,hypothesis,label\n"
GOOD = HEADER + "A dog.,A pet.,entailment\nA cat.,A dog.,not_entailment\n"


def preview(content: str, columns: Mapping[str, str] | None = None, **options: object) -> TestSetPreview:
    """What is seen of a CSV file of labelled pairs."""
    return preview_test_set(task("nli"), upload(content), "csv", columns, **options)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    """A data store of its own."""
    return DataStore(f"file://{tmp_path}/data", tmp_path / "cache")


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        ("premise,hypothesis,label", ("premise", "hypothesis", "label")),
        ("Premise,HYPOTHESIS,Label", ("Premise", "HYPOTHESIS", "Label")),
        ("Text,Sentence,gold_label", ("Text", "Sentence", "gold_label")),
        ("sentence1,sentence2,gold_label", ("sentence1", "sentence2", "gold_label")),
        ("context,text,label", ("text", None, "label")),
        ("a,hypothesis,c", (None, "hypothesis", None)),
    ],
)
def test_the_columns_are_guessed_from_the_fields(header: str, mapping: tuple[str | None, ...]) -> None:
    seen = preview(f"{header}\nA dog.,A pet.,entailment\n")
    found = dict(zip(("premise", "hypothesis", "label"), mapping, strict=True))
    assert seen.mapping == {name: column for name, column in found.items() if column}
    assert seen.fault_count == list(mapping).count(None)
    assert (len(seen.items) == 1) == (None not in mapping)


@pytest.mark.parametrize("column", ["text", "Review", "sentence", "context"])
def test_a_task_with_one_field_finds_its_text(column: str) -> None:
    seen = preview_test_set(task("sentiment"), upload(f"{column};label\nNice, really.;GOOD\n"), "csv")
    assert [(item.line, item.texts, item.label) for item in seen.items] == [(2, ("Nice, really.",), "positive")]


def test_columns_may_be_said() -> None:
    content = "a,b,c\nA dog.,A pet.,entailment\n"
    seen = preview(content, {"premise": "b", "hypothesis": "a", "label": "c"})
    assert seen.items[0].texts == ("A pet.", "A dog.")
    for columns, field in (
        ({"premise": "z"}, "columns.premise"),
        ({"premises": "a"}, "columns.premises"),
        ({"premise": "a", "label": "a"}, "columns.label"),
    ):
        with pytest.raises(Invalid) as caught:
            preview(content, columns)
        assert caught.value.field == field


def test_labels_go_by_name_or_title_in_any_case() -> None:
    rows = "".join(
        f"A dog {number}.,A pet.,{label}\n"
        for number, label in enumerate(["entailment", " Definitely TRUE ", "not definitely true", "NOT_ENTAILMENT"])
    )
    assert [item.label for item in preview(HEADER + rows).items] == ["entailment"] * 2 + ["not_entailment"] * 2


def test_labels_that_are_numbers_are_one_fault_that_asks_for_names() -> None:
    for seen in (
        preview(HEADER + "A dog.,A pet.,0\nA cat.,A pet.,1\n"),
        preview_test_set(
            task("nli"), parquet({"premise": ["A.", "B."], "hypothesis": ["C.", "D."], "label": [0.0, 1.0]}), "parquet"
        ),
    ):
        assert (seen.fault_count, seen.items) == (1, ())
        assert "names in the file: entailment, not_entailment" in seen.faults[0].message


def test_a_number_among_names_is_a_fault_of_its_line() -> None:
    seen = preview(HEADER + "A dog.,A pet.,0\nA cat.,A pet.,entailment\nA,B,maybe\nA bird.,A pet.,1\nA,B,\n")
    assert seen.faults == (
        Fault(2, "label", "Must be one of entailment, not_entailment, not '0'."),
        Fault(4, "label", "Must be one of entailment, not_entailment, not 'maybe'."),
        Fault(5, "label", "Must be one of entailment, not_entailment, not '1'."),
        Fault(6, "label", "Must be one of entailment, not_entailment, not ''."),
    )


def test_all_faults_of_a_row_are_named() -> None:
    seen = preview(HEADER + ",,maybe\n")
    assert [(fault.line, fault.column) for fault in seen.faults] == [(2, "premise"), (2, "hypothesis"), (2, "label")]


def test_texts_are_taken_as_they_were_found() -> None:
    seen = preview(HEADER + f"{'x' * 401},A\x85pet\u200b.,entailment\n")
    assert (seen.faults, seen.items[0].texts) == ((), ("x" * 401, "A\x85pet\u200b."))


def test_rows_that_repeat_others_are_named_and_kept() -> None:
    seen = preview(GOOD + "A dog.,A pet.,entailment\na dog,a pet,entailment\nA dog.,A pet.,not_entailment\n")
    assert seen.duplicates == (Duplicate(4, 2, "same"), Duplicate(5, 2, "similar"), Duplicate(6, 2, "other label"))
    assert (seen.faults, len(seen.items)) == ((), 5)


def test_rows_with_a_text_of_the_experiments_contexts_are_named() -> None:
    experiment = factories.draft(contexts=["a DOG", "A bird."])
    seen = preview(GOOD, experiment=experiment)
    assert (seen.known, seen.known_count) == ((Known(2, "A dog."), Known(3, "A dog.")), 2)
    assert seen.faults == ()


def test_a_previewed_file_is_stored_once(store: DataStore) -> None:
    nli, seen = task("nli"), preview(GOOD)
    assert not TestSet.objects.exists()
    stored = store_test_set("plain", " Plain ", nli, TestSet.Kind.EXPERT, seen, store)
    assert store_test_set("plain", "Plain", nli, TestSet.Kind.EXPERT, seen, store) == stored
    assert (stored.name, stored.kind, stored.rows) == ("Plain", "expert", 2)
    assert [(item.texts, item.label) for item in TestItem.objects.order_by("index")] == [
        (["A dog.", "A pet."], "entailment"),
        (["A cat.", "A dog."], "not_entailment"),
    ]
    with pytest.raises(Invalid) as caught:
        store_test_set("plain", "Plain", nli, TestSet.Kind.EXPERT, preview(GOOD + "A,B,entailment\n"), store)
    assert (caught.value.field, caught.value.code) == ("slug", "taken")


@pytest.mark.parametrize(
    ("field", "slug", "name", "kind", "content"),
    [
        ("slug", "Not a slug", "Plain", "imported", GOOD),
        ("slug", "x" * 61, "Plain", "imported", GOOD),
        ("slug", "inner-", "Plain", "imported", GOOD),
        ("name", "plain", "", "imported", GOOD),
        ("name", "plain", "x" * 101, "imported", GOOD),
        ("kind", "plain", "Plain", "other", GOOD),
        ("file", "plain", "Plain", "imported", GOOD + "A dog.,A pet.,maybe\n"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    store: DataStore, field: str, slug: str, name: str, kind: TestSet.Kind, content: str
) -> None:
    with pytest.raises(Invalid) as caught:
        store_test_set(slug, name, task("nli"), kind, preview(content), store)
    assert caught.value.field == field
    assert not TestSet.objects.exists()


def test_a_file_read_for_another_task_is_refused(store: DataStore) -> None:
    with pytest.raises(Invalid) as caught:
        store_test_set("plain", "Plain", task("sentiment"), TestSet.Kind.IMPORTED, preview(GOOD), store)
    assert caught.value.field == "task"
