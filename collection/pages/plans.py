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
from collection.access import Right
from collection.demo.tasks import task_of
from collection.errors import Refused
from collection.pages.people import check_site_researcher, looked_at, status_of
from collection.pages.planform import defaults, expected_of, posted, shown, typed
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
    values = posted(request) if request.method == "POST" else defaults()
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


def _plan(values: dict[str, Any]) -> tuple[Plan, list[Problem]]:
    """The plan that the form describes, without what could not be read. Raises Invalid for an unknown task."""
    said, wrong = typed(values)
    settings = {name: value for name, value in said.items() if name in SETTINGS}
    parts = {name: value for name, value in said.items() if name not in SETTINGS}
    return Plan(slug=values["slug"], task=task_of(values["task"]), settings=settings, **parts), wrong


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def copy(request: HttpRequest, slug: str) -> HttpResponse:
    """A draft like an experiment that there is, down to its contexts and arms; what shall differ is changed there."""
    experiment = looked_at(request, slug, Right.RUN)
    assert isinstance(request.user, AbstractBaseUser)
    values = {"name": f"{experiment.name} (again)", "slug": ""}
    problem: Refused | None = None
    if request.method == "POST":
        values = {name: request.POST.get(name, "") for name in values}
        try:
            made = experiments.create(copy_of(experiment, values["slug"], values["name"]), request.user)
            messages.success(request, "The copy is made, as a draft. Change in it what shall be different.")
            return redirect("settings", slug=made.slug)
        except Refused as refusal:
            problem = refusal
    page = {"experiment": experiment, "values": values, "problem": problem}
    return render(request, "collection/copy.html", page, status=status_of(problem))
