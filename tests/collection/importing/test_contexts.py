"""Contexts from a file: looked at first, then added to a draft whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection import experiments
from collection.demo.tasks import task
from collection.errors import Conflict, Invalid
from collection.importing.contexts import ContextPreview, StoredContexts, preview_contexts, store_contexts
from collection.importing.preview import Duplicate, Known
from collection.importing.tables import Fault, Limits
from collection.models import Context, Experiment
from collection.states import ExperimentState
from collection.texts import check_text, fingerprint
from lifecycle.moves import move
from tests import factories
from tests.collection.importing.uploads import parquet, upload

pytestmark = pytest.mark.django_db


def preview(content: str, format: str = "text", column: str | None = None, **options: object) -> ContextPreview:
    """What is seen of a file of premises."""
    return preview_contexts(task("nli"), upload(content), format, column, **options)  # type: ignore[arg-type]


def dealt(experiment: Experiment) -> list[str]:
    """The contexts in their order."""
    contexts = Context.objects.filter(experiment=experiment).order_by("position")
    assert [context.position for context in contexts] == list(range(len(contexts)))
    assert all(context.fingerprint == fingerprint([context.text]) for context in contexts)
    return [context.text for context in contexts]


@pytest.mark.parametrize("column", ["premise", "Premise", "text", "sentence1", "context", "CONTEXT"])
def test_the_column_of_the_contexts_is_guessed(column: str) -> None:
    seen = preview(f"id,{column},hypothesis\n1,A dog.,x\n2,A cat.,y\n", "csv")
    assert (seen.column, seen.texts, seen.rows, seen.faults) == (column, ("A dog.", "A cat."), 2, ())
    assert [dict(row.cells) for row in seen.shown] == [
        {"id": "1", column: "A dog.", "hypothesis": "x"},
        {"id": "2", column: "A cat.", "hypothesis": "y"},
    ]


def test_every_format_gives_the_same_contexts() -> None:
    texts = ["A dog.", "A cat, a bird."]
    files = {
        "csv": upload('premise\nA dog.\n"A cat, a bird."\n'),
        "jsonl": upload("".join(json.dumps({"premise": text}) + "\n" for text in texts)),
        "parquet": parquet({"premise": texts}),
        "text": upload("\n".join(texts)),
    }
    for format, file in files.items():
        seen = preview_contexts(task("nli"), file, format)
        assert (seen.texts, seen.faults, seen.rows) == (tuple(texts), (), 2)


def test_a_column_that_cannot_be_guessed_is_asked_for_and_shown() -> None:
    seen = preview("a,b\nA dog.,x\n", "csv")
    assert seen.column is None
    assert seen.columns == ("a", "b")
    assert [fault.message for fault in seen.faults] == [
        "No column is called 'premise'. Please say which holds the contexts: 'a', 'b'."
    ]
    assert [dict(row.cells) for row in seen.shown] == [{"a": "A dog.", "b": "x"}]
    assert preview("a,b\nA dog.,x\n", "csv", "a").texts == ("A dog.",)


def test_a_column_that_is_not_there_and_a_task_without_contexts_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        preview("a,b\nA dog.,x\n", "csv", "c")
    assert caught.value.field == "column"
    with pytest.raises(Invalid) as caught:
        preview_contexts(task("sentiment"), upload("a"), "text")
    assert caught.value.field == "contexts"
    with pytest.raises(Invalid, match="no rows"):
        preview("premise\n", "csv")
    with pytest.raises(Invalid, match="no rows"):
        preview("\n\n")


def test_every_fault_is_named_by_line_and_column() -> None:
    content = (
        '{"premise": "A dog."}\n{"premise": 3}\n{not json\n{}\n{"premise": null}\n{"premise": ["x"]}\n'
        '{"premise": "' + "x" * 401 + '"}\n{"premise": "A\\u202edog."}\n{"premise": "\\ud800"}\n{"premise": " "}\n'
    )
    seen = preview(content, "jsonl")
    assert [(fault.line, fault.column) for fault in seen.faults] == [
        (2, "premise"),
        (3, ""),
        *((line, "premise") for line in range(4, 11)),
    ]
    assert (seen.fault_count, seen.rows, seen.texts) == (9, 10, ("A dog.",))
    assert "half a character" in seen.faults[7].message
    for row in seen.shown:
        json.dumps({name: str(cell) for name, cell in row.cells.items()}, ensure_ascii=False).encode()


def test_of_many_faults_a_hundred_are_named_and_all_counted() -> None:
    seen = preview("premise,x\n" + "only one cell\n" * 250, "csv")
    assert (len(seen.faults), seen.fault_count, seen.rows) == (100, 250, 250)


def test_twenty_rows_are_shown_and_long_cells_cut() -> None:
    seen = preview("id,premise\n" + "".join(f"{'x' * 400},A dog {number}.\n" for number in range(50)), "csv")
    assert (len(seen.shown), seen.rows, len(seen.texts)) == (20, 50, 50)
    assert seen.shown[0].cells == {"id": "x" * 300 + "…", "premise": "A dog 0."}


def test_a_repeated_context_is_taken_once_and_one_that_looks_the_same_is_a_fault() -> None:
    seen = preview("A dog.\nA cat.\nA dog.\n\na DOG!\n")
    assert seen.texts == ("A dog.", "A cat.")
    assert seen.duplicates == (Duplicate(3, 1, "same"), Duplicate(5, 1, "similar"))
    assert seen.faults == (Fault(5, "text", "Differs from line 1 only in case, punctuation or spacing."),)


def test_a_preview_stores_nothing() -> None:
    experiment = factories.draft()
    before = dealt(experiment)
    seen = preview("A new one.\n", experiment=experiment)
    assert (seen.known, seen.known_count) == ((), 0)
    assert dealt(experiment) == before


def test_contexts_that_are_there_are_named_passed_over_and_counted() -> None:
    experiment = factories.draft(contexts=["A dog.", "A cat."])
    seen = preview("A bird.\na dog\nA fish.\n", experiment=experiment)
    assert seen.known == (Known(2, "a dog"),)
    assert seen.faults == ()
    assert store_contexts(experiment, seen) == StoredContexts(added=2, already=1)
    order = dealt(experiment)
    assert sorted(order) == ["A bird.", "A cat.", "A dog.", "A fish."]
    assert store_contexts(experiment, seen) == StoredContexts(added=0, already=3)
    assert dealt(experiment) == order


@pytest.mark.parametrize("seed", [0, 7])
def test_the_order_is_that_of_an_experiment_made_with_all_of_them(seed: int) -> None:
    texts = [f"A man has {number} dogs." for number in range(12)]
    at_once = factories.draft("at-once", texts, seed=seed)
    in_parts = factories.draft("in-parts", texts[:5], seed=seed)
    for part in (texts[5:9], texts[9:]):
        store_contexts(in_parts, preview("\n".join(part)))
    assert dealt(in_parts) == dealt(at_once) != texts


def test_contexts_keep_their_keys_when_more_come() -> None:
    experiment = factories.draft()
    before = dict(Context.objects.values_list("text", "pk"))
    store_contexts(experiment, preview("A new one.\n"))
    after = dict(Context.objects.values_list("text", "pk"))
    assert after.items() > before.items()


def test_a_file_with_a_fault_is_refused_as_a_whole() -> None:
    experiment = factories.draft()
    before = dealt(experiment)
    with pytest.raises(Invalid) as caught:
        store_contexts(experiment, preview("premise,id\nA new one.,1\n,2\n", "csv"))
    assert caught.value.field == "file"
    assert caught.value.message == (
        "Nothing was stored: the file has 1 fault, the first in line 3, premise: Please write something."
    )
    assert dealt(experiment) == before


def test_contexts_of_another_task_are_refused() -> None:
    fields = [{"name": "premise", "source": "context"}, {"name": "claim", "source": "writer"}]
    other = experiments.create_task("other", "Other", fields, [{"name": "yes"}, {"name": "no"}])
    with pytest.raises(Invalid) as caught:
        store_contexts(factories.draft(), preview_contexts(other, upload("A new one."), "text"))
    assert caught.value.field == "task"


def test_only_a_draft_takes_contexts() -> None:
    experiment = factories.draft()
    # A page that was opened while it was a draft.
    seen, stale = preview("A new one.\n"), Experiment.objects.get(pk=experiment.pk)
    move(experiment, ExperimentState.PREPARING)
    with pytest.raises(Conflict) as caught:
        store_contexts(stale, seen)
    assert caught.value.code == "locked"
    running = factories.running("running")
    with pytest.raises(Conflict):
        store_contexts(running, seen)
    assert not Context.objects.filter(text="A new one.").exists()


def test_limits_are_those_of_the_caller() -> None:
    with pytest.raises(Invalid, match="more than 2 rows"):
        preview("a b\nc d\ne f\n", limits=Limits(rows=2))


def _fit(text: str) -> bool:
    try:
        return check_text("premise", text, max_length=400) == text
    except Invalid:
        return False


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(_fit)))
def test_valid_contexts_come_through_unchanged(texts: Sequence[str]) -> None:
    distinct = list({fingerprint([text]): text for text in texts}.values())
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["premise"], *([text] for text in distinct)])
    if distinct:
        assert list(preview(written.getvalue(), "csv").texts) == distinct
        assert list(preview("\n".join(distinct)).texts) == distinct
