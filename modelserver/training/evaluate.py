"""Scores of a model on labelled rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from modelserver.engine.loading import LoadedModel
from modelserver.training.data import Rows
from modelserver.training.progress import ProgressFile
from modelserver.wire import Score

# On two cores and MiniLM 512 to 4096 tokens a batch are equally fast; 8192 no longer fit the caches and are slower.
TOKENS_PER_BATCH = 2048


def score(model: LoadedModel, key: str, rows: Rows, progress: ProgressFile) -> Score:
    """Put every row to the model; the score lists them in the file's order. Raises WireError if a row does not fit."""
    encodings = rows.encode(model)
    progress.phase("evaluating", len(encodings))
    answers: dict[int, list[float]] = {}
    for batch in batches_by_length([len(encoding) for encoding in encodings], TOKENS_PER_BATCH):
        answers.update(zip(batch, model.probabilities([encodings[row] for row in batch]), strict=True))
        progress.step(len(answers))
    probabilities = [answers[row] for row in range(len(encodings))]
    gold = [row.label for row in rows.rows]
    predicted = [max(range(len(row)), key=row.__getitem__) for row in probabilities]
    return Score(
        key=key,
        rows=len(gold),
        accuracy=accuracy(gold, predicted),
        balanced_accuracy=balanced_accuracy(gold, predicted),
        predicted=tuple(predicted),
        confidence=tuple(row[label] for row, label in zip(probabilities, gold, strict=True)),
    )


def accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """The share of rows whose label was predicted."""
    return sum(one == other for one, other in zip(gold, predicted, strict=True)) / len(gold)


def balanced_accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """The mean, over the labels that occur in ``gold``, of the share of their rows that were predicted."""
    occurring = Counter(gold)
    right = Counter(one for one, other in zip(gold, predicted, strict=True) if one == other)
    return sum(right[label] / count for label, count in occurring.items()) / len(occurring)


def batches_by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Row numbers in batches of at most so many tokens, padding included, and at least one row: longest rows first."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
