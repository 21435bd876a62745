"""What versions said on a test set, as sums over contexts; which versions stand for an arm and round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collection.analytics.parts import shared
from collection.analytics.resampling import Resampled
from collection.analytics.study import Study
from collection.analytics.two_way import Floats, Ints, Rates, balanced, cluster_indices, cluster_sums, ratios

BASE = "base"
# What a version may have been trained for; of several that stand for a round, the first here comes before the others.
ROLES = ("curve", "loop", BASE)


@dataclass(frozen=True)
class Trained:
    """What stands for a method of collecting after a round: versions that differ in their training seed alone.

    ``role`` is that of the versions; ``examples`` is how many they were trained on (on average, if these differ).
    The base version stands for arm "" and round 0.
    """

    arm: str
    round: int
    role: str
    versions: tuple[str, ...]
    examples: float


def standing(study: Study, scored: pd.Series) -> tuple[Trained, ...]:
    """For the start and each arm and round the versions, among those ``scored``, that stand for it, in order.

    ``curve`` versions come before ``loop`` ones, as they were trained on equally many examples in every arm.
    """
    wanted, seen = set(scored), set()
    chosen: dict[tuple[str, int], dict[str, list[tuple[int, str, int]]]] = {}
    columns = (study.versions[name] for name in ("version", "role", "arm", "round", "seed", "rows"))
    for version, role, arm, number, seed, rows in zip(*columns, strict=True):
        if version in wanted and (version, role) not in seen:
            seen.add((version, role))
            chosen.setdefault((arm, number), {}).setdefault(role, []).append((seed, version, rows))
    found = []
    for place in [("", 0), *((arm, number) for arm in study.arms for number in range(1, study.rounds + 1))]:
        roles = chosen.get(place, {})
        role = next((role for role in ROLES if role in roles), None)
        if role is not None:
            _, versions, sizes = zip(*sorted(roles[role]), strict=True)
            found.append(Trained(*place, role, versions, sum(sizes) / len(sizes)))
    return tuple(found)


@dataclass(frozen=True)
class Tested:
    """A test set and what the versions standing for each round said of it.

    ``gold`` [rows] and ``predicted`` [units, rows] are label indices; ``clusters`` [rows]; ``group`` [units] indexes
    ``trained``. ``limits`` say what the test set cannot tell, and which rows or versions had to be left out, and why.
    """

    place: int
    name: str
    kind: str
    labels: tuple[str, ...]
    gold: Ints
    clusters: Ints
    predicted: NDArray[np.int64]
    group: Ints
    trained: tuple[Trained, ...]
    about_clusters: str
    limits: tuple[str, ...]

    @cached_property
    def rows(self) -> Floats:
        """Test rows [clusters]."""
        return cluster_sums(np.ones(len(self.gold)), self.clusters)

    @cached_property
    def hits(self) -> Floats:
        """Right answers [units, clusters]."""
        return cluster_sums((self.predicted == self.gold).astype(float), self.clusters)

    @cached_property
    def accuracy(self) -> Rates:
        return self._of(ratios(self.hits, self.rows, self.group, self.about_clusters))

    @cached_property
    def errors(self) -> Rates:
        return self._of(ratios(self.rows - self.hits, self.rows, self.group, self.about_clusters))

    @cached_property
    def balanced(self) -> Rates:
        """Balanced accuracy."""
        each = np.arange(len(self.labels))[:, None] == self.gold
        right = (self.predicted == self.gold).astype(float)
        hits = np.stack([cluster_sums(right * of_label, self.clusters) for of_label in each], axis=1)
        totals = cluster_sums(each.astype(float), self.clusters)
        return self._of(balanced(hits, totals, self.group, self.about_clusters))

    @cached_property
    def said(self) -> tuple[Rates, ...]:
        """For each label, the share of rows that were given it."""
        each = [
            cluster_sums((self.predicted == label).astype(float), self.clusters) for label in range(len(self.labels))
        ]
        return tuple(self._of(ratios(hits, self.rows, self.group, self.about_clusters)) for hits in each)

    def _of(self, found: Rates) -> Rates:
        """The rates, with what their clusters are: contexts, or rows where none has a context with others."""
        return replace(found, kinds=("context",) if len(self.rows) < len(self.gold) else ())

    @cached_property
    def _resampled(self) -> dict[tuple[int, int], Resampled]:
        return {}

    def resampled(self, draws: int, seed: int) -> Resampled:
        """Errors of all groups with draws of them, made once for all figures that are from them."""
        if (draws, seed) not in self._resampled:
            wrong = [self.wrong(group) for group in range(len(self.trained))]
            self._resampled[draws, seed] = Resampled.of(wrong, self.clusters, draws, seed)
        return self._resampled[draws, seed]

    @property
    def slug(self) -> str:
        """The name for ids of charts: its place among the test sets, as names may hold anything."""
        return f"test-set-{self.place}"

    @property
    def majority(self) -> float:
        """What always giving the commonest gold label would score."""
        return float(np.bincount(self.gold).max() / len(self.gold))

    @property
    def only_label(self) -> str:
        """The gold label of all rows; "" where they have several."""
        return self.labels[self.gold[0]] if (self.gold == self.gold[0]).all() else ""

    @property
    def warning(self) -> str:
        """What is to be said beside any claim about arms on a test set of errors; "" for others."""
        if self.kind != "adversarial":
            return ""
        return (
            f"{self.name} is made of the errors of one model. It favours the arm whose loop held that model, as that "
            "arm's examples were written against the same model; a lead there says little about other texts."
        )

    def index(self, arm: str, round_: int) -> int | None:
        """The group that stands for the arm and round: the base version for round 0 of every arm."""
        place = ("", 0) if round_ == 0 else (arm, round_)
        return next((at for at, item in enumerate(self.trained) if (item.arm, item.round) == place), None)

    def wrong(self, group: int) -> NDArray[np.bool_]:
        """What the versions of a group, which differ in their seed alone, got wrong [seeds, rows]."""
        found: NDArray[np.bool_] = self.predicted[self.group == group] != self.gold
        return found

    def rounds(self, arm: str) -> list[int]:
        """The rounds of the arm that have a scored version, the start (0) among them if it has."""
        return [item.round for item in self.trained if item.arm == arm or item.round == 0]

    def single(self, group: int) -> NDArray[np.bool_] | None:
        """Which rows [rows] the version of a group got right, if it is a single one."""
        units = np.flatnonzero(self.group == group)
        return self.predicted[units[0]] == self.gold if len(units) == 1 else None


def tested_sets(study: Study) -> tuple[list[Tested], list[str]]:
    """:func:`_tested_sets` in lists of the caller's own."""
    found, limits = _tested_sets(study)
    return list(found), list(limits)


@shared
def _tested_sets(study: Study) -> tuple[list[Tested], list[str]]:
    """Every test set with rows and scored versions, in order; and what is to be said of the others."""
    found, limits = [], []
    by_set = dict(tuple(study.evaluations.groupby("test_set", sort=False)))
    items_by_set = dict(tuple(study.test_items.groupby("test_set", sort=False)))
    for place, row in enumerate(study.test_sets.drop_duplicates("test_set").itertuples(), start=1):
        items, evaluations = items_by_set.get(row.test_set), by_set.get(row.test_set)
        if items is None:
            limits.append(f"The test set {row.name} has no rows.")
        elif evaluations is None:
            limits.append(f"No version was scored on the test set {row.name} yet.")
        else:
            made = _scores(study, (place, row.name, row.kind), items.sort_values("index"), evaluations)
            if isinstance(made, str):
                limits.append(made)
            else:
                found.append(made)
                limits.extend(made.limits)
    if not len(study.test_sets):
        limits.append("The experiment has no test set, so nothing can be said of how good its models are.")
    return found, limits


def seeds_limits(tested: Sequence[Tested]) -> list[str]:
    """What is to be said of intervals if versions, that of the start aside, have one training seed; nothing if not."""
    seeds = [len(item.versions) for found in tested for item in found.trained if item.role != BASE]
    if 1 not in seeds:
        return []
    which = "Versions have one training seed" if set(seeds) == {1} else "Some versions have one training seed"
    return [
        f"{which}: their intervals are about test rows only, and a difference may be one of seeds. Three or more seeds "
        "tell luck in training from what an arm's examples bring."
    ]


def _scores(
    study: Study, test_set: tuple[int, str, str], items: pd.DataFrame, evaluations: pd.DataFrame
) -> Tested | str:
    _, name, _ = test_set
    gold = items["label"].map({label: index for index, label in enumerate(study.labels)})
    kept = gold.notna().to_numpy(dtype=bool)
    limits = []
    if not kept.all():
        limits.append(f"{int((~kept).sum())} rows of {name} have a label that the task lacks; they are left out.")
    if not kept.any():
        return f"No row of the test set {name} has one of the task's labels."
    predicted = dict(zip(evaluations["version"], evaluations["predicted"], strict=True))
    whole = {version: array for version, array in predicted.items() if len(array) == len(items)}
    if len(whole) < len(predicted):
        limits.append(f"{len(predicted) - len(whole)} versions were not scored on every row of {name}; left out.")
    trained = standing(study, pd.Series(list(whole), dtype=object))
    if not trained:
        return f"No version that stands for a round was scored on the test set {name}."
    clusters, about = cluster_indices(items["context"].to_numpy()[kept])
    if about:
        limits.insert(0, f"{name}: {about}.")
    if gold[kept].nunique() == 1:
        label = study.labels[int(gold[kept].iloc[0])]
        limits.insert(
            0, f"{name}: all rows have the label {label}, so it tells how often models give that label alone."
        )
    units = [(at, version) for at, item in enumerate(trained) for version in item.versions]
    return Tested(
        *test_set,
        labels=study.labels,
        gold=gold[kept].to_numpy(dtype=np.int64),
        clusters=clusters,
        predicted=np.stack([np.asarray(whole[version], dtype=np.int64)[kept] for _, version in units]),
        group=np.array([at for at, _ in units], dtype=np.int64),
        trained=trained,
        about_clusters=about,
        limits=tuple(limits),
    )
