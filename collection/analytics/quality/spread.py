"""How evenly examples lie over labels and contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chisquare


@dataclass(frozen=True)
class Coverage:
    """``used`` of ``known`` contexts have an example. ``evenness`` is 1 where all that are used have equally many
    (Pielou 1966: entropy over its largest value; None with fewer than two), ``gini`` 0 where all known contexts do
    (Gini 1912), near 1 where one has nearly all."""

    used: int
    known: int
    evenness: float | None
    gini: float


def coverage(contexts: Sequence[str], known: Sequence[str]) -> Coverage:
    """How the examples' ``contexts`` are spread over those that are ``known``, which include them. Raises ValueError
    where there are none."""
    names = sorted(set(known) | set(contexts))
    if not contexts:
        raise ValueError("there are no examples")
    place = {name: index for index, name in enumerate(names)}
    counts = np.sort(np.bincount([place[name] for name in contexts], minlength=len(names)))
    used = counts[counts > 0] / counts.sum()
    ranks = np.arange(1, len(counts) + 1)
    gini = float(((2 * ranks - len(counts) - 1) * counts).sum() / (len(counts) * counts.sum()))
    evenness = float(-(used * np.log(used)).sum() / np.log(len(used))) if len(used) > 1 else None
    return Coverage(len(used), len(names), evenness, gini)


def imbalance(labels: Sequence[str], names: Sequence[str]) -> float | None:
    """The p-value of Pearson's chi-square test (1900) that all labels are equally common. None where there are fewer
    than five examples a label, for which the test does not hold."""
    counts = [sum(label == name for label in labels) for name in names]
    if len(names) < 2 or sum(counts) < 5 * len(names):
        return None
    return float(chisquare(counts).pvalue)
