"""Importing test sets: rows that never enter training."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from collection.errors import Invalid
from collection.importing.jsonl import LabelledRow
from collection.models import Task, TestItem, TestSet
from modelserver.datafiles import DataStore, Row


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
