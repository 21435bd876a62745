"""Checking a plan before it is made, changing what may be changed, and steering rounds."""

from __future__ import annotations

import dataclasses
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from collection import experiments
from collection.access import Right
from collection.api.authentication import user_of
from collection.api.console import serializers as s
from collection.api.console.base import ConsoleView, SiteView
from collection.api.console.experiments import experiment_out, read_plan
from collection.api.idempotency import idempotent
from collection.api.reading import checked, parameters, read
from collection.changes import LOCKED, change, end_round_early, extend_round
from collection.errors import Invalid, NotYours
from collection.models import Experiment, Round
from collection.planning import Estimate, Plan, copy_of, estimate, problems
from collection.steering import actions


class CheckView(SiteView):
    """Everything that is wrong with a plan, and what it will take. Nothing is stored."""

    @extend_schema(request=s.PlanIn, responses=s.CheckOut)
    def post(self, request: Request) -> Response:
        """All problems at once; an estimate where there is none."""
        self.check_researcher()
        return Response(check_out(read_plan(request)))


class CopyView(ConsoleView):
    """A new draft like an experiment that there is."""

    @extend_schema(request=s.CopyIn, responses={201: s.ExperimentOut})
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """The copy; whoever makes it owns it."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.CopyIn, request)
        made = experiments.create(copy_of(experiment, body["slug"], body["name"]), user_of(request))
        return Response(experiment_out(made), status=201)


class ChangeView(ConsoleView):
    """What may be changed, and changing it."""

    @extend_schema(operation_id="locks_get", responses=s.LocksOut)
    def get(self, request: Request, slug: str) -> Response:
        """What is locked after the launch, each with the reason."""
        self.experiment(slug)
        return Response({"locked": dict(LOCKED)})

    @extend_schema(request=s.ChangeIn, responses=s.ExperimentOut)
    @idempotent
    def patch(self, request: Request, slug: str) -> Response:
        """Change settings, all of them or none. 409 for one that is locked, with the reason."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.ChangeIn, request)
        settings = dict(body)
        if "settings" in body:
            sent: Any = request.data
            settings |= checked(s.SettingsIn, sent["settings"])
            del settings["settings"]
        return Response(experiment_out(change(experiment, settings, user_of(request))))


class ActionsView(ConsoleView):
    """What can be done with an experiment, and what then becomes of it."""

    @extend_schema(operation_id="actions_list", responses=s.ActionOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Every action that is possible in the present state, with its consequences."""
        parameters(request)
        return Response([dataclasses.asdict(item) for item in actions(self.experiment(slug))])


class ExtendView(ConsoleView):
    """Collect more in a round."""

    @extend_schema(request=s.ExtendIn, responses=s.ExperimentOut)
    @idempotent
    def post(self, request: Request, slug: str, arm: str, number: int) -> Response:
        """Raise the quota of an open round by so many examples, in every arm alike."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.ExtendIn, request)
        extend_round(_round(experiment, arm, number), body["by"], user_of(request), told=body.get("told"))
        return Response(experiment_out(experiment))


class CloseView(ConsoleView):
    """End a round early."""

    @extend_schema(request=s.CloseIn, responses=s.ExperimentOut)
    @idempotent
    def post(self, request: Request, slug: str, arm: str, number: int) -> Response:
        """Close an open round with what is accepted. Texts that wait are withdrawn, and paid, if ``sure``."""
        experiment = self.experiment(slug, Right.RUN)
        body = read(s.CloseIn, request)
        end_round_early(_round(experiment, arm, number), user_of(request), sure=body["sure"], told=body.get("told"))
        return Response(experiment_out(experiment))


def check_out(plan: Plan) -> dict[str, Any]:
    """The problems of a plan, and if there are none its estimate."""
    found = problems(plan)
    expected = None if found else _estimate(estimate(plan))
    return {"problems": [dataclasses.asdict(item) for item in found], "estimate": expected}


def _estimate(expected: Estimate) -> dict[str, Any]:
    return {
        "examples": expected.examples,
        "submissions": round(expected.submissions, 1),
        "votes": round(expected.votes, 1),
        "hours": round(expected.hours, 1),
        "training_runs": expected.training_runs,
        "people": expected.people,
        "currency": expected.cost.total.currency,
        "base_minor": expected.cost.base.minor,
        "bonus_minor": expected.cost.bonus.minor,
        "validation_minor": expected.cost.validation.minor,
        "total_minor": expected.cost.total.minor,
        "assumptions": list(expected.assumptions),
    }


def _round(experiment: Experiment, arm: str, number: int) -> Round:
    if number >= 2**31:
        raise Invalid("number", "There is no such round.")
    found = Round.objects.filter(arm__experiment=experiment, arm__slug=arm, number=number).first()
    if found is None:
        raise NotYours("round")
    return found
