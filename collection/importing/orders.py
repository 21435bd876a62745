"""What somebody may have imported, and how its file is to be read: checked before anything of the file is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from collection.access import Right, allowed, may_create, may_import
from collection.errors import Conflict, Invalid, NotYours
from collection.importing.round_zero import chosen_arms
from collection.importing.tables import FORMATS, format_of
from collection.importing.test_sets import check_names
from collection.models import DataImport, Experiment, Task, TestSet
from collection.planning import check_slug, task_named
from collection.schema import TaskSchema
from collection.states import ExperimentState
from collection.texts import check_text

Kind = DataImport.Kind
# What can be said of a file of each kind.
SAID: Mapping[DataImport.Kind, tuple[str, ...]] = {
    Kind.RELEASE: ("slug",),
    Kind.TEST_SET: ("task", "format", "columns", "labels", "slug", "name", "kind_of_set"),
    Kind.CONTEXTS: ("experiment", "format", "column"),
    Kind.ROUND_ZERO: ("experiment", "format", "columns", "labels", "arms"),
}
_LONGEST_COLUMN = 200


@dataclass(frozen=True)
class Order:
    """A file to be imported: what it is for, and the options of its DataImport."""

    kind: DataImport.Kind
    experiment: Experiment | None
    task: Task | None
    options: Mapping[str, Any]


def check_sender(user: AbstractBaseUser) -> None:
    """Raises NotYours for whoever may have nothing imported at all."""
    if not may_import(user):
        raise NotYours("import")


def order_of(user: AbstractBaseUser, kind: str, file: str, said: Mapping[str, Any]) -> Order:
    """The order for a file of that name, if the user may give it.

    ``said`` is some of SAID. Raises Invalid naming what is wrong, NotYours for an experiment in which the user may not
    do it, and Conflict for one that is no draft.
    """
    check_sender(user)
    if kind not in Kind.values:
        raise Invalid("kind", f"Must be one of: {', '.join(Kind.values)}.")
    chosen = Kind(kind)
    for name in said:
        if name not in SAID[chosen]:
            message = f"Says nothing about {chosen.label}; what does: {', '.join(SAID[chosen])}."
            raise Invalid(name, message, "unknown_field")
    if chosen == Kind.RELEASE:
        check_creator(user)
        slug = said.get("slug") or None
        return Order(chosen, None, None, {"slug": None if slug is None else check_slug("slug", slug)})
    if chosen == Kind.TEST_SET:
        check_creator(user)
        task = task_named(said.get("task", ""))
        kind_of_set = said.get("kind_of_set", TestSet.Kind.IMPORTED.value)
        slug, name = check_names(said.get("slug", ""), said.get("name", ""), kind_of_set)
        named = {"slug": slug, "name": name, "kind": kind_of_set}
        return Order(chosen, None, task, {"format": _format(chosen, file, said), **named, **_mapped(task.schema, said)})
    experiment = _draft(user, said.get("experiment", ""))
    if chosen == Kind.CONTEXTS:
        if experiment.task.schema.context_field is None:
            raise Invalid("experiment", "Writers of its task are given no context.")
        column = said.get("column") or None
        found = None if column is None else check_text("column", column, max_length=_LONGEST_COLUMN)
        options: dict[str, Any] = {"column": found}
    else:
        arms = said.get("arms") or None
        slugs = None if arms is None else [arm.slug for arm in chosen_arms(experiment, arms)]
        options = {"arms": slugs, **_mapped(experiment.task.schema, said)}
    return Order(chosen, experiment, None, {"format": _format(chosen, file, said), **options})


def check_creator(user: AbstractBaseUser) -> None:
    """Raises NotYours for whoever may make neither experiments nor test sets."""
    if not may_create(user):
        raise NotYours("import")


def _format(kind: DataImport.Kind, file: str, said: Mapping[str, Any]) -> str:
    format = said.get("format") or format_of(file)
    # A line of plain text has no label.
    if format not in FORMATS or (format == "text" and kind != Kind.CONTEXTS):
        raise Invalid("format", "The file's name does not tell its format. Please choose it.")
    return str(format)


def _draft(user: AbstractBaseUser, slug: str) -> Experiment:
    experiment = allowed(user, slug, Right.RUN)
    if experiment.state != ExperimentState.DRAFT:
        raise Conflict("locked", f"Data can be added to a draft only; this experiment is {experiment.state}.")
    return experiment


def _mapped(schema: TaskSchema, said: Mapping[str, Any]) -> dict[str, Any]:
    """Where fields stand and what labels are called, as far as it was said."""
    columns, labels = (pairs(name, said.get(name)) for name in ("columns", "labels"))
    for word, label in labels.items():
        schema.check_label(f"labels.{word}", label)
    return {"columns": columns, "labels": labels}


def pairs(field: str, value: object) -> dict[str, str]:
    """Texts by name; none where nothing was said. Raises Invalid on ``field`` for anything else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid(field, "Must be an object.")
    for text in (text for pair in value.items() for text in pair):
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_COLUMN or not text.isprintable():
            raise Invalid(field, f"Must have texts of 1 to {_LONGEST_COLUMN} characters by such names.")
    return dict(value)
