"""Releases of an experiment: having one made, what was found in it, its files, and giving it out."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from collection import releases
from collection.access import Right
from collection.downloads import archive_of, compared, file_of
from collection.errors import Conflict, Invalid, NotYours, Refused
from collection.models import Experiment, Release
from collection.numbers import natural
from collection.pages.people import looked_at, looked_at_with, status_of
from collection.pages.releaseform import FORMAT_TITLES, METHOD_TITLES, defaults, said, shown
from collection.states import ReleaseState

SHOWN_FINDINGS = 100
# What is done with a release, and the right that it takes: what leaves the study is its owners' to decide.
_ACTIONS = {
    "accepted": Right.RUN,
    "left_out": Right.RUN,
    "retry": Right.RUN,
    "link": Right.MANAGE,
    "unlink": Right.MANAGE,
    "withdraw": Right.MANAGE,
}


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def all_releases(request: HttpRequest, slug: str) -> HttpResponse:
    """All releases, and a form for another one."""
    if request.method == "POST":
        experiment, held = looked_at_with(request, slug, Right.RUN)
    else:
        experiment, held = looked_at_with(request, slug)
    offer = releases.offer_of(experiment)
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            return redirect("release", slug=slug, number=_asked(request, experiment).number)
        except Refused as refused:
            refusal = refused
    found = list(releases.releases_of(experiment))
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "runs": Right.RUN in held,
        "releases": [(item, sum(releases.examples_of(item).values())) for item in found],
        "told": found[0].number if found else 0,
        "problem": refusal,
        **shown(offer, request.POST if request.method == "POST" else defaults(offer)),
    }
    return render(request, "collection/releases.html", page, status=status_of(refusal))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def one_release(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """How far a release is, what was found in it, its files; and what is decided about it."""
    refusal: Refused | None = None
    if request.method == "POST":
        right = _ACTIONS.get(request.POST.get("action", ""), Right.RUN)
        experiment = looked_at(request, slug, right)
        try:
            _act(request, _found(experiment, number))
            return redirect("release", slug=slug, number=number)
        except Refused as refused:
            refusal = refused
    experiment, held = looked_at_with(request, slug)
    release = _found(experiment, number)
    link = reverse("public_release", args=[release.link]) if release.link else ""
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "runs": Right.RUN in held,
        "refusal": refusal,
        "link": request.build_absolute_uri(link) if link else "",
        "confirmation": _confirmation(release),
        "others": _others(release),
        **described(release),
    }
    return render(request, "collection/release.html", page, status=status_of(refusal))


@login_required
@never_cache
@require_safe
def difference(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What is another way in a release than in a former one."""
    experiment, held = looked_at_with(request, slug)
    release = _found(experiment, number)
    former = natural(request.GET.get("former", ""), 9)
    if former is None:
        return redirect("release", slug=slug, number=number)
    refusal: Refused | None = None
    found = None
    try:
        found = compared(_found(experiment, former), release)
    except Refused as refused:
        refusal = refused
    page = {
        "experiment": experiment,
        "manages": Right.MANAGE in held,
        "release": release,
        "former": former,
        "found": found,
        "refusal": refusal,
    }
    return render(request, "collection/release_difference.html", page, status=status_of(refusal))


@login_required
@never_cache
@require_safe
def archive(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """All files as one zip."""
    release = _found(looked_at(request, slug), number)
    try:
        return archive_of(release).answer(request)
    except Conflict as conflict:
        return _back(request, release, conflict)


@login_required
@never_cache
@require_safe
def file(request: HttpRequest, slug: str, number: int, path: str) -> HttpResponseBase:
    """One file."""
    release = _found(looked_at(request, slug), number)
    try:
        return file_of(release, path).answer(request)
    except NotYours:
        raise Http404 from None
    except Conflict as conflict:
        return _back(request, release, conflict)


def described(release: Release) -> dict[str, Any]:
    """A release for its template."""
    choices = release.choices
    examples = releases.examples_of(release)
    kept = release.findings.get("kept", [])
    return {
        "release": release,
        "study": release.experiment,
        "files": releases.files_of(release),
        "examples": sorted(examples.items()),
        "whole": sum(examples.values()),
        "choices": choices,
        "rounds": [(arm, ", ".join(map(str, numbers))) for arm, numbers in choices["rounds"].items()],
        "formats": [FORMAT_TITLES[name] for name in choices["formats"]],
        "method": METHOD_TITLES[choices["splits"]["method"]],
        "counts": sorted(release.findings.get("counts", {}).items()),
        "kept": kept[:SHOWN_FINDINGS],
        "kept_count": len(kept),
    }


def _found(experiment: Experiment, number: int) -> Release:
    try:
        return releases.one_of(experiment, number)
    except NotYours:
        raise Http404 from None


def _asked(request: HttpRequest, experiment: Experiment) -> Release:
    assert isinstance(request.user, AbstractBaseUser)
    told = natural(request.POST.get("told", ""), 9)
    if told is None:
        raise Invalid("told", "Please load the page again.")
    wanted = said(releases.offer_of(experiment), request.POST)
    return releases.ask(experiment, wanted, request.user, told=told)


def _act(request: HttpRequest, release: Release) -> None:
    user, action = request.user, request.POST.get("action", "")
    assert isinstance(user, AbstractBaseUser)
    if action not in _ACTIONS:
        raise Invalid("action", f"Must be one of: {', '.join(_ACTIONS)}.")
    if action == "retry":
        releases.retry(release, user)
    elif action == "link":
        releases.make_link(release, user)
    elif action == "unlink":
        releases.remove_link(release, user)
    elif action == "withdraw":
        if request.POST.get("confirmation", "").strip() != _confirmation(release):
            raise Invalid("confirmation", f"Type {_confirmation(release)} to say that you are sure.")
        releases.withdraw(release, user)
    else:
        releases.decide_findings(release, user, action)


def _confirmation(release: Release) -> str:
    return f"{release.experiment.slug} {release.number}"


def _others(release: Release) -> list[int]:
    """The numbers of the releases with which it can be compared, the latest first."""
    if release.state != ReleaseState.DONE:
        return []
    done = releases.releases_of(release.experiment).filter(state=ReleaseState.DONE).exclude(pk=release.pk)
    return list(done.values_list("number", flat=True))


def _back(request: HttpRequest, release: Release, conflict: Conflict) -> HttpResponse:
    messages.warning(request, conflict.message)
    return redirect("release", slug=release.experiment.slug, number=release.number)
