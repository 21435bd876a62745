"""Taking away what was stored of a release that did not become whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from annotators.models import Annotator, Enrolment, EnrolmentPlan
from collection.models import (
    Arm,
    Assignment,
    Attempt,
    Context,
    Example,
    Experiment,
    ImportedWriter,
    Round,
    Validation,
)
from collection.states import ExperimentState

_AT_ONCE = 2_000


def discard_study(experiment: Experiment, sign: Callable[[], None], unlink: Callable[[], None]) -> None:
    """Take a hidden experiment away with all that came with it, but for model versions: their rows are never deleted,
    and an import that is tried again finds them.

    ``sign`` is called after each batch, ``unlink`` before the last step, so that nothing leads to the experiment.
    """
    if experiment.state != ExperimentState.IMPORTING:
        raise ValueError(f"{experiment} is whole")
    people = list(ImportedWriter.objects.filter(experiment=experiment).values_list("annotator", "annotator__user"))
    _empty(Validation.objects.filter(example__arm__experiment=experiment), sign)
    _empty(Example.objects.filter(arm__experiment=experiment), sign)
    _empty(Attempt.objects.filter(assignment__experiment=experiment), sign)
    _empty(Assignment.objects.filter(experiment=experiment), sign)
    _empty(Round.objects.filter(arm__experiment=experiment), sign)
    _empty(Arm.objects.filter(experiment=experiment), sign)
    _empty(Context.objects.filter(experiment=experiment), sign)
    _empty(Enrolment.objects.filter(plan__study=experiment.key), sign)
    _empty(EnrolmentPlan.objects.filter(study=experiment.key), sign)
    _empty_by(ImportedWriter.objects.filter(experiment=experiment), "annotator", [item for item, _ in people], sign)
    _empty_by(Annotator.objects.all(), "pk", [item for item, _ in people], sign)
    _empty_by(User.objects.all(), "pk", [item for _, item in people], sign)
    with transaction.atomic():
        unlink()
        experiment.delete()


def _empty(part: QuerySet[Any], sign: Callable[[], None]) -> None:
    while numbers := list(part.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE]):
        part.model._default_manager.filter(pk__in=numbers).delete()
        sign()


def _empty_by(part: QuerySet[Any], column: str, numbers: list[int], sign: Callable[[], None]) -> None:
    for start in range(0, len(numbers), _AT_ONCE):
        part.filter(**{f"{column}__in": numbers[start : start + _AT_ONCE]}).delete()
        sign()
