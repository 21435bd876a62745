"""The settings of an experiment: a draft is edited as a whole, a launched one shows what is locked, and why."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.access import Right
from collection.changes import LOCKED, change, changed_plan, last_change
from collection.errors import Refused
from collection.grid import last_events
from collection.models import Experiment
from collection.numbers import natural
from collection.pages.people import looked_at_with
from collection.pages.planform import (
    NUMBERS,
    SWITCHES,
    Arms,
    expected_of,
    filled_in,
    posted,
    shown,
    typed,
    typed_numbers,
)
from collection.planning import THREE_ARMS, Plan, Problem, copy_of, problems
from collection.states import ArmKind, ExperimentState

# What a form can take: the rest of a request's megabyte is for everything else in it.
MOST_CONTEXT_CHARACTERS = 100_000
_NUMBERS = [name for name, _, _ in NUMBERS if name not in LOCKED]
_SWITCHES = [name for name, _ in SWITCHES if name not in LOCKED]


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Every setting, with who has changed what; what may be changed is saved whole or not at all."""
    sent = request.method == "POST"
    experiment, granted = looked_at_with(request, slug, Right.RUN if sent else Right.LOOK)
    draft = experiment.state == ExperimentState.DRAFT
    plan = copy_of(experiment, experiment.slug, experiment.name)
    arms = _arms(plan)
    values = posted(request) if sent else filled_in(plan)
    found: list[Problem] = []
    expected: dict[str, Any] = {}
    if sent:
        said, found = typed(values, arms) if draft else _typed_free(values)
        if draft and not _fits_a_form(plan):
            del said["contexts"]
        try:
            if draft and (found or request.POST.get("action") == "check"):
                wanted = changed_plan(plan, said)
                found = [*found, *problems(wanted, draft=experiment)]
                expected = {} if found else expected_of(wanted)
            elif not found:
                _save(request, experiment, said)
                messages.success(request, "Saved.")
                return redirect("settings", slug=slug)
        except Refused as refusal:
            found = _all_that_is_wrong(experiment, plan, said, refusal) if draft else [_problem(refusal)]
    page = {
        **shown(values, found, arms),
        **expected,
        "experiment": experiment,
        "manages": Right.MANAGE in granted,
        "contexts": len(plan.contexts),
        "contexts_fit": _fits_a_form(plan),
        "seen": last_change(experiment),
        "locked": _locked(experiment, plan),
        "events": last_events(experiment).filter(from_state=F("to_state"))[:50],
    }
    if not draft:
        page["numbers"] = [item for item in page["numbers"] if item[0] in _NUMBERS]
        page["switches"] = [item for item in page["switches"] if item[0] in _SWITCHES]
    template = "collection/plan.html" if draft else "collection/settings.html"
    return render(request, template, page, status=422 if found else 200)


def _save(request: HttpRequest, experiment: Experiment, said: dict[str, Any]) -> None:
    assert isinstance(request.user, AbstractBaseUser)
    change(experiment, said, request.user, seen=natural(request.POST.get("seen", ""), 18) or 0)


def _typed_free(values: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """What the form of a launched experiment says."""
    numbers, wrong = typed_numbers(values, _NUMBERS)
    return {"name": values["name"], **numbers, **{name: values[name] for name in _SWITCHES}}, wrong


def _all_that_is_wrong(experiment: Experiment, plan: Plan, said: dict[str, Any], refusal: Refused) -> list[Problem]:
    """A refusal names the first thing that is wrong; here come the others too."""
    first = _problem(refusal)
    others = problems(changed_plan(plan, said), draft=experiment) if first.field else []
    return [first, *(item for item in others if item != first)]


def _problem(refusal: Refused) -> Problem:
    return Problem(getattr(refusal, "field", ""), refusal.code, refusal.message)


def _arms(plan: Plan) -> Arms:
    """The plan's own arms in their order, and the usual ones beside them."""
    own = dict(plan.arms)
    return own | {name: ArmKind(kind) for name, kind in THREE_ARMS if name not in own}


def _fits_a_form(plan: Plan) -> bool:
    """Whether the contexts can be edited a line each."""
    short = sum(map(len, plan.contexts)) <= MOST_CONTEXT_CHARACTERS
    return short and not any(len(text.splitlines()) > 1 for text in plan.contexts)


def _locked(experiment: Experiment, plan: Plan) -> list[tuple[str, str, str]]:
    """What a launch fixes, as name, value and reason."""
    titles = {name: title for name, title, _ in NUMBERS} | dict(SWITCHES) | {"slug": "Short name"}
    values = filled_in(plan) | {
        "contexts": len(plan.contexts),
        "arms": ", ".join(f"{name} ({kind})" if name != kind else name for name, kind in plan.arms),
        "test_sets": ", ".join(item.name for item in plan.test_sets) or "none",
        "label_policy": experiment.get_label_policy_display(),
        "start_from": experiment.get_start_from_display(),
        "max_skips": "any number" if experiment.max_skips is None else experiment.max_skips,
    }
    values |= {name: experiment.pay(values[name]) for name in LOCKED if name.endswith("_minor")}
    values |= {name: "yes" if values[name] else "no" for name, _ in SWITCHES}
    return [(titles.get(name, name.replace("_", " ").capitalize()), values[name], why) for name, why in LOCKED.items()]
