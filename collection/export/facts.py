"""What a release says of itself, for its card and its Croissant metadata. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collection.export.columns import Kind, attempt_columns, example_columns, text_column
from collection.schema import TaskSchema

_MEANINGS: Mapping[str, str] = {
    "id": "Name of the row, the same in every release of the study",
    "arm": "The way of collecting",
    "round": "Round of the arm, from 1",
    "split": "train, dev or test; rest is in none of them",
    "context": "Place of the context in study/contexts.jsonl",
    "label": "The writer's label",
    "state": "What became of it",
    "writer": "Pseudonym of the writer, made for this release",
    "assignment": "The task in which it was written; tries of one task have the same",
    "attempt": "The try that was handed in",
    "try": "Which try of its task it was, from 0",
    "example": "The example that it became, if any",
    "model_version": "The model that was to be fooled, in study/versions.jsonl",
    "prediction": "The model's label",
    "probabilities": "The model's probability of each label",
    "fooled": "Whether prediction and the writer's label differ",
    "latency_ms": "How long the verdict took, in milliseconds",
    "leased_at": "When the writer was given the task",
    "attempted_at": "When the text was sent",
    "judged_at": "When the verdict was there",
    "why_label": "The writer's words on why the label is right",
    "why_fooled": "The writer's words on why the model was fooled",
    "ruling": "An expert's words, where an expert decided",
    "submitted_at": "When it was handed in",
    "decided_at": "When it was accepted or rejected",
    "votes": "What validators said, by the time of voting; a vote has no label where the text was flagged",
}


@dataclass(frozen=True)
class Facts:
    """A release's own files: ``manifest`` is release.json as far as it stands before the card is written.

    ``licence`` is an SPDX id or "" for none, ``language`` a BCP 47 code, ``homepage`` a URL or "".
    """

    manifest: Mapping[str, Any]
    study: Mapping[str, Any]
    splits: Mapping[str, Any]
    privacy: Mapping[str, Any]
    licence: str = ""
    language: str = "en"
    homepage: str = ""

    @property
    def schema(self) -> TaskSchema:
        """The task's fields and labels."""
        return TaskSchema.parse(self.study["task"]["fields"], self.study["task"]["labels"])

    @property
    def arms(self) -> dict[str, str]:
        """The arms that are in the release, each with its kind, in their order."""
        return {arm["slug"]: arm["kind"] for arm in self.study["arms"] if arm["slug"] in self.manifest["counts"]}

    def columns(self, table: str) -> dict[str, Kind]:
        """The columns of ``examples`` or ``attempts``."""
        fields = [item.name for item in self.schema.fields]
        return example_columns(fields) if table == "examples" else attempt_columns(fields)

    def meanings(self) -> dict[str, str]:
        """What each column of either table holds, in words."""
        titles = {text_column(item.name): f"Text: {item.title}" for item in self.schema.fields}
        return {**titles, **_MEANINGS}

    def counted(self, arm: str, **wanted: str) -> int:
        """How many examples of an arm there are, in a state or split if one is given."""
        return sum(row["examples"] for row in self._counts(arm) if wanted.items() <= row.items())

    def _counts(self, arm: str) -> Iterator[Mapping[str, Any]]:
        yield from self.manifest["counts"][arm]
