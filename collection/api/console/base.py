"""What the views of the console's API share: the scopes of tokens, the right in the experiment."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.views import APIView

from collection.access import Right, allowed, may_create
from collection.api.authentication import Scope, user_of
from collection.errors import NotYours
from collection.models import Experiment

CURSOR = OpenApiParameter("cursor", str, description="Where the page before ended")


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


def iso(moment: Any) -> str | None:
    """A moment as text."""
    return moment.isoformat() if moment else None
