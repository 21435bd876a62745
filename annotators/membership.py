"""Who is what in a study, and the links by which people come to be it."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotators.models import Annotator, Invitation, Membership, sha256_of

Role = Membership.Role
# From least to most: an invitation never takes a right away.
_RANK = {role: rank for rank, role in enumerate((Role.ANNOTATOR, Role.VALIDATOR, Role.RESEARCHER, Role.OWNER))}
LONGEST_DAYS = 90
MOST_USES = 10_000


class LastOwner(RuntimeError):
    """A study must have an owner."""


class NotInvited(RuntimeError):
    """The link is not one, has expired, was revoked, or is used up: the four are not told apart."""


def role_in(study: uuid.UUID, user: AbstractBaseUser) -> Role | None:
    """The role of somebody in a study, if there is one."""
    role = Membership.objects.filter(study=study, user_id=user.pk).values_list("role", flat=True).first()
    return Role(role) if role else None


def validated_studies(annotator: Annotator) -> set[uuid.UUID]:
    """The studies in which an annotator validates and does not write."""
    roles = Membership.objects.filter(user_id=annotator.user_id, role=Role.VALIDATOR)
    return set(roles.values_list("study", flat=True))


def grant(study: uuid.UUID, user: AbstractBaseUser, role: Role) -> Membership:
    """Give somebody a role in a study, in place of any other. Raises LastOwner if nobody would own it any more."""
    with transaction.atomic():
        if role != Role.OWNER:
            _keep_an_owner(study, user)
        membership, _ = Membership.objects.update_or_create(study=study, user_id=user.pk, defaults={"role": role})
    return membership


def remove(study: uuid.UUID, user: AbstractBaseUser) -> None:
    """Take somebody's role away; to do it again is fine. Raises LastOwner."""
    with transaction.atomic():
        _keep_an_owner(study, user)
        Membership.objects.filter(study=study, user_id=user.pk).delete()


def invite(
    study: uuid.UUID, role: Role, created_by: AbstractBaseUser, days: int = 7, max_uses: int = 1
) -> tuple[Invitation, str]:
    """A new invitation and its secret, which is not kept: it can be shown this once.

    Raises ValueError naming what is out of range: days from 1 to 90, uses from 1 to 10,000.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"days: must be from 1 to {LONGEST_DAYS}")
    if not 1 <= max_uses <= MOST_USES:
        raise ValueError(f"max_uses: must be from 1 to {MOST_USES}")
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        study=study,
        role=role,
        secret_sha256=sha256_of(secret),
        max_uses=max_uses,
        created_by_id=created_by.pk,
        expires_at=timezone.now() + dt.timedelta(days=days),
    )
    return invitation, secret


def revoke(invitation: Invitation) -> None:
    """End an invitation; to do it again is fine."""
    Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now())


def invitation_of(secret: str) -> Invitation:
    """The live invitation of a link. Raises NotInvited."""
    live = Invitation.objects.filter(revoked_at=None, expires_at__gt=timezone.now(), uses__lt=F("max_uses"))
    try:
        return live.get(secret_sha256=sha256_of(secret))
    except Invitation.DoesNotExist:
        raise NotInvited("this invitation is not valid (any more)") from None


def accept(secret: str, user: AbstractBaseUser) -> Membership:
    """Join a study by an invitation's link. Accepting it twice, or with a higher role already, uses nothing up.

    Raises NotInvited.
    """
    with transaction.atomic():
        invitation = invitation_of(secret)
        # The row's lock makes the last use one person's.
        invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        standing = Membership.objects.filter(study=invitation.study, user_id=user.pk).first()
        role = Role(invitation.role)
        if standing is not None and _RANK[Role(standing.role)] >= _RANK[role]:
            return standing
        used = Invitation.objects.filter(pk=invitation.pk, revoked_at=None, uses__lt=F("max_uses"))
        if not used.update(uses=F("uses") + 1):
            raise NotInvited("this invitation is not valid (any more)")
        return grant(invitation.study, user, role)


def _keep_an_owner(study: uuid.UUID, user: AbstractBaseUser) -> None:
    owners = list(Membership.objects.select_for_update().filter(study=study, role=Role.OWNER))
    if len(owners) == 1 and owners[0].user_id == user.pk:
        raise LastOwner("a study must have an owner")
