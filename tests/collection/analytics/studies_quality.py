"""Synthetic studies of texts for the tests of data quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from collection.analytics.study import Study, table

ARMS = {"non-adversarial": "non-adversarial", "static": "static", "dynamic": "dynamic"}
LABELS = ("entailment", "contradiction")
_NOUNS = ["man", "woman", "child", "dog", "horse", "doctor", "farmer", "sailor", "king", "girl", "painter", "cook"]
_VERBS = ["sees", "finds", "carries", "likes", "follows", "paints", "washes", "sells", "hears", "draws"]
_PLACES = ["river", "house", "garden", "market", "bridge", "ship", "castle", "forest", "school", "station"]
_EXTRA = ["old", "red", "quiet", "broken", "famous", "heavy", "early", "strange", "bright", "narrow"]


def example(number: int, **changes: Any) -> dict[str, Any]:
    """An accepted example of round 1, with what a test is about in ``changes``."""
    return {
        "key": f"e{number}",
        "arm": "dynamic",
        "round": 1,
        "writer": f"w{number % 6}",
        "context": f"c{number % 5}",
        "context_text": "The man sees a river near the house.",
        "text": f"The man sees house {number}.",
        "label": LABELS[number % 2],
        "state": "accepted",
        "fooled": None,
        "prediction": "",
        "tries": 1,
        "seconds": float("nan"),
        "cost": float("nan"),
        "submitted_at": pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(minutes=number),
        **changes,
    }


def study(rows: Sequence[Mapping[str, Any]], arms: Mapping[str, str] = ARMS, labels: tuple[str, ...] = LABELS) -> Study:
    """A study of these examples and nothing else."""
    empty = ("attempts", "votes", "versions", "test_sets", "test_items", "evaluations", "round_scores")
    frames = {name: table(name, []) for name in empty}
    rounds = max((row["round"] for row in rows), default=1)
    return Study(
        "S", "s", "premise", labels, arms, rounds, 10, 3, "GBP", examples=table("examples", list(rows)), **frames
    )


def written(per_round: int, rounds: int = 1, arms: Mapping[str, str] = ARMS, seed: int = 0) -> list[dict[str, Any]]:
    """Texts like English ones. Texts of the first arm are shorter, and give contradictions away by "not"."""
    random = np.random.default_rng(seed)
    rows = []
    for place, arm in enumerate(arms):
        for number in range(1, rounds + 1):
            for _ in range(per_round):
                index = len(rows)
                label = LABELS[int(random.integers(2))]
                noun, other = random.choice(_NOUNS, 2)
                extra = " ".join(random.choice(_EXTRA, int(random.integers(1, 3 + place))))
                negation = "does not care and " if label == LABELS[1] and place == 0 and random.random() < 0.5 else ""
                where = random.choice(_PLACES)
                text = f"The {noun} {negation}{random.choice(_VERBS)} the {extra} {other} near the {where}."
                context = f"A {noun} and the {random.choice(_NOUNS)} are near the {random.choice(_PLACES)}."
                changes = {"arm": arm, "round": number, "text": text, "label": label, "context_text": context}
                changes |= {"context": f"c{random.integers(12)}", "writer": f"{arm} {random.integers(9)}"}
                rows.append(example(index, **changes))
    return rows
