"""Versions on what writers of every arm and round wrote: who would have been fooled by whose examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collection.analytics.metrics import Estimate, missing
from collection.analytics.parts import Parts, digest, shared
from collection.analytics.scores import Trained, standing
from collection.analytics.study import Study
from collection.analytics.two_way import Ints, balanced, cluster_sums, crossed_ratios, ways_of

_ESTIMATES = ("accuracy", "error", "balanced")
# Part of every key: to be raised whenever cells are worked out in another way.
_CODE = 4
NOTHING_SCORED = "the round has no accepted examples with a score"
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Written:
    """The accepted examples as arrays, a row an example: label index, context, writer, and for each arm the first round
    in which its writer had an accepted example there (NEVER if there is none). ``row_of`` finds the row of a key."""

    gold: Ints
    context: NDArray[np.object_]
    writer: NDArray[np.object_]
    first: Mapping[str, Ints]
    row_of: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Asked:
    """The keys of examples that versions were scored on: one and the same for all that were scored on the same, so that
    what is made of it is made once."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """The versions that stand for an arm and round, on accepted examples of ``on_arm`` in ``on_round``: ``said`` has,
    for each version, what it was asked and the label indices that it gave."""

    trained: Trained
    on_arm: str
    on_round: int
    said: tuple[tuple[Asked, Ints], ...]


@dataclass(frozen=True)
class Cell:
    """How the versions that stand for an arm and round do on the accepted examples of ``on_arm`` in ``on_round``.

    ``left_out`` examples were not counted, as their writer also wrote what the versions were trained on. Intervals
    keep together the rows of one ``clustered_by``: "context and writer", or the one of which there are several, or "".
    ``majority`` is the share of the commonest gold label, ``said`` that of each of the task's labels among the answers,
    both plain counts of these examples (None and () where there are none).
    """

    trained: Trained
    on_arm: str
    on_round: int
    accuracy: Estimate
    error: Estimate
    balanced: Estimate
    majority: float | None
    said: tuple[float, ...]
    left_out: int
    clustered_by: str


def written(study: Study) -> Written:
    """The accepted examples with one of the task's labels."""
    accepted = study.accepted.drop_duplicates("key")
    gold = accepted["label"].map({label: index for index, label in enumerate(study.labels)})
    accepted, gold = accepted[gold.notna()], gold[gold.notna()]
    in_arm = accepted.groupby(["arm", "writer"])["round"].min()
    first = {
        arm: in_arm[arm].reindex(accepted["writer"], fill_value=NEVER).to_numpy(dtype=np.int64)
        for arm in in_arm.index.unique("arm")
    }
    return Written(
        gold.to_numpy(dtype=np.int64),
        accepted["context"].to_numpy(dtype=object),
        accepted["writer"].to_numpy(dtype=object),
        first,
        {key: row for row, key in enumerate(accepted["key"])},
    )


@shared
def crossed(study: Study, parts: Parts) -> list[Cell]:
    """All cells of a study, for all sections that show any of them. Those that a round brought, with its versions or
    its examples, are a part."""
    examples, found = written(study), scored(study)
    made: dict[int, Cell] = {}
    since: dict[int, list[int]] = {}
    for at, item in enumerate(found):
        since.setdefault(max(item.trained.round, item.on_round), []).append(at)
    content = cache(partial(_content, examples=examples))
    for places in since.values():
        own = [found[at] for at in places]
        named = [(item.trained.arm, item.trained.round, item.on_arm, item.on_round) for item in own]
        of_examples = [[content(asked) for asked, _ in item.said] for item in own]
        key = digest(
            _CODE, study.labels, named, of_examples, np.concatenate([given for item in own for _, given in item.said])
        )
        stored = parts("cross", key, partial(_plain, own, examples, study.labels))
        for at, item, plain in zip(places, own, stored, strict=True):
            figures = {name: Estimate(**plain[name]) for name in _ESTIMATES} | {"said": tuple(plain["said"])}
            made[at] = Cell(item.trained, item.on_arm, item.on_round, **(plain | figures))
    return [made[at] for at in range(len(found))]


def _content(asked: Asked, examples: Written) -> str:
    """A digest of all that cells hold of these examples."""
    rows = _rows(asked, examples)
    known = rows[rows >= 0]
    names = (examples.context[known].tolist(), examples.writer[known].tolist())
    first = {arm: of_arm[known].tolist() for arm, of_arm in examples.first.items()}
    return digest(asked.keys, rows >= 0, examples.gold[known], first, *names)


def _plain(found: Sequence[Scored], examples: Written, labels: Sequence[str]) -> list[dict[str, Any]]:
    """What is stored of cells: all but what ``found`` names already."""
    return [
        {name: getattr(item, name) for name in ("majority", "said", "left_out", "clustered_by")}
        | {name: asdict(getattr(item, name)) for name in _ESTIMATES}
        for item in cells(found, examples, len(labels))
    ]


def scored(study: Study) -> list[Scored]:
    """What versions were scored on, in the order of arms and rounds; of a version scored twice the later."""
    table = study.round_scores
    places = zip(table["arm"], table["round"], table["version"], strict=True)
    asked = map(cache(Asked), map(tuple, table["examples"]))
    found = dict(zip(places, zip(asked, table["predicted"], strict=True), strict=True))
    trained = standing(study, table["version"])
    made = []
    for arm in study.arms:
        for number in range(1, study.rounds + 1):
            for item in trained:
                theirs = [found[arm, number, name] for name in item.versions if (arm, number, name) in found]
                if theirs:
                    said = tuple((each, np.asarray(given, dtype=np.int64)) for each, given in theirs)
                    made.append(Scored(item, arm, number, said))
    return made


def _rows(asked: Asked, examples: Written) -> Ints:
    """The row of each key, -1 where it is not of an accepted example."""
    return np.array([examples.row_of.get(key, -1) for key in asked.keys], dtype=np.int64)


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


def cells(found: Sequence[Scored], examples: Written, labels: int) -> list[Cell]:
    """The cells of the matrix of versions by rounds, in the same order; missing, with the reason, where none of its
    examples can be counted."""
    made: dict[int, Cell] = {}
    alike: dict[tuple[bytes, int], list[tuple[int, Scored, Ints]]] = {}
    rows_of = {asked: _rows(asked, examples) for asked in {asked for item in found for asked, _ in item.said}}
    for at, item in enumerate(found):
        scores, predicted = _together([(rows_of[asked], given) for asked, given in item.said])
        counted = np.ones(len(scores), dtype=bool)
        if item.trained.arm in examples.first:
            # Of other arms too: nothing keeps people of imported studies to one arm.
            counted = examples.first[item.trained.arm][scores] > item.trained.round
        rows = scores[counted]
        left_out = len(scores) - len(rows)
        if len(rows):
            alike.setdefault((rows.tobytes(), left_out), []).append((at, item, predicted[:, counted]))
        else:
            why = (
                "every writer of these examples also wrote what the version was trained on"
                if left_out
                else NOTHING_SCORED
            )
            none = missing(0, why)
            made[at] = Cell(item.trained, item.on_arm, item.on_round, none, none, none, None, (), left_out, "")
    for (of_rows, left_out), members in alike.items():
        rows = np.frombuffer(of_rows, dtype=np.int64)
        answers = [predicted for _, _, predicted in members]
        figures = _figures(answers, rows, examples, labels)
        majority = float(np.bincount(examples.gold[rows]).max() / len(rows))
        for (at, item, predicted), (clustered_by, error, recall) in zip(members, figures, strict=True):
            said = tuple((np.bincount(predicted.ravel(), minlength=labels) / predicted.size).tolist())
            of = (item.trained, item.on_arm, item.on_round)
            made[at] = Cell(*of, _complement(error), error, recall, majority, said, left_out, clustered_by)
    return [made[at] for at in range(len(found))]


def _figures(
    members: Sequence[Ints], rows: Ints, examples: Written, labels: int
) -> list[tuple[str, Estimate, Estimate]]:
    """For each of those that were scored on the same rows, having said [versions, rows], what intervals keep together,
    its error and its balanced accuracy."""
    said = np.concatenate(members)
    group = np.repeat(np.arange(len(members)), [len(predicted) for predicted in members])
    right, each = said == examples.gold[rows], np.ones(said.shape)
    of_label = (examples.gold[rows] == np.arange(labels)[:, None]).astype(float)
    kinds = {"context": examples.context[rows], "writer": examples.writer[rows]}
    ways = ways_of(each, kinds)
    errors = crossed_ratios((~right).astype(float), each, group, ways)
    recalled = right[:, None, :] * of_label
    recall = ways.rates(
        lambda clusters: balanced(cluster_sums(recalled, clusters), cluster_sums(of_label, clusters), group)
    )
    return [(" and ".join(ways.kinds), *of_member) for of_member in zip(errors.levels, recall.levels, strict=True)]


def _complement(error: Estimate) -> Estimate:
    assert error.value is not None
    assert error.low is not None
    assert error.high is not None
    return Estimate(error.n, 1 - error.value, 1 - error.high, 1 - error.low, error.method, error.limit)
