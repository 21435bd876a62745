"""Model versions of an experiment: their lineage, one of them, its files, and two of them side by side on a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from collection.access import Right
from collection.analytics.losses import loss_curve
from collection.archives import archive_of
from collection.errors import Invalid, NotYours, Refused
from collection.models import Experiment
from collection.pages.people import looked_at, looked_at_with, status_of
from collection.pages.verdict import Share, shares
from collection.versions import Lineage, lineage_of, lineages, predict, versions_of
from modelserver import registry
from modelserver.models import ModelVersion
from modelserver.wire import Prediction, TextInput

# The names of the two choices in the form; no field of a task has capitals.
CHOICES = ("A", "B")


@dataclass(frozen=True)
class Answer:
    """What a version says of a text."""

    version: ModelVersion
    prediction: Prediction
    title: str
    shares: list[Share]


@login_required
@never_cache
@require_GET
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every version: who trained it from what on what, and its score on each test set."""
    experiment, held = looked_at_with(request, slug)
    test_sets = list(experiment.test_sets.order_by("pk"))
    rows = [
        (item, [next((score for score in item.scores if score.test_set == wanted), None) for wanted in test_sets])
        for item in lineages(experiment)
    ]
    return _page(request, experiment, held, "versions", {"rows": rows, "test_sets": test_sets})


@login_required
@never_cache
@require_GET
def version(request: HttpRequest, slug: str, name: str, version: int) -> HttpResponse:
    """All about one version."""
    experiment, held = looked_at_with(request, slug)
    item = _lineage(experiment, name, version)
    page = {
        "item": item,
        "curve": loss_curve(item.run.progress.get("curve", []), 600, 160) if item.run else None,
        "recipe": sorted(item.version.recipe.items()),
        "metrics": sorted(item.version.metrics.items()),
    }
    return _page(request, experiment, held, "version", page)


@login_required
@never_cache
@require_GET
def download(request: HttpRequest, slug: str, name: str, version: int) -> HttpResponseBase:
    """The version's files as a zip; back to its page, with the reason, if they cannot be had."""
    experiment = looked_at(request, slug)
    try:
        archive = archive_of(experiment, _lineage(experiment, name, version), registry.repository())
    except Refused as refusal:
        messages.warning(request, refusal.message)
        return redirect("version", slug=slug, name=name, version=version)
    return StreamingHttpResponse(archive.parts, headers=archive.headers())


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """One version or two on a text of anybody's; nothing is stored."""
    experiment, held = looked_at_with(request, slug)
    schema = experiment.task.schema
    offered = list(versions_of(experiment))
    sent = request.POST if request.method == "POST" else request.GET
    typed = {item.name: request.POST.get(item.name, "") for item in schema.fields}
    answers: list[Answer] = []
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            answers = _answers(experiment, _chosen(offered, [sent.get(name, "") for name in CHOICES]), typed)
        except Refused as refused:
            refusal = refused
    page = {
        "offered": offered,
        "choices": [(name, sent.get(name, "")) for name in CHOICES],
        "fields": [(item, typed[item.name]) for item in schema.fields],
        "answers": answers,
        "differ": len({answer.prediction.label for answer in answers}) > 1,
        "refusal": refusal,
        "problem": refusal if isinstance(refusal, Invalid) else None,
    }
    return _page(request, experiment, held, "compare", page, status_of(refusal))


def _page(
    request: HttpRequest,
    experiment: Experiment,
    held: frozenset[Right],
    template: str,
    page: Mapping[str, object],
    status: int = 200,
) -> HttpResponse:
    shared = {"experiment": experiment, "manages": Right.MANAGE in held}
    return render(request, f"collection/{template}.html", {**shared, **page}, status=status)


def _lineage(experiment: Experiment, name: str, version: int) -> Lineage:
    try:
        return lineage_of(experiment, name, version)
    except NotYours:
        raise Http404 from None


def _chosen(offered: list[ModelVersion], wanted: list[str]) -> list[ModelVersion]:
    """The versions that the form names, the second one if any. Raises Invalid."""
    by_name = {str(item): item for item in offered}
    for field, name in zip(CHOICES, wanted, strict=True):
        if name not in by_name and (name or field == CHOICES[0]):
            raise Invalid(field, "Please choose a version of this experiment.")
    if wanted[0] == wanted[1]:
        raise Invalid(CHOICES[1], "Please choose another version than the first one, or none.")
    return [by_name[name] for name in wanted if name]


def _answers(experiment: Experiment, chosen: list[ModelVersion], typed: dict[str, str]) -> list[Answer]:
    schema = experiment.task.schema
    texts = TextInput(schema.check_all_texts(typed))
    titles = {label.name: label.title for label in schema.labels}
    field, client = schema.writer_fields[-1].name, registry.model_client()
    found = [(item, predict(item, [texts], field, client)[0]) for item in chosen]
    return [
        Answer(item, said, titles.get(said.label, said.label), shares(schema, said.label, said.probabilities))
        for item, said in found
    ]
