"""From a launch to the first open rounds: a worker's part, since it compares texts and waits for a training run."""

from __future__ import annotations

from django.db import transaction

from annotators.enrolment import plan_study
from collection.experiments import base_run_key
from collection.models import Experiment
from collection.rounds import files_to_score, open_round, record_scores
from collection.states import ExperimentState
from collection.training_data import contexts_in_test_sets
from lifecycle.moves import move
from modelserver import runs
from modelserver.models import TrainingRun
from modelserver.runs import RunSpec
from modelserver.states import RunState
from modelserver.wire import ModelRef


def prepare(experiment: Experiment) -> None:
    """preparing → running, once the base version is there and scored; back to draft, with the problem, if it fails."""
    key = base_run_key(experiment)
    if not TrainingRun.objects.filter(key=key).exclude(state=RunState.QUEUED).exists():
        # Comparing every context with every test row takes seconds: not again once a worker is at it.
        problem = _overlap_problem(experiment)
        if problem:
            move(experiment, ExperimentState.DRAFT, problem=problem)
            return
    run = runs.request(
        key,
        experiment.key,
        RunSpec(
            kind="import",
            labels=experiment.task.schema.label_names,
            publish=ModelRef(f"{experiment.slug}-base", 0),
            pretrained=experiment.base_model,
            seed=experiment.seed,
            evaluate=files_to_score(experiment),
        ),
    )
    if run.state == RunState.FAILED:
        move(experiment, ExperimentState.DRAFT, problem=f"{run.error_field or 'base_model'}: {run.error}")
    elif run.state == RunState.SUCCEEDED:
        assert run.model_version is not None
        record_scores(run.model_version, run)
        with transaction.atomic():
            move(experiment, ExperimentState.RUNNING, base_version=run.model_version)
            plan_study(experiment.key, [arm.slug for arm in experiment.arms.all()], experiment.seed)
            for arm in experiment.arms.all():
                arm.experiment = experiment
                open_round(arm, 1)


def _overlap_problem(experiment: Experiment) -> str:
    overlap = contexts_in_test_sets(experiment)
    if not overlap:
        return ""
    shown = "; ".join(f"{text[:80]!r}" for _, text in overlap[:3])
    return f"contexts: {len(overlap)} of them are (nearly) in a test set, for instance {shown}"
