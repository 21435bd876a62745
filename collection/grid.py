"""What the live view shows of an experiment, ready to be laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from collection.analytics.metrics import share
from collection.models import Arm, Evaluation, Experiment, Round
from collection.monitoring import RoundFigures, round_statistics, surroundings, why_not_moving
from lifecycle.models import StateChange
from modelserver.models import TrainingRun


@dataclass(frozen=True)
class Cell:
    """One round of one arm; ``note`` says in words what it waits for."""

    round: Round
    figures: RoundFigures
    note: str


def rounds_by_arm(experiment: Experiment) -> list[tuple[Arm, list[Cell]]]:
    """Each arm with its rounds so far."""
    found = round_statistics(experiment)
    around = surroundings(experiment, [round_ for _, rounds in found for round_, _ in rounds])
    return [
        (arm, [Cell(round_, figures, why_not_moving(round_, figures, around)) for round_, figures in rounds])
        for arm, rounds in found
    ]


def versions_by_test_set(experiment: Experiment) -> list[dict[str, Any]]:
    """Each test set with the accuracy of the base version and of every version trained so far."""
    names = {experiment.base_version_id: "base"}
    for arm in experiment.arms.prefetch_related("rounds"):
        names |= {round_.trained_version_id: f"{arm.slug}, round {round_.number}" for round_ in arm.rounds.all()}
    names.pop(None, None)
    found = []
    for test_set in experiment.test_sets.order_by("pk"):
        scores = Evaluation.objects.filter(test_set=test_set, model_version__in=[pk for pk in names if pk])
        rows = [
            {
                "name": names[score.model_version_id],
                "estimate": share(round(score.accuracy * score.rows), score.rows),
                "balanced": score.balanced_accuracy,
            }
            for score in scores.order_by("model_version__name", "model_version__version")
        ]
        found.append({"test_set": test_set, "rows": rows})
    return found


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
