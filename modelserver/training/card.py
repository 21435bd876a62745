"""The model card of the base model; every number in it is one that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelserver.wire import Recipe, Score

TEST_SETS = {
    "snli": "SNLI: sentences about photographs",
    "cad": "SNLI pairs revised by people so that the label changes",
    "sick": "SICK: short sentences, some made by rule",
    "med": "MED: monotonicity, what follows from *every*, *no*, *few*",
    "rte": "RTE: news paragraphs",
}


@dataclass(frozen=True)
class Measured:
    """What one run of the command used and measured; ``scores`` come with the share of the commonest label."""

    seed: int
    recipe: Recipe
    rows: Mapping[str, int]
    dropped: int
    train_loss: float
    weights_bytes: int
    versions: Mapping[str, str]
    scores: Sequence[tuple[Score, float]]


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a share of ``n`` independent trials."""
    z = 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def model_card(measured: Measured) -> str:
    """The text of README.md, in Markdown with the metadata block of a model card."""
    recipe = measured.recipe
    return CARD.format(
        size=f"{measured.weights_bytes / 1e6:.1f}",
        snli=measured.rows["snli"],
        cad=measured.rows["cad"],
        total=sum(measured.rows.values()),
        dropped=measured.dropped,
        rank=recipe.rank,
        alpha=recipe.alpha,
        dropout=recipe.dropout,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=f"{recipe.learning_rate:g}",
        warmup=f"{recipe.warmup:.0%}",
        weight_decay=recipe.weight_decay,
        clip=recipe.max_gradient_norm,
        max_length=recipe.max_length,
        seed=measured.seed,
        loss=f"{measured.train_loss:.3f}",
        versions=", ".join(f"{name} {version}" for name, version in measured.versions.items()),
        scores="\n".join(_score_line(score, majority) for score, majority in measured.scores),
        flags=f"--seed {measured.seed}",
    )


def _score_line(score: Score, majority: float) -> str:
    low, high = wilson_interval(score.accuracy, score.rows)
    name = TEST_SETS.get(score.key, score.key)
    interval = f"{low:.3f} to {high:.3f}"
    return f"| {name} | {score.rows} | {score.accuracy:.3f} | {interval} | {score.balanced_accuracy:.3f} | {majority:.3f} |"


CARD = """---
language: en
license: cc-by-sa-4.0
pipeline_tag: text-classification
base_model: sentence-transformers/all-MiniLM-L6-v2
---
"""
