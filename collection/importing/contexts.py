"""Adding contexts to a draft from a file or a pasted text: looked at first, then stored whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from django.db import transaction

from collection.contexts import append_contexts
from collection.errors import Conflict, Invalid
from collection.importing.columns import check_column, guess_column, named
from collection.importing.preview import Duplicate, Findings, Preview, known_fingerprints
from collection.importing.rows import Fault, Limits
from collection.importing.tables import TEXT_COLUMN, open_table
from collection.models import Experiment, Task
from collection.states import ExperimentState
from collection.texts import fingerprint


@dataclass(frozen=True, kw_only=True)
class ContextPreview(Preview):
    """Contexts of a file. ``column`` holds them, None if that could not be guessed; ``texts`` are distinct."""

    column: str | None
    texts: tuple[str, ...]


@dataclass(frozen=True)
class StoredContexts:
    """How many contexts were added, and how many of the file's the experiment had already."""

    added: int
    already: int


def preview_contexts(
    task: Task,
    file: BinaryIO,
    format: str,
    column: str | None = None,
    *,
    experiment: Experiment | None = None,
    limits: Limits | None = None,
) -> ContextPreview:
    """What a file of contexts has in it; nothing is stored.

    ``column`` is guessed from the task's context field if it is not given. With an ``experiment``, the contexts that it
    has already are named. Raises Invalid on ``file``, ``format``, ``column`` or, for a task without contexts,
    ``contexts``; what is wrong with single rows, or no column to be guessed, is among the preview's faults.
    """
    field = task.schema.context_field
    if field is None:
        raise Invalid("contexts", "This task has no context field.")
    stream = open_table(file, format, limits)
    if column is not None:
        check_column("column", column, stream.columns)
    elif format == "text":
        column = TEXT_COLUMN
    else:
        column = guess_column(field, task.schema, stream.columns)
    findings = Findings(stream)
    if column is None:
        message = f"No column is called {field.name!r}. Please say which holds the contexts: {named(stream.columns)}."
        findings.fault(Fault(1, "", message))
    known = known_fingerprints(experiment)
    seen: dict[str, tuple[int, str]] = {}
    for row in findings.readable(None if column is None else [column]):
        if column is None:
            continue
        text = findings.text(row, column, min_length=field.min_length, max_length=field.max_length)
        if text is None:
            continue
        mark = fingerprint([text])
        first_line, first = seen.setdefault(mark, (row.line, text))
        if first_line != row.line:
            findings.duplicate(Duplicate(row.line, first_line, "same" if first == text else "similar"))
            if first != text:
                message = f"Differs from line {first_line} only in case, punctuation or spacing."
                findings.fault(Fault(row.line, column, message))
        elif mark in known:
            findings.known(row.line, text)
    texts = tuple(text for _, text in seen.values())
    return ContextPreview(**vars(findings.preview(task)), column=column, texts=texts)


def store_contexts(experiment: Experiment, preview: ContextPreview) -> StoredContexts:
    """Add the contexts of a preview to a draft and shuffle all anew; those that it has already are passed over.

    Raises Invalid if the preview has a fault or is for another task, Conflict if the experiment is no draft.
    """
    preview.check(experiment.task)
    with transaction.atomic():
        # Two uploads, or an upload and a launch, at the same moment: one after the other.
        locked = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if locked.state != ExperimentState.DRAFT:
            message = f"Contexts can be added to a draft only; this experiment is {locked.state}."
            raise Conflict("locked", message)
        known = known_fingerprints(locked)
        fresh = [text for text in preview.texts if fingerprint([text]) not in known]
        if fresh:
            append_contexts(locked, fresh)
    return StoredContexts(added=len(fresh), already=len(preview.texts) - len(fresh))
