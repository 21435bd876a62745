"""A prediction as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collection.schema import TaskSchema


@dataclass(frozen=True)
class Share:
    """A label, its probability in whole percent, and whether it is the model's answer."""

    title: str
    percent: int
    chosen: bool


def shares(schema: TaskSchema, prediction: str, probabilities: Mapping[str, float] | None) -> list[Share]:
    """The model's probabilities in the order of the labels; none for what has no verdict."""
    if not probabilities:
        return []
    return [
        Share(label.title, round(100 * probabilities.get(label.name, 0.0)), label.name == prediction)
        for label in schema.labels
    ]
