"""How often 95% intervals hold the truth: ``OMP_NUM_THREADS=1 python -m benchmarks.coverage``.

Runs every case of ``benchmarks.coverage_cases`` on made-up experiments whose truth is known, and prints Markdown
tables of the shares that held it and of false alarms, each with Wilson's 95% interval. A share is marked where the
whole of its interval lies outside 93–97% (false alarms: 3–7%).
"""

from __future__ import annotations

import argparse
import pkgutil
import platform
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import import_module
from zlib import crc32

import numpy as np

from benchmarks import coverage_cases
from benchmarks.coverage_cases import Case
from collection.analytics.metrics import share

BAND = (0.93, 0.97)


def cases() -> dict[str, Case]:
    """The cases of every theme by their names, the theme first."""
    found: dict[str, Case] = {}
    for theme in sorted(item.name for item in pkgutil.iter_modules(coverage_cases.__path__)):
        module = import_module(f"{coverage_cases.__name__}.{theme}")
        found |= {f"{theme}: {name}": case for name, case in module.CASES.items()}
    return found


class Tally:
    """Counts for one case: figure or test → held or alarmed, and tried."""

    def __init__(self) -> None:
        self.intervals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.alarms: dict[str, list[int]] = defaultdict(lambda: [0, 0])


def run(name: str, case: Case, experiments: int, seed: int = 0) -> Tally:
    """Run a case on that many experiments. The same seed gives the same experiments, whatever other cases there are."""
    tally = Tally()
    for number in range(experiments):
        covered = case(np.random.default_rng([seed, crc32(name.encode()), number]))
        for figure, held in covered.intervals.items():
            if held is not None:
                tally.intervals[figure][0] += held
                tally.intervals[figure][1] += 1
        for test, alarmed in covered.alarms.items():
            tally.alarms[test][0] += alarmed
            tally.alarms[test][1] += 1
    return tally


def _line(name: str, figure: str, counts: list[int], band: tuple[float, float]) -> str:
    found = share(*counts)
    if found.value is None or found.low is None or found.high is None:
        return f"| {name} | {figure} | none could be given | | 0 | |"
    outside = found.high < band[0] or found.low > band[1]
    mark = "outside" if outside else ""
    return f"| {name} | {figure} | {found.value:.1%} | {found.low:.1%} to {found.high:.1%} | {found.n} | {mark} |"


def report(tallies: Mapping[str, Tally]) -> Iterator[str]:
    """The lines of both tables."""
    head = "| case | {} | share | its interval | experiments | |\n| --- | --- | ---: | --- | ---: | --- |"
    yield "### Intervals that held the truth\n"
    yield head.format("figure")
    for name, tally in tallies.items():
        for figure, counts in tally.intervals.items():
            yield _line(name, figure, counts, BAND)
    yield "\n### False alarms\n"
    yield head.format("test")
    for name, tally in tallies.items():
        for test, counts in tally.alarms.items():
            yield _line(name, test, counts, (1 - BAND[1], 1 - BAND[0]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000, help="made-up experiments a case (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="run the cases whose name holds this")
    options = parser.parse_args()
    chosen = {name: case for name, case in cases().items() if options.only in name}
    if not chosen:
        parser.error(f"--only: no case has {options.only!r} in its name")
    tallies = {}
    for name, case in chosen.items():
        tallies[name] = run(name, case, options.experiments, options.seed)
        print(f"{name}: done", file=sys.stderr, flush=True)
    print(
        f"{options.experiments} experiments a case, seed {options.seed}, {platform.machine()}, numpy {np.__version__}\n"
    )
    print("\n".join(report(tallies)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
