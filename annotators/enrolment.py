"""Putting an annotator into one group of a study."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Count

from annotators.blocks import permuted_block_group
from annotators.models import Annotator, Enrolment, EnrolmentPlan


def annotator_of(user: AbstractBaseUser, platform: str = "inhouse", platform_id: str = "") -> Annotator:
    """The annotator that a user is, made at the first call. In-house people have their user's number as platform id."""
    standing = Annotator.objects.filter(user_id=user.pk).first()
    if standing is not None:
        return standing
    annotator, _ = Annotator.objects.get_or_create(
        user_id=user.pk, defaults={"platform": platform, "platform_id": platform_id or str(user.pk)}
    )
    return annotator


def name_publicly(annotator: Annotator, name: str) -> bool:
    """Show an annotator on leaderboards by this name, or by none if it is empty. False if somebody else has it."""
    try:
        with transaction.atomic():
            # A request in flight gives nobody a name who was erased meanwhile.
            Annotator.objects.filter(pk=annotator.pk, erased_at=None).update(public_name=name)
    except IntegrityError:
        return False
    annotator.public_name = name
    return True


def plan_study(study: uuid.UUID, groups: Sequence[str], seed: int) -> EnrolmentPlan:
    """Make the enrolment plan of a study, once; later calls give the plan that stands."""
    plan, _ = EnrolmentPlan.objects.get_or_create(study=study, defaults={"groups": list(groups), "seed": seed})
    return plan


def enrolment_in(study: uuid.UUID, annotator: Annotator) -> Enrolment | None:
    """The annotator's enrolment in a study, if there is one."""
    return Enrolment.objects.filter(plan__study=study, annotator=annotator).first()


def enrolled_studies(annotator: Annotator) -> set[uuid.UUID]:
    """The studies that an annotator is enrolled in."""
    return set(Enrolment.objects.filter(annotator=annotator).values_list("plan__study", flat=True))


def enrolled_people(study: uuid.UUID) -> list[tuple[int, uuid.UUID]]:
    """Number and key of everybody who is enrolled in a study."""
    return list(Enrolment.objects.filter(plan__study=study).values_list("annotator_id", "annotator__key"))


def enrolled_by_group(study: uuid.UUID) -> dict[str, int]:
    """How many people are enrolled in each group of a study that has any."""
    enrolments = Enrolment.objects.filter(plan__study=study).order_by()
    return dict(enrolments.values_list("group").annotate(Count("pk")))


def enrol(study: uuid.UUID, annotator: Annotator) -> Enrolment:
    """Enrol an annotator in a study; enrolled before, the same enrolment comes back.

    The plan's row is locked while the next position is taken, so positions have no gaps and no doubles.
    Raises EnrolmentPlan.DoesNotExist for a study without a plan.
    """
    standing = enrolment_in(study, annotator)
    if standing:
        return standing
    with transaction.atomic():
        plan = EnrolmentPlan.objects.select_for_update().get(study=study)
        standing = enrolment_in(study, annotator)
        if standing:
            return standing
        enrolment = Enrolment.objects.create(
            plan=plan,
            annotator=annotator,
            group=permuted_block_group(plan.groups, plan.seed, plan.enrolled),
            position=plan.enrolled,
        )
        plan.enrolled += 1
        plan.save(update_fields=["enrolled"])
    return enrolment
