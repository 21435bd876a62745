"""The contexts of an experiment, and adding some to a draft: sent, looked at, stored whole or not at all."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.access import Right
from collection.changes import LOCKED
from collection.contexts import count_contexts, page_of_contexts
from collection.errors import Invalid, NotYours, Refused
from collection.importing.contexts import ContextPreview, preview_contexts, store_contexts
from collection.importing.pending import finish, opened, waiting
from collection.models import Experiment, PendingUpload
from collection.pages.people import looked_at_with, status_of
from collection.pages.uploading import FORMATS, as_query, laid_out, pasted, received
from collection.paging import key_of
from collection.states import ExperimentState


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def contexts(request: HttpRequest, slug: str) -> HttpResponse:
    """How many there are and the first of them; in a draft a form, whose upload is kept and looked at next."""
    experiment, held = looked_at_with(request, slug, Right.RUN)
    problem: Invalid | None = None
    if request.method == "POST" and _open(experiment):
        try:
            upload, format = received(request, "text", experiment)
            query = as_query(format=format, column=request.POST.get("column", ""))
            return redirect(f"{reverse('context_upload', args=[slug, upload.key])}?{query}")
        except Invalid as invalid:
            problem = invalid
    refused = request.method == "POST" and problem is None
    return _page(request, experiment, held, 409 if refused else 422 if problem else 200, problem)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """What is in an upload, with every fault; the button stores what was shown, read anew from the kept file."""
    experiment, held = looked_at_with(request, slug, Right.RUN)
    assert isinstance(request.user, AbstractBaseUser)
    given = request.POST if request.method == "POST" else request.GET
    format, column = given.get("format", "text"), given.get("column", "")
    problem: Refused | None = None
    found: ContextPreview | None = None
    try:
        kept = waiting(request.user, key, experiment)
        if kept.outcome:
            return _stored(request, experiment, kept.outcome)
        with opened(kept) as file:
            found = preview_contexts(experiment.task, file, format, column or None, experiment=experiment)
        if request.method == "POST":
            return _stored(request, experiment, _store(experiment, found, kept))
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
        "formats": FORMATS,
        "said": column,
        "column": found.column if found else "",
        "fresh": len(found.texts) - found.known_count if found else 0,
        "open": _open(experiment),
        "locked": LOCKED["contexts"],
        **(laid_out(found) if found else {}),
    }
    return render(request, "collection/context_upload.html", page, status=status_of(problem))


def _page(
    request: HttpRequest, experiment: Experiment, held: frozenset[Right], status: int, problem: Refused | None
) -> HttpResponse:
    after = request.GET.get("after", "")
    try:
        rows, more = page_of_contexts(experiment, key_of(after or None))
    except Invalid:
        raise Http404 from None
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "field": experiment.task.schema.context_field,
        "count": count_contexts(experiment),
        "rows": rows,
        "more": more,
        "after": after,
        "open": _open(experiment),
        "locked": LOCKED["contexts"],
        "formats": FORMATS,
        "format": request.POST.get("format", ""),
        "column": request.POST.get("column", ""),
        "text": request.POST.get("text", ""),
        "problem": problem,
    }
    return render(request, "collection/contexts.html", page, status=status)


def _open(experiment: Experiment) -> bool:
    return experiment.state == ExperimentState.DRAFT and experiment.task.schema.context_field is not None


def _store(experiment: Experiment, found: ContextPreview, kept: PendingUpload) -> str:
    done = store_contexts(experiment, found)
    already = f" {done.already} of the upload were there already." if done.already else ""
    return finish(kept, f"Contexts added: {done.added}.{already}")


def _stored(request: HttpRequest, experiment: Experiment, outcome: str) -> HttpResponse:
    messages.success(request, outcome)
    return redirect("contexts", slug=experiment.slug)
