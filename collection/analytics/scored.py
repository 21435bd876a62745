"""Which rows of a test set the versions of each arm and round got wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collection.analytics.scores import BASE, standing
from collection.analytics.study import Study


@dataclass(frozen=True)
class Scored:
    """What an arm's round trained: the versions that differ in their seed alone. ``wrong`` is [seeds, rows]."""

    arm: str
    round: int
    examples: float
    wrong: NDArray[np.bool_]


@dataclass(frozen=True)
class Sheet:
    """A test set with all that was scored on it. ``slug`` is its place, as names may hold anything; ``clusters`` [rows]
    numbers the context of each row. ``scored`` is in the order of arms and rounds, without the base version."""

    test_set: str
    slug: str
    name: str
    clusters: NDArray[np.int64]
    scored: tuple[Scored, ...]


def sheets(study: Study) -> Iterator[Sheet]:
    """The test sets that have rows. Versions of role ``curve`` stand for a round where there are any, else the ``loop``
    one. Scores that do not have an answer a row are left out."""
    for place, item in enumerate(study.test_sets.itertuples(), start=1):
        rows = study.test_items[study.test_items["test_set"] == item.test_set].sort_values("index")
        if len(rows):
            clusters = np.unique(rows["context"].to_numpy(dtype=str), return_inverse=True)[1]
            gold = pd.Categorical(rows["label"], categories=list(study.labels)).codes.astype(np.int64)
            scored = tuple(_scored(study, str(item.test_set), gold))
            yield Sheet(str(item.test_set), f"test-set-{place}", str(item.name), clusters, scored)


def _scored(study: Study, test_set: str, gold: NDArray[np.int64]) -> Iterator[Scored]:
    rows = study.evaluations[study.evaluations["test_set"] == test_set]
    predicted = {
        version: np.asarray(labels)
        for version, labels in zip(rows["version"], rows["predicted"], strict=True)
        if len(labels) == len(gold)
    }
    for item in standing(study, pd.Series(list(predicted), dtype=object)):
        if item.role != BASE:
            wrong = np.stack([predicted[version] != gold for version in item.versions])
            yield Scored(item.arm, item.round, item.examples, wrong)
