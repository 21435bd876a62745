"""Which way of collecting gives better models: pairs of arms on the same test rows, round by round."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from collection.analytics.contrasts import contrast, contrasts, fewer_each
from collection.analytics.metrics import Estimate, missing
from collection.analytics.paired import Crossover, McNemar, crossover, mcnemar, mean_height
from collection.analytics.parts import Parts, digest
from collection.analytics.scores import Tested
from collection.analytics.sections import Options
from collection.analytics.two_way import Floats


@dataclass(frozen=True)
class Pair:
    """An arm and the reference that it is held against on a test set, with the rounds (the start not among them)
    after which both have scored versions."""

    tested: Tested
    arm: str
    reference: str
    rounds: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.arm} against {self.reference}"

    def groups(self, number: int) -> tuple[int, int]:
        """The groups of the arm and of the reference after a common round."""
        own, other = self.tested.index(self.arm, number), self.tested.index(self.reference, number)
        if own is None or other is None:
            raise ValueError(f"round {number} has no scored version of both {self.name}")
        return own, other

    def weights(self, number: int) -> Floats:
        """What makes the difference, arm less reference, of group means."""
        weights = np.zeros(len(self.tested.trained))
        own, other = self.groups(number)
        weights[own], weights[other] = 1.0, -1.0
        return weights


@dataclass(frozen=True)
class Compared:
    """The figures of a pair after a round: the difference in accuracy (arm less reference), the p value of none, the
    difference in balanced accuracy, by which share the arm makes fewer errors, and McNemar's test where each side is
    a single version."""

    pair: Pair
    round: int
    difference: Estimate
    p: float
    balanced: Estimate
    fewer: Estimate
    mcnemar: McNemar | None


@dataclass(frozen=True)
class Area:
    """Mean accuracy of a pair over the range of examples that both curves cover, and the difference of the two."""

    low: float
    high: float
    arm: float
    reference: float
    difference: Estimate
    p: float


def pairs(tested: Tested, arms: tuple[str, ...]) -> list[Pair]:
    """Every two arms with a round in common, a later arm held against each earlier one."""
    found = []
    for reference, arm in combinations(arms, 2):
        common = sorted(set(tested.rounds(arm)) & set(tested.rounds(reference)) - {0})
        if common:
            found.append(Pair(tested, arm, reference, tuple(common)))
    return found


def compare(pair: Pair) -> list[Compared]:
    """The figures of a pair after each common round."""
    tested, groups = pair.tested, [pair.groups(number) for number in pair.rounds]
    weights = np.stack([pair.weights(number) for number in pair.rounds])
    singles = [(tested.single(own), tested.single(other)) for own, other in groups]
    figures = zip(
        pair.rounds,
        contrasts(tested.accuracy, weights),
        contrasts(tested.balanced, weights),
        fewer_each(tested.errors, groups),
        singles,
        strict=True,
    )
    return [
        Compared(
            pair,
            number,
            *difference,
            balanced,
            spared,
            mcnemar(first, second) if first is not None and second is not None else None,
        )
        for number, difference, (balanced, _), spared, (first, second) in figures
    ]


def area(pair: Pair) -> Area | None:
    """The areas under both learning curves by examples, on their common range; None if they share no range."""
    curves = []
    for arm in (pair.arm, pair.reference):
        points = {}
        for number in pair.tested.rounds(arm):
            group = pair.tested.index(arm, number)
            assert group is not None
            points[0.0 if number == 0 else pair.tested.trained[group].examples] = group
        curves.append((np.array(sorted(points)), [points[x] for x in sorted(points)]))
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    if low >= high:
        return None
    both = np.zeros((2, len(pair.tested.trained)))
    for side, (x, groups) in enumerate(curves):
        both[side, groups] = mean_height(x, low, high)
    means = np.nan_to_num(pair.tested.accuracy.means())
    difference, p = contrast(pair.tested.accuracy, both[0] - both[1])
    return Area(float(low), float(high), float(both[0] @ means), float(both[1] @ means), difference, p)


def overtaking(pair: Pair, options: Options, parts: Parts) -> Crossover:
    """Which of the pair overtook the other, and when; worked out again only when one of their versions is new."""
    tested = pair.tested
    wanted = [group for number in pair.rounds for group in pair.groups(number)]
    units = np.flatnonzero(np.isin(tested.group, wanted))

    def compute() -> dict[str, object]:
        sides = [group for side in zip(*map(pair.groups, pair.rounds), strict=True) for group in side]
        drawn = tested.resampled(options.draws, options.seed).drawn(sides)
        means, last = tested.accuracy.means(), len(pair.rounds)
        observed = means[sides[:last]] - means[sides[last:]]
        found = crossover(pair.rounds, observed, drawn[:, last:] - drawn[:, :last])
        figure = found.round
        return {
            "overtakes": found.overtakes,
            "figure": [figure.n, figure.value, figure.low, figure.high, figure.method, figure.limit],
            "share": found.share,
        }

    if len(pair.rounds) < 2:
        return Crossover(0, missing(len(pair.rounds), "it takes two rounds to see one overtake the other"), None)
    answers = tested.predicted[units] == tested.gold
    key = digest("4", pair.name, answers, tested.clusters, tested.group[units], pair.rounds, options)
    stored = parts("crossover", key, compute)
    return Crossover(stored["overtakes"], Estimate(*stored["figure"]), stored["share"])
