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

from collection.access import Right, rights
from collection.adjudication import adjudicate, for_experts
from collection.errors import Invalid, Refused
from collection.models import Validation
from collection.pages.people import looked_at, sent_key
from collection.states import ValidationState

PAGE = 20


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def experts(request: HttpRequest, slug: str) -> HttpResponse:
    """The next undecided examples, and deciding one."""
    experiment = looked_at(request, slug, Right.RUN)
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
    votes = defaultdict(list)
    for vote in Validation.objects.filter(example__in=waiting, state=ValidationState.VOTED).order_by("voted_at"):
        votes[vote.example_id].append(vote)
    schema = experiment.task.schema
    titles = {label.name: label.title for label in schema.labels}
    rows = [
        {
            "example": item,
            "texts": list(zip(schema.fields, item.attempt.texts, strict=True)),
            "label": titles.get(item.label, item.label),
            "votes": [(titles.get(vote.label, ""), vote) for vote in votes[item.pk]],
            "problem": problem if problem and str(item.key) == request.POST.get("example") else None,
        }
        for item in waiting
    ]
    manages = Right.MANAGE in rights(request.user, experiment)
    page = {"experiment": experiment, "manages": manages, "rows": rows, "reason": request.POST.get("reason", "")}
    return render(request, "collection/experts.html", page, status=422 if problem else 200)
