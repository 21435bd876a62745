"""Whether the values of a study's rows are such as the service writes, each row by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from collection.analytics.power import LARGEST
from collection.analytics.scores import BASE, ROLES
from collection.analytics.study import Study
from collection.states import ExampleState
from modelserver.wire import ROUNDING

_OF_AN_ARM = ("examples", "attempts", "votes", "versions", "round_scores")
# What was retracted was not collected.
_STATES = [state.value for state in ExampleState if state != ExampleState.RETRACTED]
# The least that a number may be, if it is known. The text itself is one of its tries.
_LEAST: Mapping[str, Mapping[str, int]] = {
    "examples": {"tries": 1, "seconds": 0, "cost": 0},
    "attempts": {"index": 1},
    "votes": {"seconds": 0, "cost": 0},
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row, counted from 0, of a table; ``message`` goes on from the name of the column."""

    table: str
    row: int
    column: str
    message: str


def marked(table: str, column: str, wrong: pd.Series, message: str) -> Iterator[Fault]:
    """A fault for each row that is ``wrong``, a bool a row."""
    return (Fault(table, row, column, message) for row in wrong.to_numpy(dtype=bool).nonzero()[0].tolist())


def impossible_values(study: Study) -> Iterator[Fault]:
    """What no row can have: an arm or a round that the study lacks; a state, a role or a label that is none; a vote
    that is a label and a flag, or neither; predictions of labels that the task lacks; a negative time or cost, no try,
    or more of these than can be; a probability outside 0 to 1. What is not known is no fault.
    """
    for name in _OF_AN_ARM:
        yield from _misplaced(study, name)
    for name, column, known in (("examples", "state", _STATES), ("versions", "role", ROLES)):
        yield from marked(name, column, ~getattr(study, name)[column].isin(known), f"must be one of {', '.join(known)}")
    yield from _labels(study)
    for name, least in _LEAST.items():
        for column, low in least.items():
            values = getattr(study, name)[column]
            yield from marked(name, column, values < low, f"must not be below {low}")
            yield from marked(name, column, values > LARGEST, f"must not be above {LARGEST:,}")
    confidence = study.attempts["confidence"]
    beyond = (confidence < 0) | (confidence > 1 + ROUNDING)
    yield from marked("attempts", "confidence", beyond, "must be a probability, from 0 to 1")


def _misplaced(study: Study, name: str) -> Iterator[Fault]:
    """The rows of an arm or a round that the study lacks. A base version is of neither."""
    rows = getattr(study, name)
    base = rows["role"] == BASE if "role" in rows else pd.Series(False, index=rows.index)
    known = rows["arm"].isin(list(study.arms)).mask(base, rows["arm"] == "")
    there = rows["round"].between(1, study.rounds).mask(base, rows["round"] == 0)
    but = ', or "" of a base version' if base.any() else ""
    yield from marked(name, "arm", ~known, f"must be one of {', '.join(study.arms)}{but}")
    but = ", or 0 of a base version" if base.any() else ""
    yield from marked(name, "round", ~there, f"must be from 1 to {study.rounds:,}{but}")


def _labels(study: Study) -> Iterator[Fault]:
    """Labels that the task lacks. A vote is one, or a flag."""
    told = f"must be one of {', '.join(study.labels)}"
    for name in ("examples", "attempts"):
        yield from marked(name, "label", ~getattr(study, name)["label"].isin(study.labels), told)
    given, flagged = study.votes["label"], study.votes["flagged"]
    yield from marked("votes", "label", ~given.isin([*study.labels, ""]), f'{told}, or "" of a flag')
    told = 'must be true where label is "", and false where it is not'
    yield from marked("votes", "flagged", (flagged != (given == "")).fillna(True), told)
    for name in ("evaluations", "round_scores"):
        for row, predicted in enumerate(getattr(study, name)["predicted"]):
            if len(predicted) and not 0 <= predicted.min() <= predicted.max() < len(study.labels):
                yield Fault(name, row, "predicted", f"must be label indices from 0 to {len(study.labels) - 1}")
