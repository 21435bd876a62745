"""Writing and validating."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotators.enrolment import enrolment_in
from annotators.ledger import earned
from collection import assignment, submission, validation
from collection.enrolment import arm_of
from collection.errors import Invalid, Refused
from collection.models import Assignment, Experiment, Validation
from collection.pages.people import annotator, launched
from modelserver import registry

Page = Callable[[HttpRequest, str], HttpResponse]


def _for_the_enrolled(page: Page) -> Page:
    """Send somebody who has not joined the study home, where it can be joined."""

    @wraps(page)
    def wrapped(request: HttpRequest, slug: str) -> HttpResponse:
        if enrolment_in(launched(slug).key, annotator(request)) is None:
            messages.info(request, "Please join this study first.")
            return redirect("home")
        return page(request, slug)

    return wrapped


@login_required
@never_cache
@_for_the_enrolled
@require_http_methods(["GET", "POST"])
def write(request: HttpRequest, slug: str) -> HttpResponse:
    """The page of the assignment that is held; every button of it posts here."""
    experiment = launched(slug)
    if request.method == "POST":
        try:
            done = _act_on_writing(request, experiment)
        except Invalid as error:
            return _write_page(request, experiment, status=422, problem=error)
        except Refused as error:
            messages.warning(request, error.message)
        else:
            if done:
                messages.success(request, done)
        return redirect("write", slug=slug)
    return _write_page(request, experiment)


@login_required
@never_cache
@_for_the_enrolled
@require_http_methods(["GET", "POST"])
def validate(request: HttpRequest, slug: str) -> HttpResponse:
    """The example that is to be validated: its texts and nothing else."""
    experiment = launched(slug)
    if request.method == "POST":
        try:
            _act_on_validating(request, experiment)
        except Invalid as error:
            return _validate_page(request, experiment, status=422, problem=error)
        except Refused as error:
            messages.warning(request, error.message)
        return redirect("validate", slug=slug)
    return _validate_page(request, experiment)


def _act_on_writing(request: HttpRequest, experiment: Experiment) -> str:
    """Do what was asked; what to say about it."""
    who = annotator(request)
    action = request.POST.get("action", "")
    if action == "claim":
        assignment.claim(experiment, who)
        return ""
    key = _key("assignment", request.POST.get("assignment"))
    if action == "attempt":
        fields = experiment.task.schema.writer_fields
        written: dict[str, object] = {item.name: request.POST.get(item.name, "") for item in fields}
        label = request.POST.get("label") or None
        submission.attempt(key, who, written, label, request.POST.get("idempotency_key", ""), registry.model_client())
        return ""
    if action == "submit":
        submission.submit(key, who, _key("attempt", request.POST.get("attempt")))
        assignment.claim(experiment, who)
        return "Submitted. Others will now validate it. Here is the next one."
    if action == "skip":
        assignment.skip_context(key, who)
        return "Here is another text; the label stays."
    if action == "release":
        assignment.release(key, who)
        return "Given back."
    raise Invalid("action", "There is no such button.")


def _act_on_validating(request: HttpRequest, experiment: Experiment) -> None:
    who = annotator(request)
    if request.POST.get("action") != "claim":
        key = _key("validation", request.POST.get("validation"))
        label = request.POST.get("label")
        flagged = request.POST.get("action") == "flag"
        if not flagged and not label:
            raise Invalid("label", "Choose a label, or flag the text.")
        validation.vote(key, who, validation.Vote(None if flagged else label, request.POST.get("reason", "")))
    validation.claim_validation(experiment, who)


def _write_page(
    request: HttpRequest, experiment: Experiment, status: int = 200, problem: Invalid | None = None
) -> HttpResponse:
    who = annotator(request)
    arm = arm_of(experiment, who)
    held = assignment.held_assignment(experiment, who)
    page: dict[str, Any] = {
        "experiment": experiment,
        "schema": experiment.task.schema,
        "held": held,
        "problem": problem,
        "earned": earned(who, experiment.key),
        "shows_model": arm.shows_model,
        "idempotency_key": uuid.uuid4().hex,
    }
    if held is not None:
        page |= _writing(request, experiment, held)
    return render(request, "collection/write.html", page, status=status)


def _writing(request: HttpRequest, experiment: Experiment, held: Assignment) -> dict[str, Any]:
    shows_model = held.round.arm.shows_model
    left = submission.tries_left(held)
    attempts = list(held.attempts.select_related("model_version").order_by("-index"))
    for item in attempts:
        item.submittable = submission.submittable(held, item, left)  # type: ignore[attr-defined]
        written = zip(experiment.task.schema.fields, item.texts, strict=True)
        item.written = [text for field, text in written if field.source == "writer"]  # type: ignore[attr-defined]
    return {
        "target": next((label for label in experiment.task.schema.labels if label.name == held.target_label), None),
        "fields": [(item, request.POST.get(item.name, "")) for item in experiment.task.schema.writer_fields],
        "attempts": attempts,
        "tries_left": left,
        "waiting": shows_model and any(item.state == "waiting" for item in attempts),
        "skips_left": None if experiment.max_skips is None else experiment.max_skips - held.skips,
    }


def _validate_page(
    request: HttpRequest, experiment: Experiment, status: int = 200, problem: Invalid | None = None
) -> HttpResponse:
    who = annotator(request)
    held = validation.held_validation(experiment, who)
    page = {
        "experiment": experiment,
        "schema": experiment.task.schema,
        "held": held,
        "texts": _texts(experiment, held) if held else (),
        "problem": problem,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "collection/validate.html", page, status=status)


def _texts(experiment: Experiment, held: Validation) -> list[tuple[str, str]]:
    fields = experiment.task.schema.fields
    return [(item.title, text) for item, text in zip(fields, held.example.attempt.texts, strict=True)]


def _key(field: str, value: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(value or "")
    except ValueError:
        raise Invalid(field, "Please load the page again.") from None
