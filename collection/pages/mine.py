"""Home for everybody; one's own examples and their fate; the leaderboard; trying the model for practice."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotators.enrolment import name_publicly
from annotators.models import Annotator
from collection import enrolment, sandbox, standing, submission
from collection.access import may_create, visible
from collection.errors import Invalid, NotYours, Refused
from collection.pages.login import login_keeps_text
from collection.pages.people import annotator, by_htmx, launched, sent_home, sent_key, status_of
from collection.pages.verdict import cards, shares
from collection.paging import page_by_key
from collection.texts import check_text
from modelserver import registry

PAGE = 20
LONGEST_NAME = 30


@never_cache
@login_keeps_text
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The studies open to the annotator, with what was earned; and the experiments that this person may look at."""
    page: dict[str, Any] = {"studies": standing.studies(annotator(request))}
    assert isinstance(request.user, AbstractBaseUser)
    page["experiments"] = visible(request.user).select_related("task").order_by("-pk")[:100]
    page["may_create"] = may_create(request.user)
    return render(request, "collection/home.html", page)


@login_keeps_text
@require_POST
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """Enrol; the arm stays secret."""
    try:
        enrolment.join(launched(slug), annotator(request))
    except NotYours:
        raise Http404 from None
    except Refused as error:
        messages.warning(request, error.message)
        return redirect("home")
    return redirect("write", slug=slug)


@never_cache
@login_keeps_text
@require_http_methods(["GET", "POST"])
def mine(request: HttpRequest, slug: str) -> HttpResponse:
    """One's own examples with what became of them and why; one that waits can be taken back."""
    experiment, who = launched(slug), annotator(request)
    if request.method == "POST":
        try:
            submission.retract(sent_key(request, "example"), who)
            messages.success(request, _("Taken back. It is no part of the data any more."))
        except Refused as refusal:
            messages.warning(request, refusal.message)
        return redirect("mine", slug=slug)
    arm = enrolment.enrolled_arm(experiment, who)
    if arm is None:
        return sent_home(request, experiment)
    own, before = standing.own_examples(experiment, who), request.GET.get("before")
    try:
        examples, more = page_by_key(own, before or None, PAGE)
    except Invalid:
        raise Http404 from None
    so_far = standing.progress(arm, who, None)
    page = {
        "experiment": experiment,
        "rows": cards(experiment.task.schema, examples, standing.reasons(examples)),
        "more": more,
        "shows_model": arm.shows_model,
        "progress": so_far,
        "money": standing.statement(experiment, who, so_far),
    }
    return render(request, "collection/mine.html", page)


@never_cache
@login_keeps_text
@require_http_methods(["GET", "POST"])
def leaders(request: HttpRequest, slug: str) -> HttpResponse:
    """Who has most accepted texts, of those who want to be named; a form to be named or not."""
    experiment, who = launched(slug), annotator(request)
    if not experiment.leaderboard:
        raise Http404
    arm = enrolment.enrolled_arm(experiment, who)
    if arm is None:
        return sent_home(request, experiment)
    problem: Invalid | None = None
    if request.method == "POST":
        try:
            _name(who, request.POST.get("public_name", ""))
            return redirect("leaders", slug=slug)
        except Invalid as invalid:
            problem = invalid
    page = {
        "experiment": experiment,
        "rows": standing.leaderboard(experiment, arm, who),
        "shows_model": arm.shows_model,
        "name": request.POST.get("public_name", who.public_name) if problem else who.public_name,
        "problem": problem,
    }
    return render(request, "collection/leaders.html", page, status=422 if problem else 200)


@never_cache
@login_keeps_text
@require_http_methods(["GET", "POST"])
def practice(request: HttpRequest, slug: str) -> HttpResponse:
    """The sandbox: any text, the model's verdict, nothing stored."""
    experiment, who = launched(slug), annotator(request)
    arm = enrolment.enrolled_arm(experiment, who)
    if arm is None or not sandbox.offers_sandbox(experiment, shows_model=arm.shows_model):
        # The same answer for an arm without a model as for a study without a sandbox.
        raise Http404
    schema = experiment.task.schema
    typed = {item.name: request.POST.get(item.name, "") for item in schema.fields}
    tried: sandbox.Tried | None = None
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            tried = sandbox.try_out(experiment, who, dict(typed), registry.model_client())
        except Refused as refused:
            refusal = refused
    found = tried.prediction if tried else None
    page = {
        "experiment": experiment,
        "fields": [(item, typed[item.name]) for item in schema.fields],
        "tried": tried,
        "shares": shares(schema, found.label, found.probabilities) if found else (),
        "refusal": refusal,
        "problem": refusal if isinstance(refusal, Invalid) else None,
    }
    template = "collection/bench.html" if by_htmx(request) else "collection/practice.html"
    return render(request, template, page, status=status_of(refusal))


def _name(who: Annotator, name: str) -> None:
    wanted = check_text("public_name", name, max_length=LONGEST_NAME) if name.strip() else ""
    if not name_publicly(who, wanted):
        raise Invalid("public_name", _("Somebody else has this name already."), "taken")
