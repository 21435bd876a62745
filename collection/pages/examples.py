"""Browsing the examples of an experiment, one of them with all its story, and deciding it."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from collection.access import Right
from collection.adjudication import OPEN_TO_EXPERTS, adjudicate
from collection.browsing import FILTERS, example_detail, page_of_examples, parse_filter
from collection.errors import Invalid, NotYours, Refused
from collection.pages.people import looked_at_with
from collection.states import ExampleState


@login_required
@never_cache
@require_GET
def examples(request: HttpRequest, slug: str) -> HttpResponse:
    """A page of examples, filtered, newest first; a bad filter is told beside the form and shows nothing."""
    experiment, rights = looked_at_with(request, slug)
    given = {name: str(value) for name, value in request.GET.items() if name != "cursor"}
    problem: Invalid | None = None
    found = None
    try:
        found = page_of_examples(experiment, parse_filter(given), request.GET.get("cursor"))
    except Invalid as invalid:
        problem = invalid
    wanted = {name: given.get(name, "") for name in FILTERS}
    query = urlencode({name: value for name, value in wanted.items() if value})
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in rights,
        "schema": experiment.task.schema,
        "page": found,
        "wanted": wanted,
        "query": query,
        "problem": problem,
        "arms": [arm.slug for arm in experiment.arms.all()],
        "numbers": range(1, experiment.rounds + 1),
        "states": [state.value for state in ExampleState],
    }
    return render(request, "collection/examples.html", page, status=400 if problem else 200)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def example(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """One example with its tries, votes and events; a form to decide it while it is undecided."""
    experiment, rights = looked_at_with(request, slug)
    may_run = Right.RUN in rights
    problem: Invalid | None = None
    assert isinstance(request.user, AbstractBaseUser)
    if request.method == "POST":
        if not may_run:
            raise Http404
        try:
            adjudicate(experiment, key, request.user, request.POST.get("outcome", ""), request.POST.get("reason", ""))
            messages.success(request, "Decided.")
            return redirect("example", slug=slug, key=key)
        except NotYours:
            raise Http404 from None
        except Invalid as invalid:
            problem = invalid
        except Refused as refusal:
            messages.warning(request, refusal.message)
    try:
        detail = example_detail(experiment, key)
    except NotYours:
        raise Http404 from None
    schema = experiment.task.schema
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in rights,
        "detail": detail,
        "texts": list(zip(schema.fields, detail.row.texts, strict=True)),
        "decidable": may_run and detail.row.state in OPEN_TO_EXPERTS,
        "problem": problem,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "collection/example.html", page, status=422 if problem else 200)
