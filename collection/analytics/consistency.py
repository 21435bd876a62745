"""Whether the tables of a study hold together: what sections take as given of them, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from collection.analytics.scores import BASE
from collection.analytics.study import Study
from collection.states import ExampleState

# Columns whose values, together, name a row of the table.
_NAMED_BY: dict[str, list[str]] = {
    "examples": ["key"],
    "attempts": ["key"],
    "votes": ["validator", "example"],
    "test_sets": ["test_set"],
    "test_items": ["test_set", "index"],
    "evaluations": ["version", "test_set"],
    "round_scores": ["version", "arm", "round"],
}
_OF_AN_ARM = ("examples", "attempts", "votes", "versions", "round_scores")
# What was retracted was not collected.
_STATES = [state.value for state in ExampleState if state != ExampleState.RETRACTED]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row, counted from 0, of a table; ``message`` goes on from the name of the column."""

    table: str
    row: int
    column: str
    message: str


def faults(study: Study) -> Iterator[Fault]:
    """The rows that do not fit the others: of the same name as an earlier one; of an arm or a round that the study
    lacks, or a state that no example has; test items with gaps between them; with label indices that the task lacks;
    with more or fewer of these than test items, or than examples.

    A vote may be on an example that is in no row: its text was taken back.
    """
    for name, columns in _NAMED_BY.items():
        again = getattr(study, name).duplicated(columns).to_numpy().nonzero()[0]
        others = f" in the same {' and '.join(columns[1:])}" if columns[1:] else ""
        for row in again.tolist():
            yield Fault(name, row, columns[0], f"stands in an earlier line too{others}")
    for name in _OF_AN_ARM:
        yield from _misplaced(study, name)
    states = study.examples["state"]
    yield from _marked("examples", "state", ~states.isin(_STATES), f"must be one of {', '.join(_STATES)}")
    places = study.test_items.groupby("test_set")["index"]
    beyond = study.test_items["index"] >= places.transform("size")
    yield from _marked("test_items", "index", beyond, "must count the items of its test set from 0, without gaps")
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


def _misplaced(study: Study, name: str) -> Iterator[Fault]:
    """The rows of an arm or a round that the study lacks. A base version is of neither."""
    rows = getattr(study, name)
    base = rows["role"] == BASE if "role" in rows else pd.Series(False, index=rows.index)
    known = rows["arm"].isin(list(study.arms)).mask(base, rows["arm"] == "")
    there = rows["round"].between(1, study.rounds).mask(base, rows["round"] == 0)
    but = ', or "" of a base version' if base.any() else ""
    yield from _marked(name, "arm", ~known, f"must be one of {', '.join(study.arms)}{but}")
    but = ", or 0 of a base version" if base.any() else ""
    yield from _marked(name, "round", ~there, f"must be from 1 to {study.rounds:,}{but}")


def _marked(table: str, column: str, wrong: pd.Series, message: str) -> Iterator[Fault]:
    return (Fault(table, row, column, message) for row in wrong.to_numpy(dtype=bool).nonzero()[0].tolist())
