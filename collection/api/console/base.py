"""What the views of the console's API share: the scopes of tokens, the right in the experiment, pages by key."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.views import APIView

from collection.access import Right, allowed, may_create
from collection.api.authentication import Scope, user_of
from collection.errors import Invalid, NotYours
from collection.models import Experiment

PAGE = 50
M = TypeVar("M", bound=Model)


class ConsoleView(APIView):
    """For those who look at an experiment from the console; for anybody else it is not there."""

    scopes = (Scope.READ, Scope.RUN)

    def experiment(self, slug: str, right: Right = Right.LOOK) -> Experiment:
        """The experiment, if the user has that right in it. Raises NotYours."""
        return allowed(self.request.user, slug, right)


class SiteView(APIView):
    """For the site's researchers: those who may make experiments. For anybody else it is not there."""

    scopes = (Scope.READ, Scope.RUN)

    def check_researcher(self) -> None:
        """Raises NotYours for anybody else."""
        if not may_create(user_of(self.request)):
            raise NotYours("experiment")


def page_by_key(rows: QuerySet[M], cursor: str | None) -> tuple[list[M], str | None]:
    """A page of rows, newest first, and the cursor of the next one. Raises Invalid for a cursor that is none."""
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise Invalid("cursor", "Is not a cursor of this list.")
        rows = rows.filter(pk__lt=int(cursor))
    found = list(rows.order_by("-pk")[: PAGE + 1])
    more = str(found[PAGE - 1].pk) if len(found) > PAGE else None
    return found[:PAGE], more


def iso(moment: Any) -> str | None:
    """A moment as text."""
    return moment.isoformat() if moment else None
