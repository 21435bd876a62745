"""A prediction, and an example with its votes, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collection.models import Example, Validation
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


def cards(
    schema: TaskSchema, examples: Iterable[Example], votes: Mapping[int, Sequence[Validation]]
) -> list[dict[str, Any]]:
    """A card for each: its texts with their fields, its label and its votes (by example) with their titles."""
    titles = {label.name: label.title for label in schema.labels}
    return [
        {
            "example": item,
            "texts": list(zip(schema.fields, item.attempt.texts, strict=True)),
            "label": titles.get(item.label, item.label),
            "votes": [(titles.get(vote.label, ""), vote) for vote in votes.get(item.pk, ())],
        }
        for item in examples
    ]
