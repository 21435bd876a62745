"""Tasks and test sets: what experiments are made of, for the site's researchers."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from collection import experiments
from collection.api.console import serializers as s
from collection.api.console.base import SiteView
from collection.api.idempotency import idempotent
from collection.api.reading import parameters, read
from collection.errors import Invalid
from collection.importing.jsonl import LabelledRow
from collection.importing.test_sets import import_test_set
from collection.models import Task, TestSet
from collection.planning import task_named
from collection.schema import TaskSchema
from collection.texts import check_text
from modelserver import registry
from modelserver.wire import MAX_TEXT_CHARACTERS


def test_set_out(item: TestSet) -> dict[str, Any]:
    """A test set as researchers see it, without its rows."""
    names = ("slug", "name", "kind", "rows", "sha256")
    return {name: getattr(item, name) for name in names} | {"task": item.task.slug}


class TasksView(SiteView):
    """What can be labelled."""

    @extend_schema(operation_id="tasks_list", responses=s.TaskOut(many=True))
    def get(self, request: Request) -> Response:
        """All tasks."""
        self.check_researcher()
        parameters(request)
        return Response([_task(item) for item in Task.objects.order_by("slug")])

    @extend_schema(request=s.TaskIn, responses={201: s.TaskOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """A new task."""
        self.check_researcher()
        return Response(_task(experiments.create_task(**read(s.TaskIn, request))), status=201)


class TaskView(SiteView):
    """One task."""

    @extend_schema(operation_id="tasks_get", responses=s.TaskOut)
    def get(self, request: Request, slug: str) -> Response:
        """Its fields, labels and instructions."""
        self.check_researcher()
        parameters(request)
        return Response(_task(get_object_or_404(Task, slug=slug)))


class TestSetsView(SiteView):
    """Examples that never enter training."""

    __test__ = False

    @extend_schema(operation_id="test_sets_list", responses=s.TestSetOut(many=True))
    def get(self, request: Request) -> Response:
        """All test sets, without their rows."""
        self.check_researcher()
        parameters(request)
        return Response([test_set_out(item) for item in TestSet.objects.select_related("task").order_by("slug")])

    @extend_schema(request=s.TestSetIn, responses={201: s.TestSetOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """A new test set, whole or not at all. The same name with the same rows gives the one that stands."""
        self.check_researcher()
        body = read(s.TestSetIn, request)
        task = task_named(body["task"])
        rows = [_row(index, item, task.schema) for index, item in enumerate(body["rows"])]
        kind = TestSet.Kind(body["kind"])
        made = import_test_set(body["slug"], body["name"], task, kind, rows, registry.data_store())
        return Response(test_set_out(made), status=201)


def _row(index: int, row: dict[str, Any], schema: TaskSchema) -> LabelledRow:
    where = f"rows[{index}]"
    for name in row["texts"]:
        if name not in {item.name for item in schema.fields}:
            raise Invalid(f"{where}.texts.{name[:40]}", "The task has no such field.", "unknown_field")
    texts = tuple(
        check_text(
            f"{where}.texts.{item.name}",
            row["texts"].get(item.name, ""),
            max_length=MAX_TEXT_CHARACTERS,
            as_found=True,
        )
        for item in schema.fields
    )
    return LabelledRow(index + 1, texts, schema.check_label(f"{where}.label", row["label"]))


def _task(task: Task) -> dict[str, Any]:
    names = ("slug", "name", "fields", "labels", "instructions", "guidelines")
    return {name: getattr(task, name) for name in names}
