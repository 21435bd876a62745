"""Making, watching and steering experiments."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from collection import experiments
from collection.access import Right, visible
from collection.analytics.metrics import Estimate
from collection.api.authentication import user_of
from collection.api.console import serializers as s
from collection.api.console.base import CURSOR, ConsoleView, SiteView, iso
from collection.api.idempotency import idempotent
from collection.api.reading import checked, parameters, read
from collection.errors import Invalid, NotYours
from collection.grid import grid_of, last_events
from collection.health import health
from collection.models import Experiment, Round, TestSet
from collection.paging import page_by_key
from collection.planning import task_named
from collection.states import ArmKind
from lifecycle.models import StateChange

PAGE = 50
_COUNTS = ("accepted", "pending", "flagged", "rejected", "collected", "tries", "minutes")
_COLUMNS = tuple(s.SettingsIn().fields)


def experiment_out(experiment: Experiment) -> dict[str, Any]:
    """An experiment as its researchers see it."""
    return {
        "slug": experiment.slug,
        "name": experiment.name,
        "state": experiment.state,
        "problem": experiment.problem,
        "task": experiment.task.slug,
        "base_model": experiment.base_model,
        "base_version": str(experiment.base_version) if experiment.base_version else None,
        "arms": [{"name": arm.slug, "kind": arm.kind} for arm in experiment.arms.all()],
        "test_sets": list(experiment.test_sets.order_by("pk").values_list("slug", flat=True)),
        "contexts": experiment.contexts.count(),
        "settings": {name: getattr(experiment, name) for name in _COLUMNS},
        "created_at": iso(experiment.created_at),
    }


def plan_of(body: dict[str, Any]) -> experiments.Plan:
    """The plan that a body describes. Raises Invalid naming what does not exist."""
    task = task_named(body["task"])
    wanted = body.get("test_sets", [])
    sets = {item.slug: item for item in TestSet.objects.filter(slug__in=wanted)}
    for slug in wanted:
        if slug not in sets:
            raise Invalid("test_sets", f"There is no test set {slug!r}.", "unknown_test_set")
    arms = [(arm["name"], ArmKind(arm["kind"])) for arm in body.get("arms", [])]
    return experiments.Plan(
        slug=body["slug"],
        name=body["name"],
        task=task,
        base_model=body["base_model"],
        contexts=body.get("contexts", ()),
        test_sets=[sets[slug] for slug in wanted],
        arms=arms or experiments.THREE_ARMS,
        settings=body.get("settings", {}),
    )


def read_plan(request: Request) -> experiments.Plan:
    """The plan of a request, its parts checked name by name."""
    body = read(s.PlanIn, request)
    sent: Any = request.data
    if "settings" in body:
        body["settings"] = checked(s.SettingsIn, sent["settings"])
    return plan_of(body)


class ExperimentsView(SiteView):
    """The experiments that one may look at; making a new one."""

    @extend_schema(operation_id="experiments_list", parameters=[CURSOR], responses=s.ExperimentPageOut)
    def get(self, request: Request) -> Response:
        """The experiments at which one may look, newest first."""
        cursor = parameters(request, "cursor").get("cursor")
        found, more = page_by_key(visible(user_of(request)).select_related("task"), cursor, PAGE)
        rows = [
            {
                "slug": item.slug,
                "name": item.name,
                "state": item.state,
                "task": item.task.slug,
                "created_at": iso(item.created_at),
            }
            for item in found
        ]
        return Response({"results": rows, "next": more})

    @extend_schema(request=s.PlanIn, responses={201: s.ExperimentOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a draft; whoever makes it owns it."""
        self.check_researcher()
        return Response(experiment_out(experiments.create(read_plan(request), user_of(request))), status=201)


class ExperimentView(ConsoleView):
    """One experiment."""

    @extend_schema(operation_id="experiments_get", responses=s.ExperimentOut)
    def get(self, request: Request, slug: str) -> Response:
        """All of its settings."""
        parameters(request)
        return Response(experiment_out(self.experiment(slug)))


class _StateView(ConsoleView):
    """One move of an experiment."""

    @extend_schema(request=None, responses=s.ExperimentOut)
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Move it. 409 if its state does not allow it."""
        experiment = self.experiment(slug, Right.RUN)
        self.act(experiment, user_of(request))
        return Response(experiment_out(experiment))

    def act(self, experiment: Experiment, user: AbstractBaseUser) -> None:
        """The move. Raises Conflict if the state does not allow it."""
        raise NotImplementedError


class LaunchView(_StateView):
    """A worker imports and scores the base model, then round 1 of every arm opens."""

    def act(self, experiment: Experiment, user: AbstractBaseUser) -> None:
        """Launch it."""
        experiments.launch(experiment, user)


class PauseView(_StateView):
    """Nothing new is handed out; what people hold can be finished."""

    def act(self, experiment: Experiment, user: AbstractBaseUser) -> None:
        """Pause it."""
        experiments.pause(experiment, user)


class ResumeView(_StateView):
    """Go on after a pause."""

    def act(self, experiment: Experiment, user: AbstractBaseUser) -> None:
        """Resume it."""
        experiments.resume(experiment, user)


class EndView(ConsoleView):
    """Stop for good."""

    @extend_schema(request=s.SureIn, responses=s.ExperimentOut)
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        """Open rounds end, leases are given back, runs are cancelled; all data stay. Needs ``sure``."""
        experiment = self.experiment(slug, Right.RUN)
        if not read(s.SureIn, request)["sure"]:
            raise Invalid("sure", "Ending is for good: say true.")
        experiments.end(experiment, user_of(request))
        return Response(experiment_out(experiment))


class RoundsView(ConsoleView):
    """Every round of every arm, and why it does not move."""

    @extend_schema(operation_id="rounds_list", responses=s.RoundOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The rounds, arm by arm."""
        parameters(request)
        return Response(
            [
                {
                    "arm": arm.slug,
                    "number": cell.round.number,
                    "state": cell.round.state,
                    "quota": cell.round.quota,
                    **{name: getattr(cell.figures, name) for name in _COUNTS},
                    "mer": _estimate(cell.figures.mer),
                    "vmer": _estimate(cell.figures.vmer),
                    "note": cell.note,
                    "training": dataclasses.asdict(cell.training) if cell.training else None,
                    "plays": str(cell.round.model_version) if cell.round.model_version else None,
                    "trained": str(cell.round.trained_version) if cell.round.trained_version else None,
                    "problem": cell.round.problem,
                }
                for arm, cells in grid_of(self.experiment(slug)).arms
                for cell in cells
            ]
        )


class HealthView(ConsoleView):
    """Whether what the experiment needs is there."""

    @extend_schema(operation_id="health_get", responses=s.PartOut(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The model server, a worker and a trainer, each with how it is in words."""
        parameters(request)
        return Response([dataclasses.asdict(part) for part in health(grid_of(self.experiment(slug)))])


class RetryView(ConsoleView):
    """Train and evaluate a failed round again."""

    @extend_schema(request=None, responses=s.ExperimentOut)
    @idempotent
    def post(self, request: Request, slug: str, arm: str, number: int) -> Response:
        """409 unless the round has failed."""
        experiment = self.experiment(slug, Right.RUN)
        wanted = Round.objects.filter(arm__experiment=experiment, arm__slug=arm, number=min(number, 2**31 - 1))
        round_ = wanted.first()
        if round_ is None:
            raise NotYours("round")
        experiments.retry_round(round_, user_of(request))
        return Response(experiment_out(experiment))


class EventsView(ConsoleView):
    """Who did what, when: every change of state of the experiment, its rounds and its runs."""

    @extend_schema(operation_id="events_list", parameters=[CURSOR], responses=s.EventPageOut)
    def get(self, request: Request, slug: str) -> Response:
        """The changes, newest first."""
        cursor = parameters(request, "cursor").get("cursor")
        found, more = page_by_key(last_events(self.experiment(slug)), cursor, PAGE)
        return Response({"results": [_event(item) for item in found], "next": more})


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    known = found.n > 0
    return {
        "value": found.value if known else None,
        "low": found.low if known else None,
        "high": found.high if known else None,
        "n": found.n,
    }


def _event(item: StateChange) -> dict[str, Any]:
    return {
        "at": iso(item.at),
        "subject": item.subject_type,
        "subject_id": item.subject_id,
        "from_state": item.from_state,
        "to_state": item.to_state,
        "actor": item.actor.get_username() if item.actor else None,
        "detail": item.detail,
    }
