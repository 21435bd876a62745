"""The data that the arms of a draft start with: sent, looked at, stored whole or not at all."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.access import Right
from collection.errors import Invalid, NotYours, Refused
from collection.importing.pending import finish, opened, waiting
from collection.importing.round_zero import (
    LOCKED,
    RoundZeroPreview,
    preview_round_zero,
    remove_round_zero,
    round_zero_of,
    store_round_zero,
)
from collection.models import Experiment, PendingUpload
from collection.pages.people import looked_at_with, status_of
from collection.pages.uploading import (
    CALLED,
    COLUMN,
    LABELLED_FORMATS,
    as_query,
    laid_out,
    pasted,
    received,
    said_columns,
    said_labels,
    what_is_said,
)
from collection.states import ExperimentState
from modelserver import registry


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def round_zero(request: HttpRequest, slug: str) -> HttpResponse:
    """What each arm starts with; in a draft a form, whose upload is kept and looked at next, and taking data away."""
    experiment, held = looked_at_with(request, slug, Right.RUN)
    assert isinstance(request.user, AbstractBaseUser)
    problem: Refused | None = None
    if request.method == "POST":
        try:
            if "remove" in request.POST:
                remove_round_zero(experiment, [request.POST["remove"]], request.user)
                messages.success(request, f"{request.POST['remove']} starts with nothing again.")
                return redirect("round_zero", slug=slug)
            if _open(experiment):
                pasted_as = "jsonl" if request.POST.get("text", "").lstrip().startswith("{") else "csv"
                upload, format = received(request, pasted_as, experiment)
                return redirect(f"{reverse('round_zero_upload', args=[slug, upload.key])}?{as_query(format=format)}")
        except Refused as refused:
            problem = refused
    refused_late = request.method == "POST" and problem is None
    return _page(request, experiment, held, 409 if refused_late else status_of(problem), problem)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """What is in an upload, with every fault; the button stores what was shown, read anew from the kept file."""
    experiment, held = looked_at_with(request, slug, Right.RUN)
    assert isinstance(request.user, AbstractBaseUser)
    given = request.POST if request.method == "POST" else request.GET
    format = given.get("format", "csv")
    problem: Refused | None = None
    found: RoundZeroPreview | None = None
    try:
        kept = waiting(request.user, key, experiment)
        if kept.outcome:
            return _stored(request, experiment, kept.outcome)
        labels = said_labels(given)
        with opened(kept) as file:
            found = preview_round_zero(experiment, file, format, said_columns(given), labels=labels)
        if request.method == "POST":
            return _stored(request, experiment, _store(request, experiment, found, kept))
    except NotYours as gone:
        return _page(request, experiment, held, 404, gone)
    except Refused as refusal:
        problem = refusal
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "kept": kept,
        "pasted": pasted(kept),
        "problem": problem,
        "format": format,
        "formats": LABELLED_FORMATS,
        "kept_as": _kept_as(given, format),
        "arms": experiment.arms.all(),
        "taken": len(found.items) if found else 0,
        "tested": found.tested if found else 0,
        "open": _open(experiment),
        "locked": LOCKED,
        **what_is_said(experiment.task.schema, given),
        **(laid_out(found) if found else {}),
    }
    return render(request, "collection/round_zero_upload.html", page, status=status_of(problem))


def _page(
    request: HttpRequest, experiment: Experiment, held: frozenset[Right], status: int, problem: Refused | None
) -> HttpResponse:
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "standing": round_zero_of(experiment),
        "open": _open(experiment),
        "locked": LOCKED,
        "formats": LABELLED_FORMATS,
        "format": request.POST.get("format", ""),
        "text": request.POST.get("text", ""),
        "problem": problem,
    }
    return render(request, "collection/round_zero.html", page, status=status)


def _open(experiment: Experiment) -> bool:
    return experiment.state == ExperimentState.DRAFT


def _kept_as(given: QueryDict, format: str) -> list[tuple[str, str]]:
    """What was said of the file, as the button's form says it again."""
    said = [(name, str(given[name])) for name in given if name.startswith((COLUMN, CALLED)) and given[name]]
    return [("format", format), *said]


def _store(request: HttpRequest, experiment: Experiment, found: RoundZeroPreview, kept: PendingUpload) -> str:
    assert isinstance(request.user, AbstractBaseUser)
    arms = request.POST.getlist("arms")
    if not arms:
        raise Invalid("arms", "Please choose at least one arm.")
    made = store_round_zero(experiment, arms, found, kept.name, registry.data_store(), request.user)
    return finish(kept, f"{', '.join(item.arm.slug for item in made)}: {made[0].rows:,} rows to start with.")


def _stored(request: HttpRequest, experiment: Experiment, outcome: str) -> HttpResponse:
    messages.success(request, outcome)
    return redirect("round_zero", slug=experiment.slug)
