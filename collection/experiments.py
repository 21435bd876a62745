"""Making an experiment, launching it, and stopping it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q

from annotators.membership import Role, grant
from collection.contexts import append_contexts
from collection.errors import Conflict, Invalid
from collection.models import Arm, Assignment, Experiment, Round, RoundZero, Task
from collection.nudges import nudge
from collection.planning import LARGEST as LARGEST
from collection.planning import THREE_ARMS as THREE_ARMS
from collection.planning import Plan as Plan
from collection.planning import check, check_base_model, check_slug, distinct_contexts
from collection.states import ArmKind as ArmKind
from collection.states import AssignmentState, ExperimentState, RoundState
from collection.texts import check_text
from lifecycle.moves import LostRace, move, record
from modelserver import registry as registry
from modelserver import runs
from modelserver.models import TrainingRun
from modelserver.states import RUN_ENDED, RunState

# What the keys of runs beside the loop begin with: these go on when an experiment is ended, for its report.
CURVE, ROUND_SCORES = "curve:", "rounds:"
# Of a task's instructions, and of its guidelines, in characters.
LONGEST_INSTRUCTIONS = 10_000


def create_task(
    slug: str, name: str, fields: object, labels: object, instructions: str = "", guidelines: str = ""
) -> Task:
    """A new task. Raises Invalid naming the part that is wrong."""
    task = Task(
        slug=check_slug("slug", slug),
        name=check_text("name", name, max_length=100),
        fields=fields,
        labels=labels,
        instructions=_told("instructions", instructions),
        guidelines=_told("guidelines", guidelines),
    )
    _ = task.schema
    try:
        with transaction.atomic():
            task.save(force_insert=True)
    except IntegrityError:
        raise Invalid("slug", "There is a task of this name already.", "taken") from None
    return task


def _told(field: str, text: str) -> str:
    return check_text(field, text, max_length=LONGEST_INSTRUCTIONS) if text else ""


def create(plan: Plan, owner: AbstractBaseUser | None = None) -> Experiment:
    """A draft from a plan, whole or not at all. Raises Invalid naming the first field that is wrong."""
    check(plan)
    try:
        with transaction.atomic():
            experiment = Experiment.objects.create(
                slug=plan.slug,
                name=check_text("name", plan.name, max_length=100),
                task=plan.task,
                owner_id=owner.pk if owner else None,
                base_model=plan.base_model,
                **plan.settings,
            )
            record(experiment, ExperimentState.DRAFT, actor=owner)
            if owner is not None:
                grant(experiment.key, owner, Role.OWNER)
            experiment.test_sets.set(plan.test_sets)
            store_arms(experiment, plan)
            store_contexts(experiment, plan)
    except IntegrityError:
        raise Invalid("slug", "There is an experiment of this name already.", "taken") from None
    return experiment


def store_arms(experiment: Experiment, plan: Plan) -> None:
    """Give a draft the arms of a plan that was checked, in place of any that it has. In the caller's transaction.

    An arm that keeps its name keeps the data that it starts with.
    """
    started = {
        item.arm.slug: item for item in RoundZero.objects.filter(arm__experiment=experiment).select_related("arm")
    }
    experiment.arms.all().delete()
    made = Arm.objects.bulk_create(
        Arm(experiment=experiment, slug=slug, kind=kind, position=position)
        for position, (slug, kind) in enumerate(plan.arms)
    )
    for arm in made:
        kept = started.get(arm.slug)
        if kept is not None:
            RoundZero.objects.create(
                arm=arm, sha256=kept.sha256, rows=kept.rows, name=kept.name, created_at=kept.created_at
            )


def store_contexts(experiment: Experiment, plan: Plan) -> None:
    """Give a draft the contexts of a plan that was checked, in place of any that it has, shuffled by its seed.

    In the caller's transaction.
    """
    experiment.contexts.all().delete()
    append_contexts(experiment, list(distinct_contexts(plan)[0].values()))


def launch(experiment: Experiment, actor: AbstractBaseUser | None = None) -> None:
    """draft → preparing: a worker imports and scores the base model, then opens round 1 of every arm.

    Raises Invalid for a base model that cannot be one, Conflict if the experiment is no draft.
    """
    check_base_model(experiment.base_model)
    with transaction.atomic():
        _move(experiment, ExperimentState.PREPARING, actor, problem="")
        failed = TrainingRun.objects.filter(study=experiment.key, state=RunState.FAILED)
        # An import that is no longer wanted, since the draft was changed, would publish the wrong version.
        stale = Q(key__startswith="base:") & ~Q(key=base_run_key(experiment))
        for run in failed.exclude(stale):
            runs.retry(run)
        nudge()


def base_run_key(experiment: Experiment) -> str:
    """The key of the run that imports and scores the base model of an experiment as it is set up now.

    With other contexts it is another one too, since these are compared with the test sets before it is asked for.
    """
    test_sets = experiment.test_sets.order_by("pk").values_list("pk", flat=True)
    contexts = experiment.contexts.order_by("position").values_list("fingerprint", flat=True)
    wanted = json.dumps([experiment.base_model, experiment.seed, list(test_sets), list(contexts)])
    return f"base:{experiment.key}:{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"


def pause(experiment: Experiment, actor: AbstractBaseUser | None = None) -> None:
    """running → paused: nothing new is handed out; what people hold can be finished. Raises Conflict."""
    _move(experiment, ExperimentState.PAUSED, actor)


def resume(experiment: Experiment, actor: AbstractBaseUser | None = None) -> None:
    """paused → running. Raises Conflict."""
    _move(experiment, ExperimentState.RUNNING, actor)
    nudge()


def end(experiment: Experiment, actor: AbstractBaseUser | None = None) -> None:
    """Stop for good: open rounds end, leases are given back, runs are cancelled. All data stay. Raises Conflict."""
    try:
        with transaction.atomic():
            _move(experiment, ExperimentState.ENDED, actor)
            _end_all(experiment, actor)
    except LostRace:
        # A lease ran out or a run moved in this very moment: nothing was ended.
        raise Conflict("just_changed", "Something has changed at the same moment. Please try again.") from None


def _end_all(experiment: Experiment, actor: AbstractBaseUser | None) -> None:
    unfinished = Round.objects.filter(arm__experiment=experiment).exclude(state__in=(RoundState.DONE, RoundState.ENDED))
    for round_ in unfinished.select_for_update(of=("self",)).order_by("pk"):
        move(round_, RoundState.ENDED, actor=actor)
    for assignment in Assignment.objects.filter(experiment=experiment, state=AssignmentState.LEASED):
        move(assignment, AssignmentState.RELEASED, actor=actor)
    beside = Q(key__startswith=CURVE) | Q(key__startswith=ROUND_SCORES)
    for run in TrainingRun.objects.filter(study=experiment.key).exclude(beside).exclude(state__in=RUN_ENDED):
        runs.cancel(run)


def retry_round(round_: Round, actor: AbstractBaseUser | None = None) -> None:
    """failed → closed: train and evaluate the round again. Raises Conflict unless it has failed."""
    try:
        if round_.state != RoundState.FAILED:
            raise LostRace
        with transaction.atomic():
            move(round_, RoundState.CLOSED, actor=actor, problem="")
            # A failed training is queued again by the round's next step, a failed evaluation here.
            for run in TrainingRun.objects.filter(
                state=RunState.FAILED, key__startswith=f"evaluate:{round_.trained_version}:"
            ):
                runs.retry(run)
    except LostRace:
        raise Conflict("not_failed", "Only a failed round can be tried again.") from None
    nudge()


def _move(experiment: Experiment, to: ExperimentState, actor: AbstractBaseUser | None, **updates: Any) -> None:
    if to not in Experiment.MOVES[experiment.state]:
        raise Conflict("wrong_state", f"The experiment is {experiment.state}; it cannot become {to}.")
    try:
        move(experiment, to, actor=actor, **updates)
    except LostRace:
        raise Conflict("wrong_state", "The experiment has just been changed by somebody else.") from None
