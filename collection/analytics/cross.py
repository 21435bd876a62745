"""Versions on what writers of every arm and round wrote: who would have been fooled by whose examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collection.analytics.metrics import Estimate, missing
from collection.analytics.scores import Trained, standing
from collection.analytics.study import Study
from collection.analytics.two_way import Floats, Ints, Rates, cluster_indices, cluster_sums, level, ratios, spread


@dataclass(frozen=True)
class Written:
    """The accepted examples as arrays, a row an example: label index, context, writer, and the first round in which
    its writer had an accepted example. ``row_of`` finds the row of a key."""

    gold: Ints
    context: NDArray[np.object_]
    writer: NDArray[np.object_]
    first: Ints
    row_of: Mapping[str, int]


@dataclass(frozen=True)
class Cell:
    """How the versions that stand for an arm and round do on the accepted examples of ``on_arm`` in ``on_round``.

    ``left_out`` examples were not counted, as their writer also wrote what the versions were trained on. Intervals
    keep together the rows of one ``clustered_by``, "context" or "writer": whichever makes them wider; "" where there
    is but one of each.
    """

    trained: Trained
    on_arm: str
    on_round: int
    accuracy: Estimate
    error: Estimate
    left_out: int
    clustered_by: str


def written(study: Study) -> Written:
    """The accepted examples with one of the task's labels."""
    accepted = study.accepted.drop_duplicates("key")
    gold = accepted["label"].map({label: index for index, label in enumerate(study.labels)})
    accepted, gold = accepted[gold.notna()], gold[gold.notna()]
    first = accepted.groupby("writer")["round"].transform("min")
    return Written(
        gold.to_numpy(dtype=np.int64),
        accepted["context"].to_numpy(dtype=object),
        accepted["writer"].to_numpy(dtype=object),
        first.to_numpy(dtype=np.int64),
        {key: row for row, key in enumerate(accepted["key"])},
    )


@dataclass(frozen=True)
class Scored:
    """The scores of the versions that stand for an arm and round, on the examples of ``on_arm`` in ``on_round``."""

    trained: Trained
    on_arm: str
    on_round: int
    scores: tuple[tuple[Sequence[str], Ints], ...]


def scored(study: Study) -> list[Scored]:
    """What versions were scored on, in the order of arms and rounds; of a seed twice scored the later."""
    table = study.round_scores
    places = zip(table["arm"], table["round"], table["version"], strict=True)
    given = zip(table["examples"], table["predicted"], strict=True)
    found = {place: (keys, np.asarray(said, dtype=np.int64)) for place, (keys, said) in zip(places, given, strict=True)}
    trained = standing(study, table["version"])
    return [
        Scored(item, arm, number, scores)
        for arm in study.arms
        for number in range(1, study.rounds + 1)
        for item in trained
        if (scores := tuple(found[arm, number, name] for name in item.versions if (arm, number, name) in found))
    ]


def cell(item: Scored, examples: Written) -> Cell:
    """The figures of a cell: missing, with the reason, where no example is left to count."""
    rows, wrong = _wrong(item, examples)
    counted = np.ones(len(rows), dtype=bool)
    if item.trained.arm == item.on_arm:
        counted = examples.first[rows] > item.trained.round
    left_out = int((~counted).sum())
    if not counted.any():
        why = (
            "every writer of these examples also wrote what the version was trained on"
            if left_out
            else "the round has no accepted examples with a score"
        )
        return Cell(item.trained, item.on_arm, item.on_round, missing(0, why), missing(0, why), left_out, "")
    clustered_by, errors = clustered(wrong[:, counted], rows[counted], examples)
    error = level(errors, 0)
    return Cell(item.trained, item.on_arm, item.on_round, _complement(error), error, left_out, clustered_by)


def _wrong(item: Scored, examples: Written) -> tuple[Ints, Floats]:
    """The rows that every version was scored on, and what each got wrong of them [versions, rows]."""
    said = [dict(zip(keys, predicted.tolist(), strict=False)) for keys, predicted in item.scores]
    keys = [key for key in said[0] if key in examples.row_of and all(key in other for other in said[1:])]
    rows = np.array([examples.row_of[key] for key in keys], dtype=np.int64)
    predicted = np.array([[other[key] for key in keys] for other in said], dtype=np.int64).reshape(len(said), -1)
    return rows, (predicted != examples.gold[rows]).astype(float)


def clustered(wrong: Floats, rows: Ints, examples: Written) -> tuple[str, Rates]:
    """Error rates of units [units, rows] as one group, clustered by context or by writer: by whichever is wider."""
    names = {"context": examples.context[rows], "writer": examples.writer[rows]}
    made = {name: cluster_indices(values) for name, values in names.items()}
    # One context, or one writer, says nothing of others: the other way is taken, if that has several.
    several = {name: found for name, found in made.items() if not found[1]} or {"": made["context"]}
    ways = {}
    for name, (clusters, limit) in several.items():
        sums, totals = cluster_sums(wrong, clusters), cluster_sums(np.ones(len(rows)), clusters)
        ways[name] = ratios(sums, totals, np.zeros(len(wrong), dtype=np.int64), limit)
    widest = max(ways, key=lambda name: spread(ways[name], np.ones(1)).reach)
    return widest, ways[widest]


def _complement(error: Estimate) -> Estimate:
    assert error.value is not None
    assert error.low is not None
    assert error.high is not None
    return Estimate(error.n, 1 - error.value, 1 - error.high, 1 - error.low, error.method, error.limit)
