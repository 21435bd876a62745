"""Long files that a worker imports, and the data that arms of a draft start with."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from collection import imports
from collection.access import Right
from collection.api.authentication import user_of
from collection.api.console import exchange_serializers as s
from collection.api.console.base import CURSOR, ConsoleView, SiteView, iso
from collection.api.console.data import preview_out
from collection.api.idempotency import idempotent
from collection.api.reading import parameters, read
from collection.importing.orders import check_sender, order_of, pairs
from collection.importing.round_zero import (
    LOCKED,
    preview_round_zero,
    remove_round_zero,
    round_zero_of,
    store_round_zero,
)
from collection.models import DataImport, Experiment
from collection.paging import page_by_key
from collection.states import ExperimentState, ImportState
from modelserver import registry

PAGE = 50


class ImportsView(SiteView):
    """Files for a worker to import, for those who make or run experiments."""

    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="imports_list", parameters=[CURSOR], responses=s.ImportPageOut)
    def get(self, request: Request) -> Response:
        """One's own imports, newest first."""
        check_sender(user_of(request))
        cursor = parameters(request, "cursor").get("cursor")
        found, more = page_by_key(imports.asked_by(user_of(request)), cursor, PAGE)
        return Response({"results": [_line(item) for item in found], "next": more})

    @extend_schema(request={"multipart/form-data": s.ImportIn}, responses={202: s.ImportOut})
    def post(self, request: Request) -> Response:
        """Send a file. It is kept and looked at by a worker: all of it is stored, or nothing and every fault is told.

        The same file sent twice is harmless: what is there already is not stored again.
        """
        check_sender(user_of(request))
        body = read(s.ImportIn, request)
        file, kind = body.pop("file"), body.pop("kind")
        order = order_of(user_of(request), kind, file.name, body)
        made = imports.ask(
            user_of(request),
            order.kind,
            file.file,
            file.name,
            experiment=order.experiment,
            task=order.task,
            options=order.options,
        )
        return Response(_import(made), status=202)


class ImportView(SiteView):
    """One import of one's own."""

    @extend_schema(operation_id="imports_get", responses=s.ImportOut)
    def get(self, request: Request, key: uuid.UUID) -> Response:
        """How far it is, and what came of it."""
        found = imports.mine(user_of(request), key)
        parameters(request)
        return Response(_import(found))


class ImportRetryView(SiteView):
    """Trying again."""

    @extend_schema(operation_id="imports_retry", request=None, responses=s.ImportOut)
    @idempotent
    def post(self, request: Request, key: uuid.UUID) -> Response:
        """Have a failed import of one's own tried again with the file that was sent, which is kept for a day."""
        found = imports.mine(user_of(request), key)
        imports.retry(found, user_of(request))
        return Response(_import(found))


class RoundZeroView(ConsoleView):
    """What arms start with; that of a draft comes from a file: looked at first, stored whole or not at all."""

    parser_classes = (MultiPartParser,)

    @extend_schema(operation_id="round_zero_get", responses=s.RoundZeroOut)
    def get(self, request: Request, slug: str) -> Response:
        """Each arm, with the rows that it starts with."""
        experiment = self.experiment(slug)
        parameters(request)
        return Response(_round_zero(experiment))

    @extend_schema(
        request={"multipart/form-data": s.RoundZeroIn}, responses={200: s.RoundZeroPreviewOut, 201: s.RoundZeroOut}
    )
    def post(self, request: Request, slug: str) -> Response:
        """With ``store`` false what would be stored, and every fault; with true it is stored, or refused."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.RoundZeroIn, request)
        columns, labels = (pairs(name, body.get(name)) for name in ("columns", "labels"))
        file = body["file"]
        preview = preview_round_zero(experiment, file.file, body["format"], columns, labels=labels)
        if not body["store"]:
            return Response(preview_out(preview) | {"tested": preview.tested})
        store_round_zero(experiment, body.get("arms"), preview, file.name, registry.data_store(), user_of(request))
        return Response(_round_zero(experiment), status=201)

    @extend_schema(parameters=[OpenApiParameter("arm", str)], responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Let one ``arm``, or all, start with nothing again."""
        experiment = self.experiment(slug, Right.RUN)
        arm = parameters(request, "arm").get("arm")
        remove_round_zero(experiment, None if arm is None else [arm], user_of(request))
        return Response(status=204)


def _line(item: DataImport) -> dict[str, Any]:
    return {
        "key": str(item.key),
        "kind": item.kind,
        "name": item.name,
        "experiment": item.experiment.slug if item.experiment else None,
        "task": item.task.slug if item.task else None,
        "size": item.size,
        "state": item.state,
        "created_at": iso(item.created_at),
        "ended_at": iso(item.ended_at),
    }


def _import(item: DataImport) -> dict[str, Any]:
    names = ("progress", "problem", "fault_count", "faults", "outcome")
    made = item.made.slug if item.made and item.state == ImportState.DONE else None
    return _line(item) | {name: getattr(item, name) for name in names} | {"made": made}


def _round_zero(experiment: Experiment) -> dict[str, Any]:
    arms = [
        {
            "arm": arm.slug,
            "rows": given.rows if given else None,
            "name": given.name if given else None,
            "sha256": given.sha256 if given else None,
        }
        for arm, given in round_zero_of(experiment)
    ]
    return {"arms": arms, "locked": None if experiment.state == ExperimentState.DRAFT else LOCKED}
