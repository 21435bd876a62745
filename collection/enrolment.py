"""Where an annotator stands in an experiment."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotators import enrolment
from annotators.membership import Role, role_in
from annotators.models import Annotator
from collection.access import may_join, sees_console
from collection.errors import Conflict, NotYours
from collection.models import Arm, Experiment
from collection.states import ExperimentState

NOT_BLIND = gettext_noop("You can see arms and verdicts of this study, so you neither write nor validate in it.")


def enrol(experiment: Experiment, annotator: Annotator) -> Arm:
    """Put an annotator into one arm of an experiment; enrolled before, the same arm comes back.

    Raises Conflict unless the experiment is running, and for whoever sees its console.
    """
    check_blind(experiment, annotator)
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


def check_blind(experiment: Experiment, annotator: Annotator) -> None:
    """Raises Conflict for whoever sees the console of the study by now, enrolled before or not.

    What they wrote and voted before stands, for it was blind. A lease that they hold runs out like any other, or they
    give it back; nothing comes of it.
    """
    if sees_console(annotator, experiment):
        raise Conflict("not_blind", _(NOT_BLIND))


def check_may_validate(experiment: Experiment, annotator: Annotator) -> None:
    """Raises Conflict unless the annotator is enrolled or a validator of the study, and does not see its console."""
    enrolled = enrolment.enrolment_in(experiment.key, annotator) is not None
    if not enrolled and role_in(experiment.key, annotator.user) != Role.VALIDATOR:
        raise Conflict("not_enrolled", _("Please join this study first."))
    check_blind(experiment, annotator)


def enrolled_arm(experiment: Experiment, annotator: Annotator) -> Arm | None:
    """The annotator's arm; None for somebody who is not enrolled."""
    standing = enrolment.enrolment_in(experiment.key, annotator)
    return experiment.arms.get(slug=standing.group) if standing else None


def arm_of(experiment: Experiment, annotator: Annotator) -> Arm:
    """The arm in which the annotator writes. Raises Conflict for who is not enrolled, or sees the console."""
    arm = enrolled_arm(experiment, annotator)
    if arm is None:
        raise Conflict("not_enrolled", _("Please join this study first."))
    check_blind(experiment, annotator)
    return arm
