"""What the live view shows of an experiment, ready to be laid out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from collection.analytics.losses import LossCurve, loss_curve
from collection.analytics.metrics import share
from collection.models import Arm, Experiment, Round
from collection.monitoring import (
    RoundFigures,
    Surroundings,
    round_statistics,
    run_of,
    surroundings,
    why_not_moving,
)
from collection.states import RoundState
from lifecycle.models import StateChange
from modelserver.models import TrainingRun
from modelserver.states import RunState


@dataclass(frozen=True)
class Training:
    """How far the run at work on a round is: ``step`` of ``steps`` in ``phase``, both 0 where they cannot be counted.
    ``eta_s`` are the seconds left of the phase, ``points`` the (step, loss) of the version's training so far."""

    phase: str
    step: int = 0
    steps: int = 0
    eta_s: float | None = None
    points: tuple[tuple[float, float], ...] = ()

    @property
    def curve(self) -> LossCurve | None:
        """The points, to be drawn."""
        return loss_curve(self.points)


@dataclass(frozen=True)
class Cell:
    """One round of one arm; ``note`` says in words what it waits for, ``training`` is there while it is trained or
    scored, and after a failure."""

    round: Round
    figures: RoundFigures
    note: str
    training: Training | None = None


@dataclass(frozen=True)
class Grid:
    """Each arm with its rounds so far, and what these wait for."""

    arms: list[tuple[Arm, list[Cell]]]
    around: Surroundings


_TRAINED = (RoundState.TRAINING, RoundState.EVALUATING, RoundState.FAILED)


def grid_of(experiment: Experiment) -> Grid:
    """The grid of an experiment, in ten queries at most."""
    found = round_statistics(experiment)
    around = surroundings(experiment, [round_ for _, rounds in found for round_, _ in rounds])
    arms = [
        (
            arm,
            [
                Cell(round_, figures, why_not_moving(round_, figures, around), _training(round_, around))
                for round_, figures in rounds
            ],
        )
        for arm, rounds in found
    ]
    return Grid(arms, around)


def _training(round_: Round, around: Surroundings) -> Training | None:
    run = run_of(round_, around)
    if round_.state not in _TRAINED or run is None:
        return None
    told = run.progress
    of_version: dict[str, Any] = round_.training_run.progress if round_.training_run is not None else {}
    return Training(
        phase=told.get("phase", "") if run.state == RunState.RUNNING else run.state,
        step=told.get("step", 0),
        steps=told.get("steps", 0),
        eta_s=told.get("eta_s"),
        points=tuple((step, loss) for step, loss in of_version.get("curve", ())),
    )


def versions_by_test_set(grid: Grid) -> list[dict[str, Any]]:
    """Each test set with the accuracy of the base version and of every version trained so far. Asks no database."""
    names = {grid.around.experiment.base_version_id: "base"}
    for arm, cells in grid.arms:
        names |= {cell.round.trained_version_id: f"{arm.slug}, round {cell.round.number}" for cell in cells}
    found: dict[int, dict[str, Any]] = {}
    for item in grid.around.test_sets:
        of_set = found.setdefault(item.pk, {"test_set": item, "rows": []})
        if item.version is not None:
            estimate = share(round(item.accuracy * item.scored_rows), item.scored_rows)
            of_set["rows"].append({"name": names[item.version], "estimate": estimate, "balanced": item.balanced})
    return list(found.values())


def last_events(experiment: Experiment) -> QuerySet[StateChange]:
    """The moves of the experiment, its rounds and its runs, newest first."""
    rounds = Round.objects.filter(arm__experiment=experiment).values("pk")
    runs = TrainingRun.objects.filter(study=experiment.key).values("pk")
    about = (
        Q(subject_type="collection.experiment", subject_id=experiment.pk)
        | Q(subject_type="collection.round", subject_id__in=rounds)
        | Q(subject_type="modelserver.trainingrun", subject_id__in=runs)
    )
    return StateChange.objects.filter(about).select_related("actor").order_by("-pk")


def subjects(grid: Grid, events: Iterable[StateChange]) -> list[tuple[StateChange, str]]:
    """Each event with what it is about, in words. Asks no database."""
    rounds = {cell.round.pk: f"{arm.slug}, round {cell.round.number}" for arm, cells in grid.arms for cell in cells}
    return [(item, _subject(item, rounds)) for item in events]


def _subject(event: StateChange, rounds: Mapping[int, str]) -> str:
    if event.subject_type == "collection.experiment":
        return "the experiment"
    if event.subject_type == "collection.round":
        return rounds.get(event.subject_id, f"round {event.subject_id}")
    return f"training run {event.subject_id}"
