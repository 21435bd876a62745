"""Model versions of an experiment: where they come from, what they score, their files, and asking them."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from collection.api.console import version_serializers as s
from collection.api.console.base import ConsoleView, iso
from collection.api.reading import parameters, read
from collection.archives import archive_of
from collection.versions import Lineage, Score, lineage_of, lineages, one_of, predict
from collection.zips import MEDIA_TYPE
from modelserver import registry
from modelserver.wire import TextInput


class VersionsView(ConsoleView):
    """All versions of an experiment."""

    @extend_schema(operation_id="versions_list", responses=s.VersionOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Lineage, recipe, data hash, metrics and scores of each: the base version, then arm by arm."""
        experiment = self.experiment(slug)
        parameters(request)
        return Response([_version(item) for item in lineages(experiment)])


class VersionView(ConsoleView):
    """One version."""

    @extend_schema(operation_id="versions_get", responses=s.VersionOut)
    def get(self, request: Request, slug: str, name: str, version: int) -> Response:
        """Lineage, recipe, data hash, metrics and scores."""
        experiment = self.experiment(slug)
        parameters(request)
        return Response(_version(lineage_of(experiment, name, version)))


class PredictView(ConsoleView):
    """Play against any version."""

    @extend_schema(request=s.TextsIn, responses=s.PredictionOut)
    def post(self, request: Request, slug: str, name: str, version: int) -> Response:
        """The version's prediction for a text, which is not stored."""
        experiment = self.experiment(slug)
        chosen = one_of(experiment, name, version)
        texts = experiment.task.schema.check_all_texts(read(s.TextsIn, request)["texts"])
        found = predict(chosen, [TextInput(texts)], "texts", registry.model_client())[0]
        return Response(
            {"prediction": found.label, "probabilities": dict(found.probabilities), "model_version": str(chosen)}
        )


class DownloadView(ConsoleView):
    """The files of one version."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Whatever a client accepts, the files are a zip; only a refusal is rendered."""
        return JSONRenderer(), JSONRenderer.media_type

    @extend_schema(operation_id="versions_download", responses={(200, MEDIA_TYPE): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, name: str, version: int) -> StreamingHttpResponse:
        """A zip of its manifest, weights and tokenizer, with a README that tells where it comes from.

        `X-Checksum-Sha256` is the manifest's sha256, and the manifest names that of each file. A file that turns out
        to be damaged breaks the transfer off. 409 if the model repository lacks the files.
        """
        experiment = self.experiment(slug)
        parameters(request)
        archive = archive_of(experiment, lineage_of(experiment, name, version), registry.repository())
        return StreamingHttpResponse(archive.parts, headers=archive.headers())


def _score(score: Score) -> dict[str, Any]:
    estimate = score.accuracy
    return {
        "test_set": score.test_set.slug,
        "rows": estimate.n,
        "accuracy": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "balanced_accuracy": score.balanced_accuracy,
    }


def _version(item: Lineage) -> dict[str, Any]:
    names = ("name", "version", "labels", "recipe", "seed", "manifest_sha256", "data_sha256", "data_rows", "metrics")
    return {name: getattr(item.version, name) for name in names} | {
        "parent": str(item.version.parent) if item.version.parent else None,
        "arm": item.round.arm.slug if item.round else None,
        "round": item.round.number if item.round else None,
        "examples": item.examples,
        "scores": [_score(score) for score in item.scores],
        "children": [str(child) for child in item.children],
        "played_in": [{"arm": round_.arm.slug, "round": round_.number} for round_ in item.played_in],
        "loss_curve": item.run.progress.get("curve", []) if item.run else [],
        "started_at": iso(item.run.started_at) if item.run else None,
        "ended_at": iso(item.run.ended_at) if item.run else None,
        "created_at": iso(item.version.created_at),
    }
