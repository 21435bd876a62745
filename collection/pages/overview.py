"""The live view of an experiment, for researchers."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from collection.access import Right
from collection.grid import grid_of, last_events, subjects, versions_by_test_set
from collection.health import health
from collection.pages.people import looked_at_with


@login_required
@never_cache
@require_GET
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """Arms x rounds, every version on every test set, and what has happened last."""
    experiment, granted = looked_at_with(request, slug)
    grid = grid_of(experiment)
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in granted,
        "arms": grid.arms,
        "numbers": range(1, 1 + max((len(cells) for _, cells in grid.arms), default=0)),
        "test_sets": versions_by_test_set(grid),
        "parts": health(grid),
        "events": subjects(grid, last_events(experiment)[:15]),
    }
    return render(request, "collection/live.html", page)
