"""What somebody may do with an experiment. Denied unless it is granted here."""

from __future__ import annotations

from enum import StrEnum

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q, QuerySet

from annotators.enrolment import enrolment_in
from annotators.membership import Role, role_in
from annotators.models import Annotator, Membership
from collection.errors import NotYours
from collection.models import Experiment
from collection.states import ExperimentState

NOT_LAUNCHED = (ExperimentState.DRAFT, ExperimentState.PREPARING, ExperimentState.IMPORTING)


class Right(StrEnum):
    """``write`` and ``validate`` are annotators' work; ``look``, ``run`` and ``manage`` are the console's."""

    WRITE = "write"
    VALIDATE = "validate"
    LOOK = "look"
    RUN = "run"
    MANAGE = "manage"


# Whoever sees arms and verdicts neither writes nor validates: the study would not be blind.
_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.ANNOTATOR: frozenset({Right.WRITE, Right.VALIDATE}),
    Role.VALIDATOR: frozenset({Right.VALIDATE}),
    Role.RESEARCHER: frozenset({Right.LOOK, Right.RUN}),
    Role.OWNER: frozenset({Right.LOOK, Right.RUN, Right.MANAGE}),
}
_CONSOLE = frozenset({Right.LOOK, Right.RUN, Right.MANAGE})
_LOOKING = [role for role, granted in _RIGHTS.items() if Right.LOOK in granted]
User = AbstractBaseUser | AnonymousUser


def rights(user: User, experiment: Experiment) -> frozenset[Right]:
    """The rights of somebody in an experiment: by role, by being enrolled, or as the site's admin."""
    if not isinstance(user, AbstractBaseUser) or not user.is_active:
        return frozenset()
    found: frozenset[Right] = _CONSOLE if getattr(user, "is_superuser", False) else frozenset()
    role = role_in(experiment.key, user)
    if role is not None:
        found |= _RIGHTS[role]
    if found & _CONSOLE:
        return found & _CONSOLE
    if Right.WRITE not in found:
        annotator = Annotator.objects.filter(user_id=user.pk).first()
        if annotator is not None and enrolment_in(experiment.key, annotator) is not None:
            found |= _RIGHTS[Role.ANNOTATOR]
    return found


def sees_console(annotator: Annotator, experiment: Experiment) -> bool:
    """Whether an annotator may look at an experiment from the console by now, whatever came before; in one query."""
    roles = Membership.objects.filter(study=experiment.key, role__in=_LOOKING)
    looks = Q(is_superuser=True) | Q(memberships__in=roles)
    return get_user_model()._default_manager.filter(looks, pk=annotator.user_id).exists()


def granted(user: User, slug: str, right: Right) -> tuple[Experiment, frozenset[Right]]:
    """The experiment and all rights of somebody in it, if that right is one of them. Raises NotYours alike if not and
    if there is no such experiment."""
    experiment = _whole().filter(slug=slug).select_related("task", "base_version").first()
    if experiment is None or right not in (found := rights(user, experiment)):
        raise NotYours("experiment")
    return experiment, found


def allowed(user: User, slug: str, right: Right) -> Experiment:
    """The same, for whoever needs the experiment alone."""
    return granted(user, slug, right)[0]


def may_join(user: AbstractBaseUser, experiment: Experiment) -> bool:
    """Whether somebody may be enrolled: invited as an annotator, or anybody where the study is open; nobody who looks
    at it from the console."""
    if experiment.state in NOT_LAUNCHED or getattr(user, "is_superuser", False):
        return False
    role = role_in(experiment.key, user)
    return experiment.open_enrolment if role is None else role == Role.ANNOTATOR


def may_create(user: User) -> bool:
    """Whether somebody may make experiments, tasks and test sets: the site's researchers."""
    return bool(getattr(user, "is_staff", False))


def may_import(user: User) -> bool:
    """Whether somebody may send long files to be imported: who may make experiments, and who runs one."""
    return may_create(user) or (isinstance(user, AbstractBaseUser) and user.is_active and visible(user).exists())


def visible(user: AbstractBaseUser) -> QuerySet[Experiment]:
    """The experiments at which somebody may look from the console."""
    if getattr(user, "is_superuser", False):
        return _whole()
    studies = Membership.objects.filter(user_id=user.pk, role__in=_LOOKING).values("study")
    return _whole().filter(key__in=studies)


def _whole() -> QuerySet[Experiment]:
    """All experiments but those that are still being built from a release."""
    return Experiment.objects.exclude(state=ExperimentState.IMPORTING)


def open_to(annotator: Annotator) -> QuerySet[Experiment]:
    """The launched experiments that an annotator has joined, may join, or may validate in."""
    works = Membership.objects.filter(user_id=annotator.user_id, role__in=(Role.ANNOTATOR, Role.VALIDATOR))
    invited = Q(key__in=works.values("study"))
    joined = Q(key__in=annotator.enrolments.values("plan__study"))
    running = Q(state=ExperimentState.RUNNING)
    shown = Experiment.objects.exclude(state__in=NOT_LAUNCHED)
    return shown.filter(joined | invited | (running & Q(open_enrolment=True)))
