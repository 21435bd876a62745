"""Which column of a file holds what: said by the person, or guessed from the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collection.errors import Invalid
from collection.schema import Field, TaskSchema

LABEL = "label"
# What published data sets call the fields of a task with two, in their order; then by what the field is for.
_OF_TWO = (("premise", "sentence1"), ("hypothesis", "sentence2"))
_OF_ONE = ("text", "sentence", "sentence1", "context", "premise")
_FOR_CONTEXT, _FOR_WRITER = ("context", "text"), ("text",)
_LABELS = ("label", "gold_label")


def guess_column(field: Field, schema: TaskSchema, columns: Sequence[str]) -> str | None:
    """The column that holds a field, by its name, its title or a well-known name, in any case; None if none does."""
    return _first((field.name, field.title, *_known(field, schema)), columns)


def map_columns(schema: TaskSchema, columns: Sequence[str], said: Mapping[str, str] | None) -> dict[str, str]:
    """Field (or ``label``) to column: what was said, and guesses for the rest; what cannot be guessed is left out.

    No column is taken twice. Raises Invalid on ``columns.<field>`` for what was said of a field that the task does not
    have or of a column that the file does not have, and for a column that was given twice.
    """
    names = [item.name for item in schema.fields] + [LABEL]
    mapping: dict[str, str] = {}
    for name, column in (said or {}).items():
        if name not in names:
            raise Invalid(f"columns.{name}", "This task has no such field.", "unknown_field")
        mapping[name] = check_column(f"columns.{name}", column, columns)
        if list(mapping.values()).count(column) > 1:
            raise Invalid(f"columns.{name}", f"Column {column!r} is given twice.")
    # All by name first, then all by title: a field's title may be another field's name.
    rounds: tuple[dict[str, tuple[str, ...]], ...] = (
        {name: (name,) for name in names},
        {item.name: (item.title,) for item in schema.fields},
        {item.name: _known(item, schema) for item in schema.fields} | {LABEL: _LABELS},
    )
    for wanted in rounds:
        for name, candidates in wanted.items():
            if name not in mapping:
                found = _first(candidates, [column for column in columns if column not in mapping.values()])
                if found is not None:
                    mapping[name] = found
    return mapping


def check_column(field: str, column: str, columns: Sequence[str]) -> str:
    """The column. Raises Invalid naming ``field`` if the file has none of this name."""
    if column not in columns:
        raise Invalid(field, f"The file has no column {column[:80]!r}; it has: {named(columns)}.", "unknown_column")
    return column


def named(columns: Sequence[str]) -> str:
    """The names of columns, for a message."""
    shown = ", ".join(repr(column[:80]) for column in columns[:20])
    return f"{shown} and {len(columns) - 20} more" if len(columns) > 20 else shown or "none"


def _known(field: Field, schema: TaskSchema) -> tuple[str, ...]:
    if len(schema.fields) == 1:
        return _OF_ONE
    return (*_OF_TWO[schema.fields.index(field)], *(_FOR_CONTEXT if field.source == "context" else _FOR_WRITER))


def _first(candidates: Sequence[str], columns: Sequence[str]) -> str | None:
    by_name = {column.casefold(): column for column in reversed(columns)}
    for candidate in candidates:
        if candidate in columns:
            return candidate
        if candidate.casefold() in by_name:
            return by_name[candidate.casefold()]
    return None
