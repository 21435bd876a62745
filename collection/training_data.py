"""What a version is trained on: the accepted examples of its arm so far, less whatever is too close to a test set."""

from __future__ import annotations

from dataclasses import dataclass

from collection.models import Example, Experiment, Round, TestItem
from collection.overlap import near_duplicates
from collection.states import ExampleState
from modelserver.datafiles import DataStore, Row, StoredFile

_BETWEEN = "\n"


@dataclass(frozen=True)
class TrainingData:
    """A stored file of training rows, and the keys of the examples that were left out as test-set text."""

    file: StoredFile
    left_out: tuple[str, ...]


def training_data(round_: Round, store: DataStore) -> TrainingData:
    """Store the rows for the version that ``round_`` trains: accepted examples of its arm's rounds up to this one.

    The order is that of submission, so the same examples always give the same file.
    """
    examples = (
        Example.objects.filter(arm=round_.arm, round__number__lte=round_.number, state=ExampleState.ACCEPTED)
        .order_by("pk")
        .values_list("key", "attempt__texts", "label")
    )
    rows = [Row(str(key), tuple(texts), label) for key, texts, label in examples]
    tested = tested_texts(round_.arm.experiment)
    near = near_duplicates([_BETWEEN.join(row.texts) for row in rows], [_BETWEEN.join(texts) for texts in tested])
    kept = [row for index, row in enumerate(rows) if index not in near]
    return TrainingData(store.put(kept), tuple(rows[index].id for index in sorted(near)))


def tested_texts(experiment: Experiment) -> list[tuple[str, ...]]:
    """The texts of every row of the experiment's test sets."""
    items = TestItem.objects.filter(test_set__in=experiment.test_sets.all()).order_by("test_set", "index")
    return [tuple(texts) for texts in items.values_list("texts", flat=True)]


def contexts_in_test_sets(experiment: Experiment) -> list[tuple[int, str]]:
    """The contexts that are nearly the same as a test row's context: position and text of each."""
    schema = experiment.task.schema
    if schema.context_field is None:
        return []
    column = schema.fields.index(schema.context_field)
    contexts = list(experiment.contexts.order_by("position").values_list("position", "text"))
    tested = sorted({texts[column] for texts in tested_texts(experiment)})
    near = near_duplicates([text for _, text in contexts], tested)
    return [contexts[index] for index in sorted(near)]
