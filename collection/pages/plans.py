"""Making an experiment: a form with the defaults of the source study, all problems at once, and what it will take."""

from __future__ import annotations

import json
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
from collection.demo.tasks import offered, task_of
from collection.errors import Invalid, Refused
from collection.models import Experiment, TestSet
from collection.pages.people import check_site_researcher
from collection.planning import THREE_ARMS, Estimate, Plan, Problem, copy_of, estimate, problems

NUMBERS = (
    ("rounds", "Rounds", "how often each arm is trained"),
    ("quota", "Examples in a round", "accepted ones, in each arm"),
    ("quorum", "Quorum", "matching validations that an example needs"),
    ("max_validations", "Validations at most", "for one example"),
    ("max_tries", "Tries", "for one example, where a model is shown"),
    ("max_skips", "Skips", "of contexts, for one example"),
    ("undo_seconds", "Seconds to take a vote back", "a vote counts after them"),
    ("lease_seconds", "Seconds to write or validate one", "then it is somebody else's"),
    ("base_pay_minor", "Pay for an accepted text", "in cents or the like"),
    ("fooling_bonus_minor", "Bonus if it fooled the model", "in cents or the like"),
    ("validation_pay_minor", "Pay for a validation", "in cents or the like"),
    ("seed", "Seed", "of contexts, labels, arms and training"),
)
SWITCHES = (
    ("open_enrolment", "Anybody with an account may join (or else only who is invited)"),
    ("sandbox", "Practice against the model"),
    ("inspiration", "Show accepted texts of earlier rounds"),
    ("leaderboard", "Leaderboard"),
)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; it checks and estimates, and makes the draft only if nothing is wrong with it."""
    check_site_researcher(request)
    assert isinstance(request.user, AbstractBaseUser)
    found: list[Problem] = []
    expected: Estimate | None = None
    values = _posted(request) if request.method == "POST" else _first(request)
    if request.method == "POST":
        try:
            plan = _plan(request, values)
            found = problems(plan)
            if not found and request.POST.get("action") == "create":
                made = experiments.create(plan, request.user)
                messages.success(request, "The draft is made. Look at it once more, then launch it.")
                return redirect("live", slug=made.slug)
            expected = None if found else estimate(plan)
        except Invalid as invalid:
            found = [Problem(invalid.field, invalid.code, invalid.message)]
        except Refused as refusal:
            found = [Problem("", refusal.code, refusal.message)]
    page = {
        "values": values,
        "problems": found,
        "wrong": {item.field.partition("[")[0].partition(".")[0] for item in found},
        "estimate": expected,
        "numbers": [(name, title, note, values.get(name, "")) for name, title, note in NUMBERS],
        "switches": [(name, title, values.get(name)) for name, title in SWITCHES],
        "tasks": offered(),
        "test_sets": TestSet.objects.select_related("task").order_by("slug"),
        "arms": THREE_ARMS,
    }
    return render(request, "collection/plan.html", page, status=422 if found else 200)


def _defaults() -> dict[str, Any]:
    fresh = Experiment()
    columns = {name: getattr(fresh, name) for name, _, _ in NUMBERS}
    return {
        **columns,
        "base_model": "models/nli-minilm",
        "task": "nli",
        "currency": "USD",
        "label_policy": Experiment.Labels.ASSIGNED,
        "start_from": Experiment.StartFrom.BASE,
        "recipe": "{}",
        "contexts": "",
        "arms": [name for name, _ in THREE_ARMS],
        "test_sets": [],
    }


def _first(request: HttpRequest) -> dict[str, Any]:
    """The defaults, or an experiment that is copied."""
    values = _defaults()
    assert isinstance(request.user, AbstractBaseUser)
    source = visible(request.user).filter(slug=request.GET.get("copy", "")).select_related("task").first()
    if source is not None:
        plan = copy_of(source, "", f"{source.name} (again)")
        values |= dict(plan.settings) | {
            "name": plan.name,
            "task": plan.task.slug,
            "base_model": plan.base_model,
            "contexts": "\n".join(plan.contexts),
            "recipe": json.dumps(plan.settings.get("recipe", {})),
            "arms": [name for name, _ in plan.arms],
            "test_sets": [item.slug for item in plan.test_sets],
        }
    return values


def _posted(request: HttpRequest) -> dict[str, Any]:
    names = [name for name, _, _ in NUMBERS]
    plain = ("slug", "name", "task", "base_model", "currency", "label_policy", "start_from", "recipe", "contexts")
    values: dict[str, Any] = {name: request.POST.get(name, "") for name in (*names, *plain)}
    values |= {name: request.POST.get(name) == "on" for name, _ in SWITCHES}
    return values | {"arms": request.POST.getlist("arms"), "test_sets": request.POST.getlist("test_sets")}


def _plan(request: HttpRequest, values: dict[str, Any]) -> Plan:
    """The plan that the form describes. Raises Invalid for a part that is no number, no JSON, or not there."""
    settings: dict[str, Any] = {name: values[name] for name, _ in SWITCHES}
    settings |= {name: values[name] for name in ("currency", "label_policy", "start_from")}
    for name, title, _ in NUMBERS:
        text = values[name].strip()
        if name == "max_skips" and not text:
            settings[name] = None
            continue
        if not (text.removeprefix("-").isdigit() and text.isascii() and len(text) < 20):
            raise Invalid(name, f"{title}: must be a whole number.")
        settings[name] = int(text)
    try:
        settings["recipe"] = json.loads(values["recipe"] or "{}")
    except (ValueError, RecursionError):
        raise Invalid("recipe", 'Must be JSON, such as {} or {"epochs": 3}.') from None
    sets = {item.slug: item for item in TestSet.objects.filter(slug__in=values["test_sets"])}
    return Plan(
        slug=values["slug"],
        name=values["name"],
        task=task_of(values["task"]),
        base_model=values["base_model"],
        contexts=[line for line in values["contexts"].splitlines() if line.strip()],
        test_sets=list(sets.values()),
        arms=[(name, kind) for name, kind in THREE_ARMS if name in values["arms"]],
        settings=settings,
    )
