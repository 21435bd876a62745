"""For experts: examples that validators flagged or have not decided, with their votes, to decide."""

from __future__ import annotations

from collections import defaultdict

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from collection.access import Right
from collection.adjudication import adjudicate, for_experts
from collection.errors import Invalid, Refused
from collection.models import Validation
from collection.pages.people import looked_at_with, sent_key
from collection.pages.verdict import cards
from collection.states import ValidationState

PAGE = 20


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def experts(request: HttpRequest, slug: str) -> HttpResponse:
    """The next undecided examples, and deciding one."""
    experiment, rights = looked_at_with(request, slug, Right.RUN)
    problem: Invalid | None = None
    assert isinstance(request.user, AbstractBaseUser)
    if request.method == "POST":
        try:
            outcome, reason = request.POST.get("outcome", ""), request.POST.get("reason", "")
            adjudicate(experiment, sent_key(request, "example"), request.user, outcome, reason)
            messages.success(request, _("Decided."))
            return redirect("experts", slug=slug)
        except Invalid as invalid:
            problem = invalid
        except Refused as refusal:
            messages.warning(request, refusal.message)
            return redirect("experts", slug=slug)
    waiting = list(for_experts(experiment).exclude(annotator__user_id=request.user.pk)[:PAGE])
    votes: dict[int, list[Validation]] = defaultdict(list)
    for vote in Validation.objects.filter(example__in=waiting, state=ValidationState.VOTED).order_by("voted_at"):
        votes[vote.example_id].append(vote)
    rows = cards(experiment.task.schema, waiting, votes)
    for row in rows:
        row["problem"] = problem if str(row["example"].key) == request.POST.get("example") else None
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in rights,
        "rows": rows,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "collection/experts.html", page, status=422 if problem else 200)
