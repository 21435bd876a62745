"""Where an annotator stands in an experiment."""

from __future__ import annotations

from django.utils.translation import gettext as _

from annotators import enrolment
from annotators.membership import Role, role_in
from annotators.models import Annotator
from collection.access import may_join
from collection.errors import Conflict, NotYours
from collection.models import Arm, Experiment
from collection.states import ExperimentState


def enrol(experiment: Experiment, annotator: Annotator) -> Arm:
    """Put an annotator into one arm of an experiment; enrolled before, the same arm comes back.

    Raises Conflict unless the experiment is running.
    """
    standing = enrolment.enrolment_in(experiment.key, annotator)
    if standing is None:
        if experiment.state != ExperimentState.RUNNING:
            raise Conflict("not_open", _("This study takes no new annotators right now."))
        standing = enrolment.enrol(experiment.key, annotator)
    return experiment.arms.get(slug=standing.group)


def join(experiment: Experiment, annotator: Annotator) -> Arm:
    """Enrol somebody who may be. Raises NotYours for somebody who may not, and Conflict as ``enrol`` does."""
    if enrolment.enrolment_in(experiment.key, annotator) is None and not may_join(annotator.user, experiment):
        raise NotYours("experiment")
    return enrol(experiment, annotator)


def check_may_validate(experiment: Experiment, annotator: Annotator) -> None:
    """Raises Conflict unless the annotator is enrolled or a validator of the study."""
    enrolled = enrolment.enrolment_in(experiment.key, annotator) is not None
    if not enrolled and role_in(experiment.key, annotator.user) != Role.VALIDATOR:
        raise Conflict("not_enrolled", _("Please join this study first."))


def enrolled_arm(experiment: Experiment, annotator: Annotator) -> Arm | None:
    """The annotator's arm; None for somebody who is not enrolled."""
    standing = enrolment.enrolment_in(experiment.key, annotator)
    return experiment.arms.get(slug=standing.group) if standing else None


def arm_of(experiment: Experiment, annotator: Annotator) -> Arm:
    """The annotator's arm. Raises Conflict for somebody who is not enrolled."""
    arm = enrolled_arm(experiment, annotator)
    if arm is None:
        raise Conflict("not_enrolled", _("Please join this study first."))
    return arm
