"""A release for whoever has its link: without an account, without a script, and in no search engine."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from collection import releases
from collection.downloads import archive_of, file_of
from collection.errors import Conflict, NotYours
from collection.models import Release
from collection.pages.releases import described
from collection.pages.throttling import wait_before_public

Page = Callable[..., HttpResponseBase]


def _linked(page: Callable[..., HttpResponseBase]) -> Page:
    """Gives the release that a link leads to in place of the link; 404 for one that leads nowhere (any more), 429 for
    whoever asks too often."""

    @wraps(page)
    def wrapped(request: HttpRequest, link: uuid.UUID, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            seconds = wait_before_public(request)
            if seconds is None:
                answer = page(request, releases.linked(link), *args, **kwargs)
            else:
                answer = _in_words(f"Too many requests from your address. Please try again in {seconds} seconds.", 429)
                answer["Retry-After"] = str(seconds)
        except NotYours:
            raise Http404 from None
        except Conflict as conflict:
            answer = _in_words(conflict.message, 409)
        answer["X-Robots-Tag"] = "noindex, nofollow"
        return answer

    return wrapped


def _in_words(message: str, status: int) -> HttpResponseBase:
    return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
@_linked
def public_release(request: HttpRequest, release: Release) -> HttpResponseBase:
    """What the release is, and its files."""
    return render(request, "collection/public_release.html", described(release))


@never_cache
@require_safe
@_linked
def public_archive(request: HttpRequest, release: Release) -> HttpResponseBase:
    """All files as one zip."""
    return archive_of(release).answer(request)


@never_cache
@require_safe
@_linked
def public_file(request: HttpRequest, release: Release, path: str) -> HttpResponseBase:
    """One file."""
    return file_of(release, path).answer(request)
