"""What a release's tables hold: the columns of every file, in their order. Pure.

A row is a mapping from column to plain value. Times are ISO 8601 in UTC with six digits of a second and ``Z``; a
column that has no value is None, a text that is empty "". The columns of the task's fields come where ``TEXTS`` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Kind = Literal["text", "count", "flag", "number", "time", "shares", "votes"]
# Of a column that may be None.
OPTIONAL = frozenset({"context", "model_version", "prediction", "probabilities", "fooled", "latency_ms",
                      "judged_at", "decided_at", "example"})  # fmt: skip
# Where the columns of the task's fields stand.
TEXTS = "texts"

VOTE: Mapping[str, Kind] = {
    "id": "text",
    "validator": "text",
    "label": "text",
    "flagged": "flag",
    "reason": "text",
    "asked_at": "time",
    "voted_at": "time",
    "settled_at": "time",
}
# ``context`` is the context's position in the experiment; ``try`` numbers the texts of one assignment from 0, as
# they came; ``label`` is the writer's; ``shares`` are probabilities by label; ``votes`` are those that count, by the
# time of voting; a vote's ``label`` is "" where the text was flagged.
_ATTEMPTED: Mapping[str, Kind] = {
    "model_version": "text",
    "prediction": "text",
    "probabilities": "shares",
    "fooled": "flag",
    "latency_ms": "number",
    "leased_at": "time",
    "attempted_at": "time",
    "judged_at": "time",
}
_EXAMPLE: Mapping[str, Kind] = {
    "id": "text",
    "arm": "text",
    "round": "count",
    "split": "text",
    "context": "count",
    TEXTS: "text",
    "label": "text",
    "state": "text",
    "writer": "text",
    "assignment": "text",
    "attempt": "text",
    "try": "count",
    **_ATTEMPTED,
    "why_label": "text",
    "why_fooled": "text",
    "ruling": "text",
    "submitted_at": "time",
    "decided_at": "time",
    "votes": "votes",
}
# ``example`` is the id of the example that the text became.
_ATTEMPT: Mapping[str, Kind] = {
    "id": "text",
    "arm": "text",
    "round": "count",
    "context": "count",
    TEXTS: "text",
    "label": "text",
    "state": "text",
    "writer": "text",
    "assignment": "text",
    "try": "count",
    "example": "text",
    **_ATTEMPTED,
}


def text_column(field: str) -> str:
    """The column of a task's field: its name, or ``text:…`` where a column of another meaning has that name.

    No field has a colon in its name.
    """
    return f"text:{field}" if field in _EXAMPLE or field in _ATTEMPT else field


def example_columns(fields: Sequence[str]) -> dict[str, Kind]:
    """The columns of examples of a task with these fields, in order."""
    return _with_texts(_EXAMPLE, fields)


def attempt_columns(fields: Sequence[str]) -> dict[str, Kind]:
    """The columns of attempts of a task with these fields, in order."""
    return _with_texts(_ATTEMPT, fields)


def _with_texts(columns: Mapping[str, Kind], fields: Sequence[str]) -> dict[str, Kind]:
    made: dict[str, Kind] = {}
    for name, kind in columns.items():
        made.update({text_column(field): "text" for field in fields} if name == TEXTS else {name: kind})
    return made
