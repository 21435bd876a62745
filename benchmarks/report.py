"""How long a report takes: the whole of a large study, and one round more of it.

    python -m benchmarks.report

Made-up data of 3 arms x 20 rounds x 150 accepted examples, three test sets, ten training seeds and a score of every
version on every round. The first 19 rounds are reported on, then all 20 with the parts that were kept, then all 20
afresh: the last two are compared. The same for the last round of one arm, which is what a worker does whenever a round
is done. Charts and paper are timed beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.serving import hardware
from collection.analytics.drawing import draw
from collection.analytics.parts import Parts, afresh
from collection.analytics.report import BUILDERS, colophon, summary
from collection.analytics.sections import Options, Section
from collection.analytics.study import Study, table
from collection.analytics.typesetting import typeset
from collection.uncollected import uncollected
from tests.collection.analytics.kept import Kept
from tests.collection.analytics.studies_compare import study, until

ROUNDS, QUOTA, SEEDS = 20, 167, 10
_WORDS = 4000


def large_study(seed: int = 0) -> Study:
    """The study with texts whose words are as frequent as Zipf has it, tries, and two votes an example."""
    sets = ("plain", "expert", "errors")
    made = study(
        rounds=ROUNDS, quota=QUOTA, contexts=10, writers=15, seeds=SEEDS, test_sets=sets, test_rows=766,
        test_contexts=100, gains={"non-adversarial": 0.01, "static": 0.012, "dynamic": 0.014}, seed=seed,
    )  # fmt: skip
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, _WORDS + 1)
    drawn = random.choice(_WORDS, size=(len(made.examples), 12), p=share / share.sum())
    lengths = random.integers(4, 13, len(made.examples))
    examples = made.examples.copy()
    examples["text"] = [" ".join(f"w{word}" for word in row[:n]) for row, n in zip(drawn, lengths, strict=True)]
    examples["context_text"] = [f"{context} tells of w1 w2 w3 and w4." for context in examples["context"]]
    # Half of the writers of a round come again in later ones.
    examples["writer"] = [
        name if random.random() < 0.5 else f"{arm} regular {random.integers(8)}"
        for name, arm in zip(examples["writer"], examples["arm"], strict=True)
    ]
    attempts = [_attempt(row, index) for row in examples.to_dict("records") for index in range(1, row["tries"] + 2)]
    labels = made.votes["label"].to_numpy()
    labels = np.where(random.random(len(labels)) < 0.1, random.permutation(labels), labels)
    votes = pd.concat([made.votes, made.votes.assign(validator="validator 2", label=labels)], ignore_index=True)
    return dataclasses.replace(made, examples=examples, attempts=table("attempts", attempts), votes=votes)


def _attempt(row: dict[Any, Any], index: int) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("arm", "round", "writer", "context", "text", "label", "prediction")},
        "key": f"{row['key']}-{index}",
        "example": row["key"] if index == row["tries"] else "",
        "index": index,
        "fooled": None if row["fooled"] is pd.NA else row["fooled"],
        "confidence": 0.5,
        "created_at": row["submitted_at"],
    }


def timed(made: Study, parts: Parts, each: dict[str, float] | None = None) -> tuple[list[Section], float]:
    """The sections, and the seconds that they took; of each section too."""
    began = time.perf_counter()
    found = []
    with uncollected():
        for build in BUILDERS:
            at = time.perf_counter()
            found.append(build(made, Options(), parts))
            if each is not None:
                each[found[-1].id] = time.perf_counter() - at
    return [summary(made, found), *found], time.perf_counter() - began


def main() -> None:
    """Measure and print a Markdown table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    made = large_study()
    fresh = dict[str, float]()
    more, one_more = _one_more(made, until(made, ROUNDS - 1))
    in_one, one_more_in_one = _one_more(made, until(made, ROUNDS - 1, ["dynamic"]))
    # A study of its own: what is kept for sections that share it is not there yet.
    sections, whole = timed(dataclasses.replace(made), afresh, fresh)
    began = time.perf_counter()
    pictures = {(section.id, chart.id): draw(section, chart) for section in sections for chart in section.charts}
    drawing = time.perf_counter() - began
    began = time.perf_counter()
    pdf = typeset("A study", sections, {key: item.svg for key, item in pictures.items()}, colophon(Options()))
    setting = time.perf_counter() - began
    print(f"{hardware()}; {len(made.accepted):,} accepted examples, {len(made.versions)} versions\n")
    print("| section | all 20 rounds, s | one round more of all arms, s | of one arm, s |\n| --- | --- | --- | --- |")
    for name, seconds in fresh.items():
        print(f"| {name} | {seconds:.2f} | {more[name]:.2f} | {in_one[name]:.2f} |")
    print(f"| figures in all | {whole:.2f} | {one_more:.2f} | {one_more_in_one:.2f} |")
    print(f"| {len(pictures)} charts | {drawing:.2f} | | |\n| PDF, {len(pdf) / 1e6:.1f} MB | {setting:.2f} | | |\n")
    print(f"whole report {whole + drawing + setting:.1f} s (limit 60)")
    shares = f"{one_more / whole:.2f} of all arms, {one_more_in_one / whole:.2f} of one arm"
    print(f"figures of one round more / of the whole (limit 0.10): {shares}")


def _one_more(made: Study, before: Study) -> tuple[dict[str, float], float]:
    """What a report takes by section, and in all, whose parts of the study as it was before are kept."""
    kept, each = Kept(), dict[str, float]()
    timed(before, kept)
    return each, timed(dataclasses.replace(made), kept, each)[1]


if __name__ == "__main__":
    main()
