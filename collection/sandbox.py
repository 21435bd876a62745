"""The sandbox: a writer tries the model on any text, for practice. The text is not stored and counts for nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from annotators.models import Annotator
from collection.enrolment import arm_of
from collection.errors import Conflict, NothingToDo
from collection.models import Experiment, Round, SandboxUse
from collection.states import ExperimentState, RoundState
from collection.versions import predict
from modelserver.client import PredictsText
from modelserver.wire import Prediction, TextInput

# So many texts an hour are practice; more would be another way to search for what fools the model.
USES_AN_HOUR = 30


@dataclass(frozen=True)
class Tried:
    """What the model made of a text, and how many more may be tried within the hour."""

    prediction: Prediction
    left: int


def offers_sandbox(experiment: Experiment, *, shows_model: bool) -> bool:
    """Whether there is a sandbox for an arm: the study has one, and the arm shows a model."""
    return experiment.sandbox and shows_model


def try_out(experiment: Experiment, annotator: Annotator, texts: Mapping[str, object], client: PredictsText) -> Tried:
    """The verdict of the model that the annotator's arm plays against now.

    ``texts`` has a text for every field of the task, the context's too. Raises Invalid for bad input, Conflict where
    there is no sandbox or too much was tried, and NothingToDo while no round is open or the model is away.
    """
    arm = arm_of(experiment, annotator)
    if not offers_sandbox(experiment, shows_model=arm.shows_model):
        raise Conflict("no_sandbox", _("This study has no sandbox."))
    checked = experiment.task.schema.check_all_texts(texts)
    round_ = Round.objects.select_related("model_version").filter(arm=arm, state=RoundState.OPEN).first()
    if experiment.state != ExperimentState.RUNNING or round_ is None or round_.model_version is None:
        raise NothingToDo("no_round", _("No round is open right now. Please come back later."))
    used = SandboxUse.objects.filter(annotator=annotator, created_at__gt=timezone.now() - dt.timedelta(hours=1)).count()
    if used >= USES_AN_HOUR:
        message = _("You have tried %(count)d texts within an hour; please wait a while.")
        raise Conflict("too_many", message % {"count": used})
    SandboxUse.objects.create(annotator=annotator, round=round_, model_version=round_.model_version)
    field = experiment.task.schema.writer_fields[-1].name
    prediction = predict(round_.model_version, [TextInput(checked)], field, client)[0]
    return Tried(prediction, max(0, USES_AN_HOUR - used - 1))
