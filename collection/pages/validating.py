"""Validating: the texts of one example and nothing else, a key a label, and the last vote to be taken back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotators.models import Annotator
from collection import settlement, standing, validation
from collection.enrolment import check_may_validate
from collection.errors import Conflict, Invalid, NothingToDo, Refused
from collection.models import Experiment, Validation
from collection.pages.login import login_keeps_text
from collection.pages.people import annotator, by_htmx, launched, sent_home, sent_key, status_of


@never_cache
@login_keeps_text
@require_http_methods(["GET", "POST"])
def validate(request: HttpRequest, slug: str) -> HttpResponse:
    """The example that is to be validated; voting, flagging and taking back post here."""
    experiment, who = launched(slug), annotator(request)
    try:
        check_may_validate(experiment, who)
    except Conflict:
        return sent_home(request, experiment)
    if request.method != "POST":
        return _page(request, experiment, who)
    refusal: Refused | None = None
    try:
        _act(request, experiment, who)
    except Refused as refused:
        refusal = refused
    if by_htmx(request) or isinstance(refusal, Invalid):
        return _page(request, experiment, who, refusal)
    if refusal is not None:
        messages.warning(request, refusal.message)
    return redirect("validate", slug=slug)


def _act(request: HttpRequest, experiment: Experiment, who: Annotator) -> None:
    action = request.POST.get("action", "")
    if action == "undo":
        validation.undo(sent_key(request, "validation"), who)
        return
    if action in ("vote", "flag"):
        label = request.POST.get("label") if action == "vote" else None
        if action == "vote" and not label:
            raise Invalid("label", _("Choose a label, or flag the text."))
        given = validation.Vote(label, request.POST.get("reason", ""))
        validation.vote(sent_key(request, "validation"), who, given)
    elif action != "claim":
        raise Invalid("action", _("There is no such button."))
    validation.claim_validation(experiment, who)


def _page(request: HttpRequest, experiment: Experiment, who: Annotator, refusal: Refused | None = None) -> HttpResponse:
    held = validation.held_validation(experiment, who)
    schema = experiment.task.schema
    last = validation.last_vote(experiment, who)
    page: dict[str, Any] = {
        "experiment": experiment,
        "schema": schema,
        "held": held,
        "texts": _texts(experiment, held) if held else (),
        "refusal": refusal,
        "problem": refusal if isinstance(refusal, Invalid) else None,
        "reason": request.POST.get("reason", "") if isinstance(refusal, Invalid) else "",
        "flagging": request.POST.get("action") == "flag",
        "last": last,
        "last_label": next((label.title for label in schema.labels if last and label.name == last.label), ""),
        "undo_left": _seconds_left(last) if last else 0,
        "done": standing.votes_given(experiment, who),
        "pay": experiment.pay(experiment.validation_pay_minor),
    }
    status = 200 if isinstance(refusal, NothingToDo) else status_of(refusal)
    template = "collection/ballot.html" if by_htmx(request) else "collection/validate.html"
    return render(request, template, page, status=status)


def _texts(experiment: Experiment, held: Validation) -> list[tuple[str, str]]:
    fields = experiment.task.schema.fields
    return [(item.title, text) for item, text in zip(fields, held.example.attempt.texts, strict=True)]


def _seconds_left(last: Validation) -> int:
    return max(1, int((settlement.taken_back_until(last) - timezone.now()).total_seconds()))
