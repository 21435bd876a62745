"""Two arms on one test set whose true accuracies are known, over contexts and training seeds.

A row is answered right if a sum of normal variables is above 0: a mean for the arm, the context (shared by the arms,
and its own in each arm), the row, the training seed, the seed in that context, and noise. So the true accuracy is a
normal probability, over all contexts and, where an arm has several seeds, over all seeds. With one seed an interval is
about that version, and the truth is its accuracy over all contexts. Contexts differ in size as gamma(4) variables do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.coverage_cases import Case, Covered, holds
from collection.analytics.contrasts import contrast, fewer
from collection.analytics.paired import crossover, mean_height
from collection.analytics.resampling import drawn_errors
from collection.analytics.two_way import Floats, Ints, cluster_sums, level, ratios

ROWS = 766  # those of the source study's expert-written test set


@dataclass(frozen=True)
class World:
    """Accuracies of groups of versions, and the standard deviations on the scale of the normal variable."""

    accuracies: tuple[float, ...] = (0.75, 0.80)
    contexts: int = 300
    seeds: int = 3
    context: float = 0.5
    context_in_arm: float = 0.3
    row: float = 1.0
    seed: float = 0.15
    seed_in_context: float = 0.2

    def draw(self, random: np.random.Generator) -> tuple[Floats, Floats, Ints, Floats]:
        """Hits [units, contexts], rows [contexts], group [units] and the true accuracies [groups]."""
        right, context, truth = self.answers(random)
        hits = cluster_sums(right.astype(float), context).reshape(-1, self.contexts)
        rows = np.bincount(context, minlength=self.contexts).astype(float)
        return hits, rows, np.repeat(np.arange(len(truth)), self.seeds), truth

    def answers(self, random: np.random.Generator) -> tuple[NDArray[np.bool_], Ints, Floats]:
        """Which answers are right [groups, seeds, rows], context [rows] and the true accuracies [groups]."""
        groups = len(self.accuracies)
        share = random.gamma(4, 1, self.contexts)
        others = random.choice(self.contexts, ROWS - self.contexts, p=share / share.sum())
        context = np.concatenate([np.arange(self.contexts), others])
        parts = (self.context, self.context_in_arm, self.row, self.seed, self.seed_in_context, 1.0)
        total = float(np.sqrt(np.square(parts).sum()))
        mean = norm.ppf(self.accuracies) * total
        seeds = random.normal(0, self.seed, (groups, self.seeds))
        shared = random.normal(0, self.context, self.contexts)[context] + random.normal(0, self.row, ROWS)
        in_arm = random.normal(0, self.context_in_arm, (groups, 1, self.contexts))
        in_seed = random.normal(0, self.seed_in_context, (groups, self.seeds, self.contexts))
        noise = random.normal(0, 1, (groups, self.seeds, ROWS))
        score = mean[:, None, None] + shared + seeds[:, :, None] + (in_arm + in_seed)[..., context] + noise
        truth = np.array(self.accuracies)
        if self.seeds == 1:
            truth = norm.cdf((mean + seeds[:, 0]) / np.sqrt(total**2 - self.seed**2))
        return score > 0, context.astype(np.int64), truth


def compared(world: World) -> Case:
    """Accuracy, difference and errors spared of the second group against the first."""

    def case(random: np.random.Generator) -> Covered:
        hits, rows, group, truth = world.draw(random)
        right, wrong = ratios(hits, rows, group), ratios(rows - hits, rows, group)
        difference, p = contrast(right, np.array([-1.0, 1.0]))
        intervals = {
            "accuracy": holds(level(right, 1), float(truth[1])),
            "difference": holds(difference, float(truth[1] - truth[0])),
            "fewer errors": holds(fewer(wrong, 1, 0), float(1 - (1 - truth[1]) / (1 - truth[0]))),
        }
        same = truth[0] == truth[1]
        return Covered(intervals, {"difference": p is not None and p < 0.05} if same else {})

    return case


_FIRST = (0.70, 0.76, 0.78, 0.79, 0.795)
_SECOND = (0.66, 0.73, 0.775, 0.80, 0.82)
_EXAMPLES = np.array([100.0, 250, 400, 700, 1000])


def curves(random: np.random.Generator) -> Covered:
    """Two learning curves of five rounds, of which the second overtakes in the fourth."""
    world = World((*_FIRST, *_SECOND))
    right, context, truth = world.answers(random)
    hits, rows = cluster_sums(right.astype(float), context), np.bincount(context).astype(float)
    made = ratios(hits.reshape(-1, len(rows)), rows, np.repeat(np.arange(len(truth)), world.seeds))
    height = mean_height(_EXAMPLES, 150, 900)
    weights = np.concatenate([-height, height])
    area, _ = contrast(made, weights)
    _, drawn = drawn_errors(list(~right), context, 500, int(random.integers(2**31)))
    means = made.means()
    found = crossover(range(1, 6), means[5:] - means[:5], drawn[:, :5] - drawn[:, 5:])
    overtaken = holds(found.round, 4.0) if found.overtakes == 1 else None
    return Covered({"area": holds(area, float(weights @ truth)), "overtaking round": overtaken})


def _worlds() -> dict[str, Case]:
    made: dict[str, Case] = {}
    for contexts in (10, 300):
        for seeds in (1, 2, 3, 10):
            size = f"{contexts} contexts, {seeds} seed{'s' if seeds > 1 else ''}"
            made[size] = compared(World(contexts=contexts, seeds=seeds))
            if seeds > 1:
                made[f"{size}, no difference"] = compared(World((0.8, 0.8), contexts=contexts, seeds=seeds))
            else:
                world = World((0.8, 0.8), contexts=contexts, seeds=1, seed=0.0)
                made[f"{size}, no difference"] = compared(world)
    return made


CASES: dict[str, Case] = {
    **_worlds(),
    "every row its own context, 3 seeds": compared(World(contexts=ROWS)),
    "10 contexts, 3 seeds, few errors": compared(World((0.92, 0.95), contexts=10)),
    "300 contexts, 3 seeds, few errors": compared(World((0.92, 0.95))),
    "300 contexts, 3 seeds that differ much": compared(World(seed=0.3)),
    "300 contexts, 2 seeds that differ much": compared(World(seeds=2, seed=0.3)),
    "300 contexts, 3 seeds that do not differ": compared(World(seed=0.0, seed_in_context=0.0)),
    "300 contexts, 2 seeds that do not differ": compared(World(seeds=2, seed=0.0, seed_in_context=0.0)),
    "two curves of 5 rounds, 300 contexts, 3 seeds": curves,
}
