"""Who asks for a page, and what of an experiment there is for them."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from annotators.enrolment import annotator_of, enrolment_in
from annotators.models import Annotator
from collection.access import NOT_LAUNCHED, Right, granted, may_create, may_join
from collection.enrolment import NOT_BLIND
from collection.errors import Invalid, NotYours, Refused
from collection.models import Experiment


def annotator(request: HttpRequest) -> Annotator:
    """The annotator that the logged-in user is."""
    assert isinstance(request.user, AbstractBaseUser)
    return annotator_of(request.user)


def launched(slug: str) -> Experiment:
    """An experiment that has been launched; 404 for any other."""
    return get_object_or_404(Experiment.objects.exclude(state__in=NOT_LAUNCHED).select_related("task"), slug=slug)


def sent_home(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    """For somebody who may not work in the study: home, where it can be joined, or to the live view who has joined and
    sees it by now. 404 for who may not join it."""
    assert isinstance(request.user, AbstractBaseUser)
    if enrolment_in(experiment.key, annotator(request)) is not None:
        messages.warning(request, _(NOT_BLIND))
        live = redirect("live", slug=experiment.slug)
        return HttpResponseClientRedirect(live.url) if by_htmx(request) else live
    if not may_join(request.user, experiment):
        raise Http404
    messages.info(request, _("Please join this study first."))
    return redirect("home")


def looked_at(request: HttpRequest, slug: str, right: Right = Right.LOOK) -> Experiment:
    """An experiment for the console; 404 for whoever lacks the right as if there were none."""
    return looked_at_with(request, slug, right)[0]


def looked_at_with(request: HttpRequest, slug: str, right: Right = Right.LOOK) -> tuple[Experiment, frozenset[Right]]:
    """The same, with all rights of whoever asks."""
    try:
        return granted(request.user, slug, right)
    except NotYours:
        raise Http404 from None


def check_site_researcher(request: HttpRequest) -> None:
    """404 for whoever may not make experiments, tasks and test sets, as if there were no such page."""
    if not may_create(request.user):
        raise Http404


def by_htmx(request: HttpRequest) -> bool:
    """Whether a part of the page will do: htmx asks, and not to go back in its history."""
    return bool(request.htmx) and not request.htmx.history_restore_request  # type: ignore[attr-defined]


def status_of(refusal: Refused | None) -> int:
    """The status of a page that tells a refusal: 422 for bad input, 409 for what cannot be done now."""
    return 200 if refusal is None else 422 if isinstance(refusal, Invalid) else 409


def sent_key(request: HttpRequest, field: str) -> uuid.UUID:
    """A key that a form sends back. Raises Invalid if it is none."""
    try:
        return uuid.UUID(request.POST.get(field, ""))
    except ValueError:
        raise Invalid(field, _("Please load the page again.")) from None
