"""Versions on what writers of every arm and round wrote: who would have been fooled by whose examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
class Scored:
    """The versions that stand for an arm and round, on accepted examples of ``on_arm`` in ``on_round``: ``rows`` of
    these, and label indices ``predicted`` [versions, rows]."""

    trained: Trained
    on_arm: str
    on_round: int
    rows: Ints
    predicted: Ints


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


def scored(study: Study, examples: Written) -> list[Scored]:
    """What versions were scored on, in the order of arms and rounds; of a version scored twice the later."""
    table = study.round_scores
    places = zip(table["arm"], table["round"], table["version"], strict=True)
    given = zip(map(tuple, table["examples"]), table["predicted"], strict=True)
    found = dict(zip(places, given, strict=True))
    rows_of: dict[tuple[str, ...], Ints] = {}
    for keys, _ in found.values():
        if keys not in rows_of:
            rows_of[keys] = np.array([examples.row_of.get(key, -1) for key in keys], dtype=np.int64)
    trained = standing(study, table["version"])
    made = []
    for arm in study.arms:
        for number in range(1, study.rounds + 1):
            for item in trained:
                theirs = [found[arm, number, name] for name in item.versions if (arm, number, name) in found]
                if theirs:
                    known = [(rows_of[keys], np.asarray(said, dtype=np.int64)) for keys, said in theirs]
                    made.append(Scored(item, arm, number, *_together(known)))
    return made


def _together(known: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """The accepted examples that all of the versions were scored on, and what each said of them [versions, rows]."""
    shared = known[0][0][known[0][0] >= 0]
    for rows, _ in known[1:]:
        if not np.array_equal(rows, known[0][0]):
            shared = shared[np.isin(shared, rows)]
    said = []
    for rows, predicted in known:
        order = np.argsort(rows, kind="stable")
        said.append(predicted[order[np.searchsorted(rows, shared, sorter=order)]])
    return shared, np.stack(said)


def cells(found: Sequence[Scored], examples: Written) -> list[Cell]:
    """The cells of the matrix of versions by rounds, in the same order; missing, with the reason, where none of its
    examples can be counted."""
    made: dict[int, Cell] = {}
    alike: dict[tuple[bytes, int], list[tuple[int, Scored, Ints]]] = {}
    for at, item in enumerate(found):
        counted = np.ones(len(item.rows), dtype=bool)
        if item.trained.arm == item.on_arm:
            counted = examples.first[item.rows] > item.trained.round
        rows = item.rows[counted]
        left_out = len(item.rows) - len(rows)
        if len(rows):
            alike.setdefault((rows.tobytes(), left_out), []).append((at, item, np.flatnonzero(counted)))
        else:
            why = (
                "every writer of these examples also wrote what the version was trained on"
                if left_out
                else "the round has no accepted examples with a score"
            )
            none = missing(0, why)
            made[at] = Cell(item.trained, item.on_arm, item.on_round, none, none, left_out, "")
    for (_, left_out), members in alike.items():
        for (at, item, _), (clustered_by, error) in zip(members, _errors(members, examples), strict=True):
            accuracy = _complement(error)
            made[at] = Cell(item.trained, item.on_arm, item.on_round, accuracy, error, left_out, clustered_by)
    return [made[at] for at in range(len(found))]


def _errors(members: Sequence[tuple[int, Scored, Ints]], examples: Written) -> Iterator[tuple[str, Estimate]]:
    """For each of those scored on the same rows its error, clustered by whichever of context and writer is wider."""
    _, first, counted = members[0]
    rows = first.rows[counted]
    said = np.concatenate([item.predicted[:, places] for _, item, places in members])
    group = np.repeat(np.arange(len(members)), [len(item.predicted) for _, item, _ in members])
    ways = clusterings((said != examples.gold[rows]).astype(float), group, rows, examples)
    for place in range(len(members)):
        weights = np.eye(1, len(members), place)[0]
        widest = max(ways, key=lambda name: spread(ways[name], weights).reach)
        yield widest, level(ways[widest], place)


def clusterings(wrong: Floats, group: Ints, rows: Ints, examples: Written) -> dict[str, Rates]:
    """Error rates of units [units, rows] clustered by "context" and by "writer"; by "" if there is one of each.

    One context, or one writer, says nothing of others, so it is passed over if there are several of the other.
    """
    made = {
        name: cluster_indices(values[rows])
        for name, values in (("context", examples.context), ("writer", examples.writer))
    }
    several = {name: found for name, found in made.items() if not found[1]} or {"": made["context"]}
    ways = {}
    for name, (clusters, limit) in several.items():
        sums, totals = cluster_sums(wrong, clusters), cluster_sums(np.ones(len(rows)), clusters)
        ways[name] = ratios(sums, totals, group, limit)
    return ways


def _complement(error: Estimate) -> Estimate:
    assert error.value is not None
    assert error.low is not None
    assert error.high is not None
    return Estimate(error.n, 1 - error.value, 1 - error.high, 1 - error.low, error.method, error.limit)
