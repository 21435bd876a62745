"""Releases of an experiment: having one made, deciding about it, its files, and giving it out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from collection import releases
from collection.access import Right, rights
from collection.api.authentication import Scope, user_of
from collection.api.console import exchange_serializers as s
from collection.api.console.base import CURSOR, ConsoleView, iso
from collection.api.console.serializers import SureIn
from collection.api.idempotency import idempotent
from collection.api.reading import parameters, read
from collection.downloads import archive_of, compared, file_of
from collection.errors import Invalid
from collection.export.difference import Examples, Ids
from collection.models import Release
from collection.numbers import natural
from collection.paging import page_by_key

PAGE = 50


class ReleaseView(ConsoleView):
    """What all requests about one release share."""

    def release(self, slug: str, number: int, right: Right = Right.LOOK) -> Release:
        """The release, if the user has that right in its experiment. Raises NotYours."""
        return releases.one_of(self.experiment(slug, right), number)


class ReleasesView(ConsoleView):
    """All releases of an experiment."""

    @extend_schema(operation_id="releases_list", parameters=[CURSOR], responses=s.ReleasePageOut)
    def get(self, request: Request, slug: str) -> Response:
        """A page, the latest first."""
        experiment = self.experiment(slug)
        cursor = parameters(request, "cursor").get("cursor")
        found, more = page_by_key(releases.releases_of(experiment), cursor, PAGE)
        return Response({"results": [_line(item) for item in found], "next": more})

    @extend_schema(request=s.ReleaseIn, responses={202: s.ReleaseOut})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Have one made by a worker, of the data as they are now. 409 for rounds that are still running."""
        experiment = self.experiment(slug, Right.RUN)
        made = releases.ask(experiment, read(s.ReleaseIn, request), user_of(request))
        return Response(_release(self, made), status=202)


class OneReleaseView(ReleaseView):
    """One release."""

    @extend_schema(operation_id="releases_get", responses=s.ReleaseOut)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """How far it is; its choices, what the scan of its texts has found, and its files with their checksums."""
        found = self.release(slug, number)
        parameters(request)
        return Response(_release(self, found))


class DecisionView(ReleaseView):
    """A decision about what was found."""

    @extend_schema(operation_id="releases_decide", request=s.FindingsIn, responses=s.ReleaseOut)
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Release what was found as it is (``accepted``), or leave out the texts that it is in (``left_out``)."""
        found = self.release(slug, number, Right.RUN)
        releases.decide_findings(found, user_of(request), read(s.FindingsIn, request)["decision"])
        return Response(_release(self, found))


class RetryView(ReleaseView):
    """Trying again."""

    @extend_schema(operation_id="releases_retry", request=None, responses=s.ReleaseOut)
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Have a release that failed made after all."""
        found = self.release(slug, number, Right.RUN)
        releases.retry(found, user_of(request))
        return Response(_release(self, found))


class WithdrawView(ReleaseView):
    """Taking a release back, for owners."""

    scopes = (Scope.MANAGE, Scope.MANAGE)

    @extend_schema(operation_id="releases_withdraw", request=SureIn, responses=s.ReleaseOut)
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Delete its files, if ``sure``: it cannot be undone. Its row and its checksum stay on record."""
        found = self.release(slug, number, Right.MANAGE)
        if not read(SureIn, request)["sure"]:
            raise Invalid("sure", "This cannot be undone: say true to say that you are sure.")
        releases.withdraw(found, user_of(request))
        return Response(_release(self, found))


class LinkView(ReleaseView):
    """The link for people without an account, for owners."""

    scopes = (Scope.MANAGE, Scope.MANAGE)

    @extend_schema(operation_id="releases_link", request=None, responses=s.ReleaseOut)
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Make one; if there is one, it stays."""
        found = self.release(slug, number, Right.MANAGE)
        releases.make_link(found, user_of(request))
        return Response(_release(self, found))

    @extend_schema(operation_id="releases_unlink", responses={204: None})
    def delete(self, request: Request, slug: str, number: int) -> Response:
        """Take it away."""
        releases.remove_link(self.release(slug, number, Right.MANAGE), user_of(request))
        return Response(status=204)


class DifferenceView(ReleaseView):
    """Two releases side by side."""

    @extend_schema(
        operation_id="releases_difference",
        parameters=[OpenApiParameter("former", int, required=True)],
        responses=s.DifferenceOut,
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """What is another way in this release than in the ``former`` one. People have other pseudonyms in each."""
        found = self.release(slug, number)
        former = natural(parameters(request, "former").get("former", ""), 9)
        if former is None:
            raise Invalid("former", "Must be the number of a release.")
        told = compared(self.release(slug, former), found)
        return Response(
            {
                "settings": {name: list(values) for name, values in told.settings.items()},
                "files_added": told.files_added,
                "files_removed": told.files_removed,
                "files_changed": told.files_changed,
                "examples": [_examples(arm, item) for arm, item in told.examples.items()],
            }
        )


class _DownloadView(ReleaseView):
    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """Whatever a client accepts, a file is what it is; only a refusal is rendered."""
        return JSONRenderer(), JSONRenderer.media_type


class ArchiveView(_DownloadView):
    """All files of a release."""

    @extend_schema(operation_id="releases_archive", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, number: int) -> HttpResponseBase:
        """A zip, made while it is sent; ``X-Checksum-Sha256`` is that of the release. A damaged file breaks it off."""
        found = self.release(slug, number)
        parameters(request)
        return archive_of(found).answer(request._request)


class FileView(_DownloadView):
    """One file of a release."""

    @extend_schema(operation_id="releases_file", responses={(200, "*/*"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, number: int, path: str) -> HttpResponseBase:
        """The file; ``X-Checksum-Sha256`` is its own. One that is damaged breaks the transfer off."""
        found = self.release(slug, number)
        parameters(request)
        return file_of(found, path).answer(request._request)


def _line(item: Release) -> dict[str, Any]:
    names = ("number", "state", "problem", "progress", "choices", "sha256", "size", "note")
    return {name: getattr(item, name) for name in names} | {
        "examples": releases.examples_of(item),
        "public": item.link is not None,
        "as_of": iso(item.as_of),
        "done_at": iso(item.done_at),
    }


def _release(view: ReleaseView | ReleasesView, item: Release) -> dict[str, Any]:
    user = view.request.user
    assert isinstance(user, AbstractBaseUser)
    manages = Right.MANAGE in rights(user, item.experiment)
    return _line(item) | {
        "findings": {"counts": {}, "kept": []} | item.findings,
        "findings_decision": item.findings_decision or None,
        "files": [vars(file) for file in releases.files_of(item)],
        # Who may not give it out is not told where it is given out.
        "link": reverse("public_release", args=[item.link]) if item.link and manages else None,
    }


def _examples(arm: str, found: Examples | None) -> dict[str, Any]:
    if found is None:
        return {"arm": arm, "compared": False, "added": None, "removed": None, "changed": None, "moved": []}
    moved = [{"from_split": old, "to_split": new, **_ids(ids)} for (old, new), ids in found.moved.items()]
    counted = {name: _ids(getattr(found, name)) for name in ("added", "removed", "changed")}
    return {"arm": arm, "compared": True, **counted, "moved": moved}


def _ids(ids: Ids) -> dict[str, Any]:
    return {"count": ids.count, "first": ids.first}
