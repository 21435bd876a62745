"""Made-up studies whose truth is known, for learning curves, comparisons, the cross matrix and the panel."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from collection.analytics.study import TABLES, Study, table

ARMS = {"non-adversarial": "non-adversarial", "static": "static", "dynamic": "dynamic"}
LABELS = ("yes", "no")
START = pd.Timestamp("2026-01-01", tz="UTC")


def study(
    *,
    arms: Mapping[str, str] = ARMS,
    rounds: int = 4,
    quota: int = 40,
    contexts: int = 10,
    writers: int = 4,
    seeds: int = 1,
    test_sets: Sequence[str] = ("expert-written",),
    test_rows: int = 200,
    test_contexts: int = 20,
    gains: Mapping[str, float] | None = None,
    fooled: float = 0.4,
    labels: tuple[str, ...] = LABELS,
    seed: int = 0,
) -> Study:
    """A study in which the accuracy of an arm's versions is 0.6 at the start and grows by its gain each round.

    ``writers`` are new in every round, so no round shares writers with what a version was trained on. With several
    ``seeds`` there are as many ``curve`` versions beside the one of the loop.
    """
    random = np.random.default_rng(seed)
    gain = {"non-adversarial": 0.05, "static": 0.05, "dynamic": 0.08} if gains is None else gains
    examples: list[dict[str, Any]] = []
    votes: list[dict[str, Any]] = []
    for arm in arms:
        for number in range(1, rounds + 1):
            for index in range(quota):
                key = f"{arm}-{number}-{index}"
                shown = arms[arm] != "non-adversarial"
                examples.append(
                    {
                        "key": key,
                        "arm": arm,
                        "round": number,
                        "writer": f"{arm} writer {number}.{index % writers}",
                        "context": f"context {index % contexts}" if contexts else "",
                        "context_text": "A paragraph.",
                        "text": f"Text {key}.",
                        "label": labels[index % len(labels)],
                        "state": "rejected" if index % 10 == 9 else "accepted",
                        "fooled": bool(random.random() < fooled) if shown else None,
                        "prediction": labels[0] if shown else "",
                        "tries": 1,
                        "seconds": 60.0,
                        "cost": 50.0,
                        "submitted_at": START + pd.Timedelta(minutes=len(examples)),
                    }
                )
                votes.append(
                    {
                        "example": key,
                        "arm": arm,
                        "round": number,
                        "validator": "validator 1",
                        "label": labels[index % len(labels)],
                        "flagged": False,
                        "seconds": 12.0,
                        "cost": 5.0,
                        "voted_at": START + pd.Timedelta(minutes=len(examples) + 5),
                    }
                )
    versions = [{"version": "base", "arm": "", "round": 0, "seed": 0, "rows": 1000, "role": "base"}]
    for arm in arms:
        for number in range(1, rounds + 1):
            trained = {"arm": arm, "round": number, "rows": round(number * quota * 0.9)}
            versions.append({**trained, "version": f"{arm}/{number}", "seed": 0, "role": "loop"})
            if seeds > 1:
                for at in range(seeds):
                    versions.append({**trained, "version": f"{arm}/{number}/{at}", "seed": at, "role": "curve"})
    gold = random.integers(0, len(labels), test_rows)
    context = np.arange(test_rows) % max(test_contexts, 1)
    hard = random.normal(0, 0.3, max(test_contexts, 1))[context]
    each = random.normal(0, 0.5, test_rows)
    items, evaluations = [], []
    for name in test_sets:
        for index in range(test_rows):
            where = f"test context {context[index]}" if test_contexts else ""
            items.append({"test_set": name, "index": index, "context": where, "label": labels[gold[index]]})
        for version in versions:
            skill = min(0.6 + gain.get(str(version["arm"]), 0.0) * int(str(version["round"])), 0.97)
            score = np.log(skill / (1 - skill)) + hard + each + random.logistic(0, 1, test_rows)
            predicted = np.where(score > 0, gold, (gold + 1) % len(labels))
            evaluations.append({"version": version["version"], "test_set": name, "predicted": predicted})
    frame = pd.DataFrame(examples, columns=["key", "arm", "round", "label", "state"])
    accepted = frame[frame["state"] == "accepted"]
    scores = []
    for (arm, number), rows in accepted.groupby(["arm", "round"], sort=False):
        truth = rows["label"].map(labels.index).to_numpy()
        for version in versions:
            right = random.random(len(rows)) < 0.6
            predicted = np.where(right, truth, (truth + 1) % len(labels))
            scores.append(
                {
                    "version": version["version"],
                    "arm": arm,
                    "round": number,
                    "examples": tuple(rows["key"]),
                    "predicted": predicted,
                }
            )
    return Study(
        name="A study",
        slug="study",
        context_field="premise",
        labels=labels,
        arms=arms,
        rounds=rounds,
        quota=quota,
        quorum=1,
        currency="EUR",
        examples=table("examples", examples),
        attempts=table("attempts", []),
        votes=table("votes", votes),
        versions=table("versions", versions),
        test_sets=table("test_sets", [{"test_set": name, "name": name, "kind": "imported"} for name in test_sets]),
        test_items=table("test_items", items),
        evaluations=table("evaluations", evaluations),
        round_scores=table("round_scores", scores),
    )


def with_table(made: Study, name: str, rows: pd.DataFrame) -> Study:
    """The study with another table in place of one."""
    changed: dict[str, Any] = {name: rows}
    return dataclasses.replace(made, **changed)


def with_one_writer(given: Study) -> Study:
    """The study as if one person had written all of it."""
    examples = given.examples.copy()
    examples["writer"] = "only"
    return with_table(given, "examples", examples)


def empty(made: Study, *names: str) -> Study:
    """The study with no rows in the named tables."""
    for name in names:
        made = with_table(made, name, table(name, []))
    return made


def until(made: Study, last: int, arms: Collection[str] | None = None) -> Study:
    """The study as it was after a round; with ``arms`` in these alone, the others having gone on."""
    kept = {name: getattr(made, name) for name in TABLES}
    for name, frame in kept.items():
        if "round" in frame:
            there = frame["round"] <= last
            kept[name] = frame[there if arms is None else there | ~frame["arm"].isin(arms)]
    known = set(kept["versions"]["version"])
    for name in ("evaluations", "round_scores"):
        kept[name] = kept[name][kept[name]["version"].isin(known)]
    return dataclasses.replace(made, **{name: frame.reset_index(drop=True) for name, frame in kept.items()})


def with_accuracy(given: Study, shares: Mapping[str, float]) -> Study:
    """The study with versions that are right on these shares of test rows, 0.6 for the others."""
    random = np.random.default_rng(0)
    gold = given.test_items["label"].map(given.labels.index).to_numpy()
    said = [
        np.where(random.random(len(gold)) < shares.get(version, 0.6), gold, 1 - gold)
        for version in given.evaluations["version"]
    ]
    return with_table(given, "evaluations", given.evaluations.assign(predicted=said))


def with_writers(given: Study, arm: str, writer: str) -> Study:
    """The study as if one person had written all texts of an arm."""
    examples = given.examples
    return with_table(
        given, "examples", examples.assign(writer=examples["writer"].where(examples["arm"] != arm, writer))
    )
