"""Made-up studies with curves of error that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from collection.analytics.study import TABLES, Study, table

ARMS = {"non-adversarial": "non-adversarial", "static": "static", "dynamic": "dynamic"}
# Floor, scale and exponent of each arm's power law of errors.
CURVES = {"non-adversarial": (0.22, 2.0, 0.5), "static": (0.2, 2.5, 0.45), "dynamic": (0.12, 3.0, 0.4)}


def curved_study(
    *,
    rounds: int = 12,
    arms: Mapping[str, str] = ARMS,
    quota: int = 100,
    rows: int = 300,
    contexts: int = 60,
    seeds: int = 3,
    seconds: float = 90.0,
    labels: Callable[[int], str] = lambda index: ("no", "yes")[index % 2],
    wrong: Callable[[str, int], float] | None = None,
    skip: tuple[tuple[str, int], ...] = (),
) -> Study:
    """A study with one test set; ``wrong`` gives an arm's error after a round, ``skip`` rounds without a version."""
    random = np.random.default_rng(5)
    items = [
        {"test_set": "expert", "index": index, "context": f"c{index % contexts}", "label": labels(index)}
        for index in range(rows)
    ]
    gold = np.array([("no", "yes").index(str(item["label"])) for item in items])
    difficulty = random.random(rows)
    versions: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    examples: list[dict[str, Any]] = []
    votes: list[dict[str, Any]] = []
    for arm in arms:
        floor, scale, exponent = CURVES[arm]
        for number in range(1, rounds + 1):
            n = number * quota
            rate = wrong(arm, number) if wrong else floor + scale * n**-exponent
            written, cast = _collected(arm, number)
            for row in written + cast:
                row["seconds"] = seconds
            examples += written
            votes += cast
            for seed in range(seeds):
                if (arm, number) in skip:
                    continue
                name = f"{arm}-{number}-{seed}"
                role = "curve" if seeds > 1 else "loop"
                versions.append({"version": name, "arm": arm, "round": number, "seed": seed, "rows": n, "role": role})
                missed = 0.6 * difficulty + 0.4 * random.random(rows) < np.quantile(
                    0.6 * difficulty + 0.4 * random.random(rows), np.clip(rate, 0, 1)
                )
                if rate in (0.0, 1.0):
                    missed = np.full(rows, bool(rate))
                evaluations.append(
                    {"version": name, "test_set": "expert", "predicted": np.where(missed, 1 - gold, gold)}
                )
    tables: dict[str, pd.DataFrame] = {name: table(name, []) for name in TABLES}
    tables |= {
        "examples": table("examples", examples),
        "votes": table("votes", votes),
        "versions": table("versions", versions),
        "test_sets": table("test_sets", [{"test_set": "expert", "name": "Expert", "kind": "expert"}]),
        "test_items": table("test_items", items),
        "evaluations": table("evaluations", evaluations),
    }
    return Study(
        name="Curves",
        slug="curves",
        context_field="premise",
        labels=("no", "yes"),
        arms=arms,
        rounds=rounds,
        quota=quota,
        quorum=2,
        currency="USD",
        **tables,
    )


def _collected(arm: str, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Four accepted texts of a round, the first fooling where a model is shown, and two votes on each."""
    shown = arm != "non-adversarial"
    at = pd.Timestamp("2026-01-01", tz="UTC")
    written = [
        {
            "key": f"{arm}-{number}-{index}",
            "arm": arm,
            "round": number,
            "writer": f"{arm}-w{index % 2}",
            "context": "c0",
            "context_text": "a premise",
            "text": "a hypothesis",
            "label": "yes",
            "state": "accepted",
            "fooled": index == 0 if shown else None,
            "prediction": ("no" if index == 0 else "yes") if shown else "",
            "tries": 1,
            "cost": 80.0 if shown and index == 0 else 50.0,
            "submitted_at": at,
        }
        for index in range(4)
    ]
    cast = [
        {
            "example": row["key"],
            "arm": arm,
            "round": number,
            "validator": f"v{index}",
            "label": "yes",
            "flagged": False,
            "cost": 10.0,
            "voted_at": at,
        }
        for row in written
        for index in range(2)
    ]
    return written, cast
