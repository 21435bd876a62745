"""The coverage benchmark in small: intervals hold the truth about as often as they say, and a broken one is found."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import cases, report, run
from benchmarks.coverage_cases import Covered, holds
from collection.analytics.metrics import Estimate, missing

EXPERIMENTS = 150


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "comparison: 10 contexts, 1 seed, no difference",
        "comparison: 10 contexts, 3 seeds",
        "comparison: 300 contexts, 2 seeds, no difference",
        "comparison: 300 contexts, 3 seeds, few errors",
        "cross: 30 contexts, 30 writers, 1 seed",
        "panel: 100 contexts, 8 new writers a round, no change",
    ],
)
def test_intervals_hold_the_truth_and_tests_raise_few_false_alarms(name: str) -> None:
    # 150 experiments leave 2 percentage points of chance: a percentile bootstrap of ten contexts held 89% in 600.
    tally = run(name, cases()[name], EXPERIMENTS)
    for figure, (held, tried) in tally.intervals.items():
        assert tried == EXPERIMENTS
        assert held / tried > 0.9, figure
    for test, (alarms, tried) in tally.alarms.items():
        assert alarms / tried < 0.1, test


def test_an_interval_that_is_too_narrow_is_marked() -> None:
    def narrow(random: np.random.Generator) -> Covered:
        mean = float(random.normal())
        return Covered({"mean": holds(Estimate(1, mean, mean - 1, mean + 1), 0.0)}, {"mean": abs(mean) > 1})

    lines = list(report({"narrow": run("narrow", narrow, 200)}))
    assert sum(line.endswith("outside |") for line in lines) == 2


def test_a_figure_that_could_not_be_given_counts_for_nothing() -> None:
    tally = run("none", lambda _: Covered({"figure": holds(missing(0, "nothing"), 0.0)}), 5)
    assert tally.intervals == {}
    assert holds(Estimate(1, 0.5, 0.2, None), 7.0) is True
