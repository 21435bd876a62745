"""The live view of an experiment, for researchers."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from collection import experiments
from collection.access import Right
from collection.errors import Refused
from collection.grid import grid_of, last_events, versions_by_test_set
from collection.health import health
from collection.models import Experiment
from collection.pages.people import looked_at, steered
from collection.states import ExperimentState

ACTIONS: dict[str, Callable[[Experiment, AbstractBaseUser], None]] = {
    "launch": experiments.launch,
    "pause": experiments.pause,
    "resume": experiments.resume,
    "end": experiments.end,
}


@login_required
@never_cache
@require_GET
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """Arms x rounds, every version on every test set, and what has happened last."""
    experiment, granted = steered(request, slug)
    grid = grid_of(experiment)
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in granted,
        "arms": grid.arms,
        "numbers": range(1, 1 + max((len(cells) for _, cells in grid.arms), default=0)),
        "test_sets": versions_by_test_set(grid),
        "parts": health(grid),
        "events": last_events(experiment)[:15],
        "actions": [name for name, to in _POSSIBLE.items() if to in Experiment.MOVES[experiment.state]],
    }
    return render(request, "collection/live.html", page)


@login_required
@require_POST
def act(request: HttpRequest, slug: str) -> HttpResponse:
    """Launch, pause, resume or end."""
    experiment = looked_at(request, slug, Right.RUN)
    action = ACTIONS.get(request.POST.get("action", ""))
    if action is None:
        messages.warning(request, "There is no such button.")
        return redirect("live", slug=slug)
    if action is experiments.end and request.POST.get("sure") != "yes":
        messages.warning(request, "Ending is for good: tick the box to say that you are sure.")
        return redirect("live", slug=slug)
    assert isinstance(request.user, AbstractBaseUser)
    try:
        action(experiment, request.user)
    except Refused as error:
        messages.warning(request, str(error))
    return redirect("live", slug=slug)


_POSSIBLE = {
    "launch": ExperimentState.PREPARING,
    "pause": ExperimentState.PAUSED,
    "resume": ExperimentState.RUNNING,
    "end": ExperimentState.ENDED,
}
