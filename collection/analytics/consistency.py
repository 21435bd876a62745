"""Whether the tables of a study hold together: what sections take as given of them, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collection.analytics.study import Study

# Columns whose values, together, name a row of the table.
_NAMED_BY: dict[str, list[str]] = {
    "examples": ["key"],
    "attempts": ["key"],
    "test_sets": ["test_set"],
    "test_items": ["test_set", "index"],
    "evaluations": ["version", "test_set"],
    "round_scores": ["version", "arm", "round"],
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row, counted from 0, of a table; ``message`` goes on from the name of the column."""

    table: str
    row: int
    column: str
    message: str


def faults(study: Study) -> Iterator[Fault]:
    """The rows that do not fit the others: of the same name as an earlier one; with label indices that the task lacks;
    with more or fewer of these than test items, or than examples."""
    for name, columns in _NAMED_BY.items():
        again = getattr(study, name).duplicated(columns).to_numpy().nonzero()[0]
        others = f" in the same {' and '.join(columns[1:])}" if columns[1:] else ""
        for row in again.tolist():
            yield Fault(name, row, columns[0], f"stands in an earlier line too{others}")
    for name in ("evaluations", "round_scores"):
        for row, predicted in enumerate(getattr(study, name)["predicted"]):
            if len(predicted) and not 0 <= predicted.min() <= predicted.max() < len(study.labels):
                yield Fault(name, row, "predicted", f"must be label indices from 0 to {len(study.labels) - 1}")
    items = study.test_items["test_set"].value_counts().to_dict()
    for row, (test_set, predicted) in enumerate(
        zip(study.evaluations["test_set"], study.evaluations["predicted"], strict=True)
    ):
        if len(predicted) != items.get(test_set, 0):
            told = f"must have a label index for each of the {items.get(test_set, 0)} items of its test set"
            yield Fault("evaluations", row, "predicted", told)
    for row, (keys, predicted) in enumerate(
        zip(study.round_scores["examples"], study.round_scores["predicted"], strict=True)
    ):
        if len(predicted) != len(keys):
            told = f"must have a label index for each of the {len(keys)} examples"
            yield Fault("round_scores", row, "predicted", told)
        if len(set(keys)) < len(keys):
            yield Fault("round_scores", row, "examples", "must be different ones")
