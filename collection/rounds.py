"""A round's way from open to done. Every step reads the state, does one thing, and may be done again at any time."""

from __future__ import annotations

import hashlib
import logging

from django.db import IntegrityError, transaction
from django.utils import timezone

from collection.models import IMPORTED_RUN, Arm, Evaluation, Experiment, ImportedVersion, Round, TestSet
from collection.quotas import accepted, lock_quotas, quota_of
from collection.states import ArmKind, ExperimentState, RoundState
from collection.training_data import training_data
from lifecycle.moves import LostRace, move, record
from modelserver import runs
from modelserver.datafiles import DataStore
from modelserver.models import LONGEST_KEY, ModelVersion, TrainingRun
from modelserver.runs import RunSpec, TestFile
from modelserver.states import RunState
from modelserver.wire import ModelRef, Recipe

log = logging.getLogger(__name__)


def open_round(arm: Arm, number: int) -> Round:
    """Open a round of an arm; opened before, the same round comes back.

    A static arm plays against the base version, a dynamic arm against the version of the round before, and in a
    non-adversarial arm there is no version to leak.
    """
    with transaction.atomic():
        lock_quotas(arm.experiment)
        round_, created = Round.objects.get_or_create(
            arm=arm,
            number=number,
            defaults={"quota": quota_of(arm, number), "model_version": _played_against(arm, number)},
        )
        if created:
            record(round_, RoundState.OPEN)
    return round_


def close_if_full(round_: Round) -> None:
    """open → closed, once the quota is accepted."""
    if accepted(round_) >= round_.quota:
        # The condition keeps a round open whose quota was raised since it was read.
        move(round_, RoundState.CLOSED, where={"quota": round_.quota}, closed_at=timezone.now())


def start_training(round_: Round, store: DataStore) -> None:
    """closed → training: store the data and request the run; a failed run of an earlier try is queued again."""
    experiment = round_.arm.experiment
    assert experiment.base_version is not None
    data = training_data(round_, store)
    if data.file.rows == 0:
        problem = "All examples are too close to a test set, or erased; there is nothing to train on."
        move(round_, RoundState.FAILED, problem=problem)
        return
    source = _previous(round_) if experiment.start_from == Experiment.StartFrom.PREVIOUS else None
    spec = RunSpec(
        kind="train",
        labels=experiment.task.schema.label_names,
        publish=ModelRef(f"{experiment.slug}-{round_.arm.slug}", round_.number),
        source=(source or experiment.base_version).ref,
        recipe=Recipe.from_dict(experiment.recipe),
        seed=experiment.seed,
        data_sha256=data.file.sha256,
        data_rows=data.file.rows,
        evaluate=files_to_score(experiment),
    )
    run = runs.request(f"train:{experiment.key}:{round_.arm.slug}:{round_.number}", experiment.key, spec)
    if run.state == RunState.FAILED:
        runs.retry(run, spec)
    move(
        round_,
        RoundState.TRAINING,
        training_run=run,
        problem="",
        detail={"rows": data.file.rows, "left_out_as_test_text": list(data.left_out)},
    )


def finish_training(round_: Round) -> None:
    """training → evaluating, once the run has ended; → failed, if it failed for good."""
    run = round_.training_run
    assert run is not None
    if run.state == RunState.SUCCEEDED:
        assert run.model_version is not None
        record_scores(run.model_version, run)
        move(round_, RoundState.EVALUATING, trained_version=run.model_version)
    elif run.state in (RunState.FAILED, RunState.CANCELLED):
        move(round_, RoundState.FAILED, problem=run.error or "The training run was cancelled.")


def finish_evaluating(round_: Round) -> None:
    """evaluating → done, once the version has a score on every test set; opens the next round with it.

    Test sets that came while the version was trained are scored by a run of their own.
    """
    experiment = round_.arm.experiment
    version = round_.trained_version
    assert version is not None
    missing = unscored(experiment, version)
    if missing:
        run = request_scores(experiment, version, missing)
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            move(round_, RoundState.FAILED, problem=run.error or "The evaluation was cancelled.")
            return
        record_scores(version, run)
        if unscored(experiment, version):
            return
    with transaction.atomic():
        # Before the round's row, as everywhere.
        lock_quotas(experiment)
        move(round_, RoundState.DONE, done_at=timezone.now())
        if round_.number < experiment.rounds:
            open_round(round_.arm, round_.number + 1)


def finish_experiment(experiment: Experiment) -> None:
    """running → finished, once every arm's last round is done."""
    last = Round.objects.filter(arm__experiment=experiment, number=experiment.rounds, state=RoundState.DONE)
    if last.count() == experiment.arms.count():
        move(experiment, ExperimentState.FINISHED)


def files_to_score(experiment: Experiment, only: list[TestSet] | None = None) -> tuple[TestFile, ...]:
    """The experiment's test sets as files to score, the key of each its number."""
    sets = experiment.test_sets.order_by("pk") if only is None else only
    return tuple(TestFile(str(item.pk), item.sha256, item.rows) for item in sets)


def unscored(experiment: Experiment, version: ModelVersion) -> list[TestSet]:
    """The experiment's test sets that a version has no score on. What an imported release says of a version whose
    weights are here is none: it is scored here."""
    scores = Evaluation.objects.filter(model_version=version)
    if not ImportedVersion.objects.filter(version=version).exists():
        scores = scores.exclude(run__key__startswith=IMPORTED_RUN)
    return list(experiment.test_sets.exclude(evaluations__in=scores).order_by("pk"))


def request_scores(experiment: Experiment, version: ModelVersion, sets: list[TestSet]) -> TrainingRun:
    """The run that scores a version on some test sets."""
    which = "-".join(str(item.pk) for item in sets)
    key = f"evaluate:{version}:{which}"
    if len(key) > LONGEST_KEY:
        key = f"evaluate:{version}:{hashlib.sha256(which.encode()).hexdigest()[:16]}"
    return runs.request(
        key,
        experiment.key,
        RunSpec(
            kind="evaluate", labels=tuple(version.labels), source=version.ref, evaluate=files_to_score(experiment, sets)
        ),
    )


def record_scores(version: ModelVersion, run: TrainingRun) -> None:
    """Store the scores that a run has brought, each once."""
    for score in run.scores:
        try:
            with transaction.atomic():
                said = Evaluation.objects.filter(model_version=version, test_set=int(score["key"]))
                said.filter(run__key__startswith=IMPORTED_RUN).delete()
                Evaluation.objects.get_or_create(
                    model_version=version,
                    test_set_id=int(score["key"]),
                    defaults={
                        "run": run,
                        "rows": score["rows"],
                        "accuracy": score["accuracy"],
                        "balanced_accuracy": score["balanced_accuracy"],
                        "predicted": score["predicted"],
                        "confidence": score["confidence"],
                    },
                )
        except IntegrityError:
            log.warning("the test set %s of run %s is gone; its score is dropped", score["key"], run.key)


def advance(round_: Round, store: DataStore) -> None:
    """Take the one step that a round's state calls for, if it is due. A lost race is somebody else's step: fine."""
    try:
        if round_.state == RoundState.OPEN:
            close_if_full(round_)
        elif round_.state == RoundState.CLOSED:
            start_training(round_, store)
        elif round_.state == RoundState.TRAINING:
            finish_training(round_)
        elif round_.state == RoundState.EVALUATING:
            finish_evaluating(round_)
    except LostRace:
        log.info("%s was moved by somebody else", round_)


def _previous(round_: Round) -> ModelVersion | None:
    before = Round.objects.filter(arm=round_.arm, number=round_.number - 1).first()
    return before.trained_version if before else None


def _played_against(arm: Arm, number: int) -> ModelVersion | None:
    if arm.kind == ArmKind.NON_ADVERSARIAL:
        return None
    if arm.kind == ArmKind.STATIC or number == 1:
        return arm.experiment.base_version
    version = arm.rounds.get(number=number - 1).trained_version
    assert version is not None, "a round is opened when the one before is trained"
    return version
