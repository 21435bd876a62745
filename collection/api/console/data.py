"""The data of an experiment: examples with their story, deciding one, contexts, and uploads."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from collection.access import Right
from collection.adjudication import adjudicate
from collection.api.authentication import user_of
from collection.api.console import serializers as s
from collection.api.console.base import CURSOR, ConsoleView, SiteView, iso
from collection.api.console.library import test_set_out
from collection.api.idempotency import idempotent
from collection.api.reading import parameters, read
from collection.browsing import (
    FILTERS,
    AttemptLine,
    ExampleRow,
    VoteLine,
    example_detail,
    page_of_examples,
    parse_filter,
)
from collection.contexts import page_of_contexts
from collection.errors import Invalid
from collection.importing.contexts import preview_contexts, store_contexts
from collection.importing.preview import Preview
from collection.importing.test_sets import preview_test_set, store_test_set
from collection.models import TestSet
from collection.numbers import natural
from collection.paging import key_of
from collection.planning import task_named
from modelserver import registry

_QUERY = [OpenApiParameter(name, str) for name in (*FILTERS, "cursor", "size")]


class ExamplesView(ConsoleView):
    """Examples, filtered, newest first."""

    @extend_schema(operation_id="examples_list", parameters=_QUERY, responses=s.ExamplesOut)
    def get(self, request: Request, slug: str) -> Response:
        """A page. ``searched`` says how many were looked at where the search stopped early; the cursor goes on."""
        experiment = self.experiment(slug)
        given = parameters(request, *FILTERS, "cursor", "size")
        size = natural(given.pop("size", "50"), 4)
        if size is None:
            raise Invalid("size", "Must be a whole number.")
        cursor = given.pop("cursor", None)
        page = page_of_examples(experiment, parse_filter(given), cursor, size)
        rows = [_row(item) for item in page.rows]
        return Response({"results": rows, "next": page.next, "previous": page.previous, "searched": page.searched})


class ExampleDetailView(ConsoleView):
    """One example."""

    @extend_schema(operation_id="examples_get", responses=s.ExampleDetailOut)
    def get(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """All tries, votes and events of it."""
        parameters(request)
        return Response(_detail(self, slug, key))


class DecisionView(ConsoleView):
    """An expert's decision."""

    @extend_schema(request=s.DecisionIn, responses=s.ExampleDetailOut)
    @idempotent
    def post(self, request: Request, slug: str, key: uuid.UUID) -> Response:
        """Accept or reject a pending or flagged example; the writer reads the reason."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.DecisionIn, request)
        adjudicate(experiment, key, user_of(request), body["outcome"], body["reason"])
        return Response(_detail(self, slug, key))


class ContextsView(ConsoleView):
    """The contexts of an experiment; those of a draft come from a file: looked at first, stored whole or not at all."""

    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="contexts_list", parameters=[CURSOR], responses=s.ContextPageOut)
    def get(self, request: Request, slug: str) -> Response:
        """A page, in the order in which writers are given them."""
        experiment = self.experiment(slug)
        found, more = page_of_contexts(experiment, key_of(parameters(request, "cursor").get("cursor")))
        results = [{"position": item.position, "text": item.text} for item in found]
        return Response({"results": results, "next": None if more is None else str(more)})

    @extend_schema(request={"multipart/form-data": s.ContextsIn}, responses={200: s.PreviewOut, 201: s.StoredOut})
    def post(self, request: Request, slug: str) -> Response:
        """With ``store`` false what would be stored, and every fault; with true it is stored, or refused."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.ContextsIn, request)
        preview = preview_contexts(
            experiment.task, body["file"].file, body["format"], body.get("column") or None, experiment=experiment
        )
        if not body["store"]:
            return Response(preview_out(preview))
        done = store_contexts(experiment, preview)
        return Response({"added": done.added, "already": done.already}, status=201)


class TestSetUploadView(SiteView):
    """A test set from a file: looked at first, stored whole or not at all."""

    __test__ = False
    parser_classes = (MultiPartParser,)

    @extend_schema(request={"multipart/form-data": s.TestSetFileIn}, responses={200: s.PreviewOut, 201: s.TestSetOut})
    def post(self, request: Request) -> Response:
        """With ``store`` false what would be stored, and every fault; with true it is stored, or refused."""
        self.check_researcher()
        body = read(s.TestSetFileIn, request)
        task = task_named(body["task"])
        preview = preview_test_set(task, body["file"].file, body["format"], body.get("columns"))
        if not body["store"]:
            return Response(preview_out(preview))
        kind = TestSet.Kind(body["kind"])
        made = store_test_set(body["slug"], body["name"], task, kind, preview, registry.data_store())
        return Response(test_set_out(made), status=201)


def preview_out(preview: Preview) -> dict[str, Any]:
    """What is in a file, as the API tells it."""
    return {
        "columns": list(preview.columns),
        "rows": preview.rows,
        "shown": [dict(row.cells) for row in preview.shown],
        "fault_count": preview.fault_count,
        "faults": [dataclasses.asdict(item) for item in preview.faults],
        "duplicate_count": preview.duplicate_count,
        "known_count": preview.known_count,
    }


def _detail(view: ConsoleView, slug: str, key: uuid.UUID) -> dict[str, Any]:
    found = example_detail(view.experiment(slug), key)
    return _row(found.row) | {
        "context": found.context,
        "why_label": found.why_label,
        "why_fooled": found.why_fooled,
        "ruling": found.ruling,
        "claimed_at": iso(found.claimed_at),
        "decided_at": iso(found.decided_at),
        "attempts": [_attempt(item) for item in found.attempts],
        "ballots": [_vote(item) for item in found.votes],
        "events": [
            {"at": iso(item.at), "from_state": item.from_state, "to_state": item.to_state, "actor": item.actor}
            for item in found.events
        ],
    }


def _row(row: ExampleRow) -> dict[str, Any]:
    return {
        "key": str(row.key),
        "texts": list(row.texts),
        "label": row.label,
        "state": row.state,
        "fooled": row.fooled,
        "arm": row.arm,
        "round": row.round,
        "votes": dict(row.votes),
        "flags": row.flags,
        "writer": row.writer,
        "submitted_at": iso(row.submitted_at),
        "erased_at": iso(row.erased_at),
    }


def _attempt(item: AttemptLine) -> dict[str, Any]:
    return {
        "key": str(item.key),
        "index": item.index,
        "texts": list(item.texts),
        "label": item.label,
        "state": item.state,
        "prediction": item.prediction,
        "probabilities": dict(item.probabilities) if item.probabilities else None,
        "model_version": item.model_version,
        "fooled": item.fooled,
        "latency_ms": item.latency_ms,
        "created_at": iso(item.created_at),
        "judged_at": iso(item.judged_at),
        "submitted": item.submitted,
        "erased_at": iso(item.erased_at),
    }


def _vote(item: VoteLine) -> dict[str, Any]:
    return {
        "validator": item.validator,
        "label": item.label,
        "reason": item.reason,
        "voted_at": iso(item.voted_at),
        "counts": item.counts,
    }
