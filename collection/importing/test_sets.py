"""Importing test sets, rows that never enter training: looked at first, then stored whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.db import IntegrityError, transaction

from collection.errors import Invalid
from collection.importing.columns import LABEL, map_columns, named
from collection.importing.jsonl import LabelledRow
from collection.importing.preview import MOST_NAMED, Duplicate, Findings, Preview, known_fingerprints
from collection.importing.rows import Cell, Fault, Limits
from collection.importing.rows import Row as TableRow
from collection.importing.tables import open_table
from collection.models import Experiment, Task, TestItem, TestSet
from collection.schema import TaskSchema
from collection.texts import check_text, fingerprint
from modelserver.datafiles import DataStore, Row
from modelserver.wire import MAX_TEXT_CHARACTERS

_SLUG = re.compile(r"[a-z]([a-z0-9-]{0,58}[a-z0-9])?")
_NUMBER = re.compile(r"[-+]?[0-9]{1,3}")


@dataclass(frozen=True, kw_only=True)
class TestSetPreview(Preview):
    """Labelled rows of a file; ``mapping`` says which column each field and ``label`` come from."""

    __test__ = False

    mapping: Mapping[str, str]
    items: tuple[LabelledRow, ...]


def preview_test_set(
    task: Task,
    file: BinaryIO,
    format: str,
    columns: Mapping[str, str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    experiment: Experiment | None = None,
    limits: Limits | None = None,
) -> TestSetPreview:
    """What a file of labelled rows has in it; nothing is stored.

    ``columns`` maps fields and ``label`` to columns; what it leaves out is guessed. ``labels`` says which label of the
    task is meant where the file says something else. With an ``experiment``, rows with a text that is one of its
    contexts are named. Raises Invalid on ``file``, ``format``, ``columns.<field>`` or ``labels.<word>``; what is wrong
    with single rows, or a column that cannot be guessed, is among the preview's faults.
    """
    schema = task.schema
    stream = open_table(file, format, limits)
    mapping = map_columns(schema, stream.columns, columns)
    findings = Findings(stream)
    missing = [name for name in (*(item.name for item in schema.fields), LABEL) if name not in mapping]
    for name in missing:
        message = f"No column is called {name!r}. Please say which holds it: {named(stream.columns)}."
        findings.fault(Fault(1, "", message))
    known = known_fingerprints(experiment)
    named_labels = _Labels(schema, mapping.get(LABEL, LABEL), labels or {})
    items: list[LabelledRow] = []
    seen: dict[str, LabelledRow] = {}
    for row in findings.readable(None if missing else list(mapping.values())):
        if missing:
            continue
        texts = [
            findings.text(row, mapping[item.name], max_length=MAX_TEXT_CHARACTERS, as_found=True)
            for item in schema.fields
        ]
        label = named_labels.of(row, findings)
        written = tuple(text for text in texts if text is not None)
        if label is None or len(written) < len(texts):
            continue
        item = LabelledRow(row.line, written, label)
        first = seen.setdefault(fingerprint(written), item)
        if first is not item:
            findings.duplicate(_duplicate(item, first))
        found = next((text for text in written if known and fingerprint([text]) in known), None)
        if found is not None:
            findings.known(row.line, found)
        items.append(item)
    named_labels.finish(findings)
    return TestSetPreview(**vars(findings.preview(task)), mapping=mapping, items=tuple(items))


def store_test_set(
    slug: str, name: str, task: Task, kind: TestSet.Kind, preview: TestSetPreview, store: DataStore
) -> TestSet:
    """Store the rows of a preview as a test set, as ``import_test_set`` does.

    Raises Invalid if the preview has a fault or is for another task, for a bad slug, name or kind, and for a slug that
    stands for other rows.
    """
    preview.check(task)
    slug, name = check_names(slug, name, kind)
    return import_test_set(slug, name, task, TestSet.Kind(kind), preview.items, store)


def check_names(slug: str, name: str, kind: str) -> tuple[str, str]:
    """Slug and name of a test set. Raises Invalid for a bad one and for a kind that there is not."""
    if not _SLUG.fullmatch(slug):
        raise Invalid("slug", "Must be lower-case letters, digits and inner dashes, at most 60, a letter first.")
    if kind not in TestSet.Kind.values:
        raise Invalid("kind", f"Must be one of: {', '.join(TestSet.Kind.values)}.")
    return slug, check_text("name", name, max_length=100)


def import_test_set(
    slug: str, name: str, task: Task, kind: TestSet.Kind, rows: Sequence[LabelledRow], store: DataStore
) -> TestSet:
    """Store a test set, whole or not at all. The same name with the same rows gives the set that stands.

    Raises Invalid for an empty set and for a name that stands for other rows.
    """
    if not rows:
        raise Invalid("rows", "A test set needs at least one row.")
    file = store.put(Row(str(index), row.texts, row.label) for index, row in enumerate(rows))
    standing = TestSet.objects.filter(slug=slug).first()
    if standing is None:
        try:
            return _create(slug, name, task, kind, rows, file.sha256)
        except IntegrityError:
            standing = TestSet.objects.get(slug=slug)
    if (standing.sha256, standing.task_id) != (file.sha256, task.pk):
        raise Invalid("slug", f"There is a test set {slug!r} with other rows already.", "taken")
    return standing


def _create(slug: str, name: str, task: Task, kind: TestSet.Kind, rows: Sequence[LabelledRow], sha256: str) -> TestSet:
    with transaction.atomic():
        test_set = TestSet.objects.create(slug=slug, name=name, task=task, kind=kind, sha256=sha256, rows=len(rows))
        TestItem.objects.bulk_create(
            (
                TestItem(test_set=test_set, index=index, texts=list(row.texts), label=row.label)
                for index, row in enumerate(rows)
            ),
            batch_size=1000,
        )
    return test_set


class _Labels:
    """Labels by name or title in any case. Numbers that say nothing to the task are one fault if there is no name."""

    def __init__(self, schema: TaskSchema, column: str, meant: Mapping[str, str]) -> None:
        self._schema = schema
        self._column = column
        self._names = {label.title.strip().casefold(): label.name for label in reversed(schema.labels)}
        self._names |= {label.name.casefold(): label.name for label in schema.labels}
        self._names |= {word.strip().casefold(): schema.check_label(f"labels.{word}", meant[word]) for word in meant}
        self._numbers: list[Fault] = []
        self._number_count = self._others = 0

    def of(self, row: TableRow, findings: Findings) -> str | None:
        """The label's name; None, with the fault noted, if there is none."""
        cell = row.cells.get(self._column)
        said = _said(cell)
        label = self._names.get(said.casefold())
        if label is not None:
            self._others += 1
            return label
        names = ", ".join(self._schema.label_names)
        fault = Fault(row.line, self._column, f"Must be one of {names}, not {said[:80]!r}.")
        if _NUMBER.fullmatch(said):
            # Whether these are a fault each or one fault of the whole file is known at its end.
            self._number_count += 1
            self._numbers += [fault] * (len(self._numbers) < MOST_NAMED)
        else:
            self._others += 1
            findings.fault(fault if cell is not None else Fault(row.line, self._column, "There is no label here."))
        return None

    def finish(self, findings: Findings) -> None:
        """Note what is wrong with labels that are numbers."""
        if self._number_count and not self._others:
            names = ", ".join(self._schema.label_names)
            message = (
                "The labels are numbers, and which number means what differs between data sets. "
                f"Please write the names in the file: {names}."
            )
            findings.fault(Fault(self._numbers[0].line, self._column, message))
        else:
            findings.merge(self._numbers, self._number_count)


def _said(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        # A column of whole numbers with a gap in it is one of floats to pandas.
        cell = int(cell)
    return cell.strip() if isinstance(cell, str) else str(cell)


def _duplicate(item: LabelledRow, first: LabelledRow) -> Duplicate:
    if item.label != first.label:
        return Duplicate(item.line, first.line, "other label")
    return Duplicate(item.line, first.line, "same" if item.texts == first.texts else "similar")
