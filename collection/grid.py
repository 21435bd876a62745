"""What the live view shows of an experiment, ready to be laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from collection.analytics.metrics import Estimate, share
from collection.models import Arm, Evaluation, Experiment, Round
from collection.states import ExampleState, RoundState
from lifecycle.models import StateChange
from modelserver.models import TrainingRun
from modelserver.states import RunState


@dataclass(frozen=True)
class Cell:
    """One round of one arm; ``note`` says in words what it waits for."""

    round: Round
    accepted: int
    collected: int
    mer: Estimate | None
    vmer: Estimate | None
    note: str


def rounds_by_arm(experiment: Experiment) -> list[tuple[Arm, list[Cell]]]:
    """Each arm with its rounds so far."""
    # What its writer took back was never collected.
    fooled = Q(examples__attempt__fooled=True) & ~Q(examples__state=ExampleState.RETRACTED)
    agreed = Q(examples__state=ExampleState.ACCEPTED)
    found = (
        Round.objects.filter(arm__experiment=experiment)
        .select_related("arm", "model_version", "training_run", "trained_version")
        .annotate(
            collected=Count("examples", filter=~Q(examples__state=ExampleState.RETRACTED)),
            accepted=Count("examples", filter=agreed),
            fooled=Count("examples", filter=fooled),
            validated=Count("examples", filter=fooled & agreed),
        )
        .order_by("number")
    )
    cells: dict[int, list[Cell]] = {}
    for round_ in found:
        shown = round_.arm.shows_model
        cell = Cell(
            round=round_,
            accepted=round_.accepted,
            collected=round_.collected,
            mer=share(round_.fooled, round_.collected) if shown else None,
            vmer=share(round_.validated, round_.collected) if shown else None,
            note=_note(round_, round_.accepted, round_.collected),
        )
        cells.setdefault(round_.arm_id, []).append(cell)
    return [(arm, cells.get(arm.pk, [])) for arm in experiment.arms.all()]


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


def _note(round_: Round, accepted: int, collected: int) -> str:
    if round_.problem:
        return round_.problem
    if round_.state == RoundState.OPEN:
        pending = collected - accepted
        return f"needs {round_.quota - accepted} more accepted examples" + (
            f"; {pending} collected and not accepted" if pending else ""
        )
    run = round_.training_run
    if round_.state == RoundState.TRAINING and run is not None:
        return _progress(run)
    return ""


def _progress(run: TrainingRun) -> str:
    if run.state == RunState.SUCCEEDED:
        return "trained; the next reconcile goes on"
    if run.state == RunState.QUEUED:
        return f"training waits for a worker{f'; last error: {run.error}' if run.error else ''}"
    step, steps = run.progress.get("step", 0), run.progress.get("steps", 0)
    loss, eta = run.progress.get("loss"), run.progress.get("eta_s")
    parts = [str(run.progress.get("phase", "starting")) + (f" {step}/{steps}" if steps else "")]
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    if eta is not None:
        parts.append(f"about {eta:.0f} s left")
    return ", ".join(parts)
