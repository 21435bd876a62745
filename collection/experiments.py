"""Making an experiment, launching it, and stopping it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from annotators.membership import Role, grant
from annotators.money import Money
from collection.contexts import append_contexts
from collection.errors import Conflict, Invalid
from collection.models import Arm, Assignment, Experiment, Round, Task, TestSet
from collection.nudges import nudge
from collection.schema import NAME
from collection.states import ArmKind, AssignmentState, ExperimentState, RoundState
from collection.texts import check_text, fingerprint
from lifecycle.moves import LostRace, move, record
from modelserver import registry, runs
from modelserver.models import TrainingRun
from modelserver.states import RUN_ENDED, RunState
from modelserver.wire import Recipe, WireError

THREE_ARMS: tuple[tuple[str, ArmKind], ...] = (
    ("non-adversarial", ArmKind.NON_ADVERSARIAL),
    ("static", ArmKind.STATIC),
    ("dynamic", ArmKind.DYNAMIC),
)
_POSITIVE = ("rounds", "quota", "quorum", "max_validations", "max_tries", "lease_seconds")
_NOT_NEGATIVE = ("base_pay_minor", "fooling_bonus_minor", "validation_pay_minor", "undo_seconds")
_SWITCHES = ("sandbox", "inspiration", "leaderboard", "open_enrolment")
_CHOICES = {"label_policy": Experiment.Labels.values, "start_from": Experiment.StartFrom.values}
_SETTINGS = frozenset({*_POSITIVE, *_NOT_NEGATIVE, *_SWITCHES, *_CHOICES, "max_skips", "seed", "currency", "recipe"})
LARGEST = 1_000_000


@dataclass(frozen=True)
class Plan:
    """All that makes an experiment. ``settings`` are columns of Experiment by name; what is missing has its default."""

    slug: str
    name: str
    task: Task
    base_model: str
    contexts: Sequence[str] = ()
    test_sets: Sequence[TestSet] = ()
    arms: Sequence[tuple[str, ArmKind]] = THREE_ARMS
    settings: Mapping[str, Any] = field(default_factory=dict)


def create_task(
    slug: str, name: str, fields: object, labels: object, instructions: str = "", guidelines: str = ""
) -> Task:
    """A new task. Raises Invalid naming the part that is wrong."""
    task = Task(
        slug=_slug("slug", slug),
        name=name,
        fields=fields,
        labels=labels,
        instructions=instructions,
        guidelines=guidelines,
    )
    _ = task.schema
    try:
        with transaction.atomic():
            task.save(force_insert=True)
    except IntegrityError:
        raise Invalid("slug", "There is a task of this name already.", "taken") from None
    return task


def create(plan: Plan, owner: AbstractBaseUser | None = None) -> Experiment:
    """A draft from a plan, whole or not at all. Raises Invalid naming the field that is wrong."""
    _check_settings(plan)
    texts = _contexts(plan)
    try:
        with transaction.atomic():
            experiment = Experiment.objects.create(
                slug=_slug("slug", plan.slug),
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
            Arm.objects.bulk_create(
                Arm(experiment=experiment, slug=_slug("arms", slug), kind=kind, position=position)
                for position, (slug, kind) in enumerate(plan.arms)
            )
            append_contexts(experiment, texts)
    except IntegrityError:
        raise Invalid("slug", "There is an experiment of this name already.", "taken") from None
    return experiment


def launch(experiment: Experiment, actor: AbstractBaseUser | None = None) -> None:
    """draft → preparing: a worker imports and scores the base model, then opens round 1 of every arm.

    Raises Invalid for a base model that cannot be one, Conflict if the experiment is no draft.
    """
    _check_base_model(experiment.base_model)
    with transaction.atomic():
        _move(experiment, ExperimentState.PREPARING, actor, problem="")
        for run in TrainingRun.objects.filter(study=experiment.key, state=RunState.FAILED):
            runs.retry(run)
        nudge()


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
    for round_ in unfinished.select_for_update():
        move(round_, RoundState.ENDED, actor=actor)
    for assignment in Assignment.objects.filter(experiment=experiment, state=AssignmentState.LEASED):
        move(assignment, AssignmentState.RELEASED, actor=actor)
    for run in TrainingRun.objects.filter(study=experiment.key).exclude(state__in=RUN_ENDED):
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


def _slug(field_name: str, slug: str) -> str:
    if not NAME.fullmatch(slug) or "_" in slug or slug.endswith("-"):
        raise Invalid(field_name, "Must be lower-case letters, digits and inner dashes, at most 40, a letter first.")
    return slug


def _check_settings(plan: Plan) -> None:
    for name in plan.settings:
        if name not in _SETTINGS:
            raise Invalid(name, "There is no such setting.", "unknown_field")
    for names, low in ((_POSITIVE, 1), (_NOT_NEGATIVE, 0)):
        for name in names:
            _whole(name, plan.settings.get(name, low), low, LARGEST)
    for name in _SWITCHES:
        if not isinstance(plan.settings.get(name, False), bool):
            raise Invalid(name, "Must be true or false.")
    if plan.settings.get("max_skips") is not None:
        _whole("max_skips", plan.settings["max_skips"], 0, LARGEST)
    _whole("seed", plan.settings.get("seed", 0), -(2**63), 2**63 - 1)
    for name, values in _CHOICES.items():
        if plan.settings.get(name, values[0]) not in values:
            raise Invalid(name, f"Must be one of: {', '.join(values)}.")
    quorum = plan.settings.get("quorum", Experiment._meta.get_field("quorum").default)
    if plan.settings.get("max_validations", Experiment._meta.get_field("max_validations").default) < quorum:
        raise Invalid("max_validations", "Must not be below the quorum.")
    try:
        Money(0, plan.settings.get("currency", "USD"))
    except ValueError:
        raise Invalid("currency", "Must be three capital letters (ISO 4217).") from None
    try:
        Recipe.from_dict(plan.settings.get("recipe", {}))
    except WireError as error:
        raise Invalid(f"recipe.{error.field}", error.message) from None
    if not plan.arms or len({slug for slug, _ in plan.arms}) != len(plan.arms):
        raise Invalid("arms", "Needs at least one arm, each with a name of its own.")
    if any(len(slug) > 30 or kind not in list(ArmKind) for slug, kind in plan.arms):
        raise Invalid("arms", f"Names have at most 30 characters; kinds are {', '.join(ArmKind)}.")
    for item in plan.test_sets:
        if item.task_id != plan.task.pk:
            raise Invalid("test_sets", f"{item.slug} belongs to another task.")
    _check_base_model(plan.base_model)


def _whole(field_name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Invalid(field_name, f"Must be a whole number from {low} to {high}.")


def _check_base_model(name: str) -> None:
    try:
        registry.check_base_model(name)
    except WireError as error:
        raise Invalid("base_model", error.message, "unknown_base_model") from None


def _contexts(plan: Plan) -> list[str]:
    wanted = plan.task.schema.context_field
    if wanted is None:
        if plan.contexts:
            raise Invalid("contexts", "This task has no context field.")
        return []
    if not plan.contexts:
        raise Invalid("contexts", "This task needs at least one context.")
    texts: dict[str, str] = {}
    for index, raw in enumerate(plan.contexts):
        text = check_text(f"contexts[{index}]", raw, min_length=wanted.min_length, max_length=wanted.max_length)
        if texts.setdefault(fingerprint([text]), text) != text:
            raise Invalid(f"contexts[{index}]", "Differs from an earlier context only in case, punctuation or spacing.")
    return list(texts.values())
