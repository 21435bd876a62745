"""Model versions of an experiment: where they come from, what they score, and asking them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from collection.analytics.metrics import share
from collection.api.console import serializers as s
from collection.api.console.base import ConsoleView, iso
from collection.api.reading import parameters, read
from collection.errors import Invalid, NothingToDo, NotYours
from collection.models import Evaluation, Experiment, Round
from modelserver import registry
from modelserver.client import ModelServerError, Rejected
from modelserver.models import ModelVersion


def versions_of(experiment: Experiment) -> QuerySet[ModelVersion]:
    """The base version and every version that a round of the experiment has trained."""
    trained = Round.objects.filter(arm__experiment=experiment).values("trained_version")
    wanted = Q(pk=experiment.base_version_id) | Q(pk__in=trained)
    return ModelVersion.objects.filter(wanted).select_related("parent").order_by("pk")


class VersionsView(ConsoleView):
    """All versions of an experiment."""

    @extend_schema(operation_id="versions_list", responses=s.VersionOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Lineage, recipe, data hash, metrics and scores of each."""
        experiment = self.experiment(slug)
        parameters(request)
        return Response(_versions(experiment, list(versions_of(experiment))))


class VersionView(ConsoleView):
    """One version."""

    @extend_schema(operation_id="versions_get", responses=s.VersionOut)
    def get(self, request: Request, slug: str, name: str, version: int) -> Response:
        """Lineage, recipe, data hash, metrics and scores."""
        experiment = self.experiment(slug)
        parameters(request)
        return Response(_versions(experiment, [one_of(experiment, name, version)])[0])


class PredictView(ConsoleView):
    """Play against any version."""

    @extend_schema(request=s.TextsIn, responses=s.PredictionOut)
    def post(self, request: Request, slug: str, name: str, version: int) -> Response:
        """The version's prediction for a text, which is not stored."""
        experiment = self.experiment(slug)
        chosen = one_of(experiment, name, version)
        texts = experiment.task.schema.check_all_texts(read(s.TextsIn, request)["texts"])
        try:
            found = registry.model_client().predict_one(chosen.ref, chosen.labels, texts)
        except Rejected as error:
            if error.is_input:
                raise Invalid("texts", f"The model cannot read this: {error}", "unreadable") from None
            raise NothingToDo("no_model", "The model server does not have this version.") from None
        except ModelServerError:
            raise NothingToDo("no_model", "The model server does not answer right now.") from None
        return Response(
            {"prediction": found.label, "probabilities": dict(found.probabilities), "model_version": str(chosen)}
        )


def one_of(experiment: Experiment, name: str, version: int) -> ModelVersion:
    """A version of the experiment. Raises NotYours."""
    # A database's whole numbers end somewhere.
    found = versions_of(experiment).filter(name=name, version=version).first() if version < 2**31 else None
    if found is None:
        raise NotYours("version")
    return found


def _versions(experiment: Experiment, versions: list[ModelVersion]) -> list[dict[str, Any]]:
    rounds = {
        round_.trained_version_id: round_
        for round_ in Round.objects.filter(trained_version__in=versions).select_related("arm")
    }
    scores: dict[int, list[dict[str, Any]]] = {}
    wanted = Evaluation.objects.filter(model_version__in=versions, test_set__in=experiment.test_sets.all())
    for item in wanted.select_related("test_set").defer("predicted", "confidence").order_by("test_set"):
        estimate = share(round(item.accuracy * item.rows), item.rows)
        scores.setdefault(item.model_version_id, []).append(
            {
                "test_set": item.test_set.slug,
                "rows": item.rows,
                "accuracy": item.accuracy,
                "low": estimate.low,
                "high": estimate.high,
                "balanced_accuracy": item.balanced_accuracy,
            }
        )
    return [_version(item, rounds.get(item.pk), scores.get(item.pk, [])) for item in versions]


def _version(item: ModelVersion, round_: Round | None, scores: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("name", "version", "labels", "recipe", "seed", "manifest_sha256", "data_sha256", "data_rows", "metrics")
    return {name: getattr(item, name) for name in names} | {
        "parent": str(item.parent) if item.parent else None,
        "arm": round_.arm.slug if round_ else None,
        "round": round_.number if round_ else None,
        "scores": scores,
        "created_at": iso(item.created_at),
    }
