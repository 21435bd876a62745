"""Making an experiment: a form with the defaults of the source study, all problems at once, and what it will take."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection import experiments
from collection.access import visible
from collection.demo.tasks import task_of
from collection.errors import Refused
from collection.pages.people import check_site_researcher
from collection.pages.planform import defaults, expected_of, filled_in, posted, shown, typed
from collection.planning import SETTINGS, Plan, Problem, copy_of, problems


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; it checks and estimates, and makes the draft only if nothing is wrong with it."""
    check_site_researcher(request)
    assert isinstance(request.user, AbstractBaseUser)
    found: list[Problem] = []
    expected: dict[str, Any] = {}
    values = posted(request) if request.method == "POST" else _first(request)
    if request.method == "POST":
        try:
            plan, wrong = _plan(values)
            found = [*wrong, *problems(plan)]
            if not found and request.POST.get("action") == "create":
                made = experiments.create(plan, request.user)
                messages.success(request, "The draft is made. Look at it once more, then launch it.")
                return redirect("live", slug=made.slug)
            expected = {} if found else expected_of(plan)
        except Refused as refusal:
            found = [Problem(getattr(refusal, "field", ""), refusal.code, refusal.message)]
    page = {**shown(values, found), **expected}
    return render(request, "collection/plan.html", page, status=422 if found else 200)


def _first(request: HttpRequest) -> dict[str, Any]:
    """The defaults, or an experiment that is copied."""
    assert isinstance(request.user, AbstractBaseUser)
    source = visible(request.user).filter(slug=request.GET.get("copy", "")).select_related("task").first()
    if source is None:
        return defaults()
    return defaults() | filled_in(copy_of(source, "", f"{source.name} (again)"))


def _plan(values: dict[str, Any]) -> tuple[Plan, list[Problem]]:
    """The plan that the form describes, without what could not be read. Raises Invalid for an unknown task."""
    said, wrong = typed(values)
    settings = {name: value for name, value in said.items() if name in SETTINGS}
    parts = {name: value for name, value in said.items() if name not in SETTINGS}
    return Plan(slug=values["slug"], task=task_of(values["task"]), settings=settings, **parts), wrong
