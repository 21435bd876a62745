"""What is trained and scored beside the loop, for the report: nobody plays against it, and no round waits for it.

BESIDE_AT_ONCE runs at a time on the whole site, and none of an experiment whose loop has one: with as many trainers
people never wait for longer than one such run.
"""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db.models import Count, Q

from collection.experiments import CURVE, ROUND_SCORES
from collection.models import CurveVersion, Example, Experiment, Round, RoundScore
from collection.rounds import files_to_score, record_scores, request_scores, unscored
from collection.states import OVER, ExampleState, ExperimentState, RoundState
from collection.training_data import equally_many, trainable_rows
from modelserver import runs
from modelserver.datafiles import DataStore, Row
from modelserver.models import ModelVersion, TrainingRun
from modelserver.runs import RunSpec, TestFile
from modelserver.states import RUN_ENDED, RunState
from modelserver.wire import ModelRef, Recipe

STUDIED = (ExperimentState.RUNNING, ExperimentState.PAUSED, *OVER)
# Rounds that one run scores a version on: bounds the size of its row.
_ROUNDS_A_RUN = 60


def work_beside(experiment: Experiment, store: DataStore) -> None:
    """Keep what has come of earlier runs, and request the next one if nothing else is under way.

    An experiment with no seeds for its curve has nothing trained or scored beside its loop, and neither has one that
    came with a release: the weights of its versions are not on this site.
    """
    if experiment.curve_seeds == 0 or experiment.imported_from:
        return
    _keep_curve_versions(experiment)
    _keep_round_scores(experiment, store)
    under_way = TrainingRun.objects.exclude(state__in=RUN_ENDED)
    beside = under_way.filter(Q(key__startswith=CURVE) | Q(key__startswith=ROUND_SCORES))
    if under_way.filter(study=experiment.key).exists() or beside.count() >= settings.BESIDE_AT_ONCE:
        return
    done = rounds_done_everywhere(experiment)
    if done == 0:
        return
    plan_curve(experiment, done, store)
    if not _request_curve_version(experiment) and not _request_curve_scores(experiment):
        _request_round_scores(experiment, done, store)


def rounds_done_everywhere(experiment: Experiment) -> int:
    """The number of the last round that every arm has done; 0 if there is none."""
    numbers = [
        arm.rounds.filter(state=RoundState.DONE).order_by("-number").values_list("number", flat=True).first() or 0
        for arm in experiment.arms.all()
    ]
    return min(numbers, default=0)


# --- Learning curve -------------------------------------------------------------------------------


def plan_curve(experiment: Experiment, done: int, store: DataStore) -> None:
    """A CurveVersion for every arm, seed and round that all arms have done. The round's own version serves as the first
    seed's if it was trained on the very same rows."""
    wanted = experiment.arms.count() * experiment.curve_seeds
    rounds = Round.objects.filter(arm__experiment=experiment, number__lte=done)
    planned = rounds.values_list("number").annotate(Count("curve_versions")).order_by("number")
    lacking = [number for number, count in planned if count < wanted]
    if not lacking:
        return
    # Compared with the test sets once for all rounds.
    kept = {arm.pk: trainable_rows(arm, done, store)[0] for arm in experiment.arms.all()}
    for number in lacking:
        alike = list(rounds.filter(number=number).select_related("arm", "trained_version").order_by("arm"))
        so_far = [[item for item in kept[round_.arm_id] if item[0] <= number] for round_ in alike]
        for round_, rows in zip(alike, equally_many(so_far, experiment.seed), strict=True):
            _plan(experiment, round_, rows, store)


def _plan(experiment: Experiment, round_: Round, rows: list[Row], store: DataStore) -> None:
    file = store.put(rows)
    own = round_.trained_version
    for index in range(experiment.curve_seeds):
        same = own is not None and index == 0 and own.data_sha256 == file.sha256 and _same_source(experiment, round_)
        CurveVersion.objects.get_or_create(
            round=round_,
            index=index,
            defaults={
                # A training seed is a whole number below 2**63.
                "seed": (experiment.seed + index) % 2**63,
                "data_sha256": file.sha256,
                "rows": file.rows,
                "version": own if same else None,
            },
        )


def _same_source(experiment: Experiment, round_: Round) -> bool:
    """Whether the round's own version started from where the first seed's would."""
    before = _before(round_, 0)
    if experiment.start_from == Experiment.StartFrom.BASE or round_.number == 1:
        return True
    return before is not None and before.version is not None and before.version_id == before.round.trained_version_id


def _before(round_: Round, index: int) -> CurveVersion | None:
    found = CurveVersion.objects.filter(round__arm=round_.arm, round__number=round_.number - 1, index=index)
    return found.select_related("round", "version").first()


def _request_curve_version(experiment: Experiment) -> bool:
    """Request the first version of the curve that can be trained. False if there is none."""
    wanted = CurveVersion.objects.filter(round__arm__experiment=experiment, version=None, run=None, rows__gt=0)
    for item in wanted.select_related("round__arm").order_by("round__number", "index", "round__arm"):
        source = experiment.base_version
        if experiment.start_from == Experiment.StartFrom.PREVIOUS and item.round.number > 1:
            before = _before(item.round, item.index)
            source = before.version if before else None
        if source is None:
            # What it starts from could not be trained.
            continue
        arm = item.round.arm
        run = runs.request(
            f"{CURVE}{experiment.key}:{arm.slug}:{item.round.number}:{item.index}",
            experiment.key,
            RunSpec(
                kind="train",
                labels=experiment.task.schema.label_names,
                publish=ModelRef(f"{experiment.slug}-{arm.slug}-curve-{item.index}", item.round.number),
                source=source.ref,
                recipe=Recipe.from_dict(experiment.recipe),
                seed=item.seed,
                data_sha256=item.data_sha256,
                data_rows=item.rows,
                evaluate=files_to_score(experiment),
            ),
        )
        CurveVersion.objects.filter(pk=item.pk).update(run=run)
        return True
    return False


def _keep_curve_versions(experiment: Experiment) -> None:
    made = CurveVersion.objects.filter(
        round__arm__experiment=experiment, version=None, run__state=RunState.SUCCEEDED
    ).select_related("run__model_version")
    for item in made:
        assert item.run is not None
        assert item.run.model_version is not None
        record_scores(item.run.model_version, item.run)
        CurveVersion.objects.filter(pk=item.pk, version=None).update(version=item.run.model_version)


def _request_curve_scores(experiment: Experiment) -> bool:
    """Score a version of the curve on test sets that came after it. False if there is none."""
    sets = experiment.test_sets.all()
    scored = Count("version__evaluations", filter=Q(version__evaluations__test_set__in=sets))
    trained = CurveVersion.objects.filter(round__arm__experiment=experiment).exclude(version=None)
    for item in trained.annotate(scored=scored).filter(scored__lt=sets.count()).select_related("version"):
        assert item.version is not None
        run = request_scores(experiment, item.version, unscored(experiment, item.version))
        if run.state == RunState.SUCCEEDED:
            record_scores(item.version, run)
        elif run.state not in RUN_ENDED:
            return True
    return False


# --- Versions on rounds ---------------------------------------------------------------------------


def _request_round_scores(experiment: Experiment, done: int, store: DataStore) -> bool:
    """Request the scores of the first version that lacks some. False if none does."""
    rounds = list(
        Round.objects.filter(arm__experiment=experiment, number__lte=done)
        .select_related("arm", "trained_version")
        .order_by("number", "arm")
    )
    scores = RoundScore.objects.filter(round__in=rounds)
    known = set(scores.values_list("model_version", "round"))
    for version, until in _scored_until(experiment, rounds, done):
        missing = [item for item in rounds if item.number <= until and (version.pk, item.pk) not in known]
        if missing and _request_scores_on(experiment, version, missing[:_ROUNDS_A_RUN], store):
            return True
    return False


def _scored_until(experiment: Experiment, rounds: list[Round], done: int) -> list[tuple[ModelVersion, int]]:
    """Each version with the last round that it is scored on.

    The frozen panel, which is the base version and the first version of every arm, is scored on every round; a later
    version on the rounds up to its own, and on all once the experiment is over.
    """
    assert experiment.base_version is not None
    over = experiment.state in OVER
    found = [(experiment.base_version, done)]
    for item in rounds:
        if item.trained_version is not None:
            found.append((item.trained_version, done if over or item.number == 1 else item.number))
    return found


def _request_scores_on(experiment: Experiment, version: ModelVersion, rounds: list[Round], store: DataStore) -> bool:
    files = []
    for round_ in rounds:
        rows = _accepted_rows(round_)
        if rows:
            stored = store.put(rows)
            files.append(TestFile(str(round_.pk), stored.sha256, stored.rows))
    if not files:
        return False
    wanted = hashlib.sha256(repr([(file.key, file.sha256) for file in files]).encode()).hexdigest()[:16]
    run = runs.request(
        f"{ROUND_SCORES}{version.pk}:{wanted}",
        experiment.key,
        RunSpec(kind="evaluate", labels=tuple(version.labels), source=version.ref, evaluate=tuple(files)),
    )
    return run.state not in RUN_ENDED


def _accepted_rows(round_: Round) -> list[Row]:
    examples = Example.objects.filter(round=round_, state=ExampleState.ACCEPTED).order_by("pk")
    found = examples.values_list("key", "attempt__texts", "label")
    return [Row(str(key), tuple(texts), label) for key, texts, label in found]


def _keep_round_scores(experiment: Experiment, store: DataStore) -> None:
    finished = TrainingRun.objects.filter(
        study=experiment.key, key__startswith=ROUND_SCORES, state=RunState.SUCCEEDED, round_scores=None
    )
    for run in finished.select_related("model_version"):
        files = {file.key: file for file in RunSpec.from_dict(run.spec).evaluate}
        for score in run.scores:
            RoundScore.objects.get_or_create(
                model_version=run.model_version,
                round_id=int(score["key"]),
                defaults={
                    "run": run,
                    "examples": store.row_ids(files[score["key"]].sha256),
                    "predicted": score["predicted"],
                },
            )
