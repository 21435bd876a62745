"""What can be done with an experiment, each with its consequence said before it is done."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection import experiments
from collection.access import Right
from collection.changes import end_round_early, extend_round
from collection.errors import Invalid, NotYours, Refused
from collection.models import Experiment, Round
from collection.numbers import natural
from collection.pages.people import looked_at_with, status_of
from collection.steering import actions

FINAL = ("launch", "extend", "close", "end")
DONE = {
    "launch": "Launched. A worker prepares it now.",
    "pause": "Paused. Nothing new is handed out.",
    "resume": "Resumed. Work is handed out again.",
    "extend": "Extended, in all arms alike.",
    "close": "Closed. A worker trains on what was accepted.",
    "retry": "The round is tried again.",
    "end": "Ended. All data stay.",
}


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def steer(request: HttpRequest, slug: str) -> HttpResponse:
    """The actions that are possible now; each posts here."""
    experiment, granted = looked_at_with(request, slug, Right.RUN)
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            _act(request, experiment)
        except Refused as refused:
            refusal = refused
            # The operation may have found it in another state than it was read in.
            experiment.refresh_from_db()
        else:
            messages.success(request, DONE[request.POST["action"]])
            return redirect("live", slug=slug)
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in granted,
        "actions": actions(experiment),
        "refusal": refusal,
        "by": request.POST.get("by", ""),
    }
    status = status_of(refusal)
    return render(request, "collection/steer.html", page, status=status)


def _act(request: HttpRequest, experiment: Experiment) -> None:
    """Do what was asked. Raises Refused."""
    name = request.POST.get("action", "")
    if name not in DONE:
        raise Invalid("action", "There is no such button.")
    if name in FINAL and request.POST.get("sure") != "yes":
        raise Invalid("sure", "This cannot be undone: tick the box to say that you are sure.")
    user = request.user
    assert isinstance(user, AbstractBaseUser)
    if name == "launch":
        experiments.launch(experiment, user)
    elif name == "pause":
        experiments.pause(experiment, user)
    elif name == "resume":
        experiments.resume(experiment, user)
    elif name == "end":
        experiments.end(experiment, user)
    elif name == "extend":
        extend_round(_round(request, experiment), _whole(request, "by"), user, told=_whole(request, "told"))
    elif name == "close":
        end_round_early(_round(request, experiment), user, sure=True, told=_whole(request, "told"))
    else:
        experiments.retry_round(_round(request, experiment), user)


def _round(request: HttpRequest, experiment: Experiment) -> Round:
    arm, number = request.POST.get("arm", ""), _whole(request, "number")
    found = Round.objects.filter(arm__experiment=experiment, arm__slug=arm, number=number).first()
    if found is None:
        raise NotYours("round")
    return found


def _whole(request: HttpRequest, name: str) -> int:
    if (number := natural(request.POST.get(name, "").strip(), 9)) is None:
        raise Invalid(name, "Must be a whole number.")
    return number
