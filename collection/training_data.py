"""What a version is trained on: what its arm started with and the accepted examples of its arm so far, less whatever is
too close to a test set or was erased."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from collection.models import Arm, Example, Experiment, Round, RoundZero, TestItem
from collection.overlap import near_duplicates
from collection.states import ExampleState
from modelserver.datafiles import DataStore, Row, StoredFile

ROUND_ZERO = 0
_BETWEEN = "\n"


@dataclass(frozen=True)
class TrainingData:
    """A stored file of training rows, and the keys of the examples that were left out as test-set text."""

    file: StoredFile
    left_out: tuple[str, ...]


def training_data(round_: Round, store: DataStore) -> TrainingData:
    """Store the rows for the version that ``round_`` trains: accepted examples of its arm's rounds up to this one.

    What the arm started with comes first, then the order is that of submission, so the same examples always give the
    same file.
    """
    kept, left_out = trainable_rows(round_.arm, round_.number, store)
    return TrainingData(store.put([row for _, row in kept]), left_out)


def trainable_rows(arm: Arm, number: int, store: DataStore) -> tuple[list[tuple[int, Row]], tuple[str, ...]]:
    """The accepted examples of an arm's rounds up to one, each with its round's number, less those that are too close
    to a test set; and the keys of the latter. What the arm started with is its round 0."""
    examples = (
        Example.objects.filter(arm=arm, round__number__lte=number, state=ExampleState.ACCEPTED, erased_at=None)
        .order_by("pk")
        .values_list("round__number", "key", "attempt__texts", "label")
    )
    rows = [(ROUND_ZERO, row) for row in rows_of_round_zero(arm, store)]
    rows += [(from_, Row(str(key), tuple(texts), label)) for from_, key, texts, label in examples]
    tested = tested_texts(arm.experiment)
    near = near_duplicates([_BETWEEN.join(row.texts) for _, row in rows], [_BETWEEN.join(texts) for texts in tested])
    kept = [row for index, row in enumerate(rows) if index not in near]
    return kept, tuple(rows[index][1].id for index in sorted(near))


def rows_of_round_zero(arm: Arm, store: DataStore) -> list[Row]:
    """What an arm started with, as it was imported; mostly nothing."""
    started = RoundZero.objects.filter(arm=arm).first()
    return [] if started is None else store.rows(started.sha256)


def equally_many(rows_of_arms: Sequence[Sequence[tuple[int, Row]]], seed: int) -> list[list[Row]]:
    """Of each arm's rows as many a round as the arm with the fewest has, drawn by a hash of seed and key.

    What is drawn of a round does not depend on other rounds, so the data of a curve grow and never change. Round 0 is
    not collected but given: each arm keeps all of it.
    """
    counts = [Counter(number for number, _ in rows) for rows in rows_of_arms]
    numbers = {number for count in counts for number in count if number != ROUND_ZERO}
    fewest = {number: min(count[number] for count in counts) for number in numbers}
    drawn = []
    for rows in rows_of_arms:
        chosen = set()
        for number, most in fewest.items():
            keys = [row.id for from_, row in rows if from_ == number]
            chosen |= set(sorted(keys, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())[:most])
        drawn.append([row for from_, row in rows if from_ == ROUND_ZERO or row.id in chosen])
    return drawn


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
