"""Forgetting who an annotator was. What they earned and where they were enrolled stays, and is nobody's any more."""

from __future__ import annotations

import secrets
import uuid

from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.utils import timezone

from annotators.models import Annotator, ApiToken, Membership

# The platform of whoever was erased.
ERASED = "erased"


def solely_owned(user: User) -> list[uuid.UUID]:
    """The studies that nobody but this user owns."""
    owners = Membership.objects.filter(role=Membership.Role.OWNER)
    own = owners.filter(user=user).values_list("study", flat=True)
    return [study for study in own if not owners.filter(study=study).exclude(user=user).exists()]


def close_account(user: User) -> None:
    """Let a user begin nothing any more: no login, no session, no token. To do it again is fine."""
    # None makes a password that nobody has, and ends sessions that are opened at this very moment.
    User.objects.filter(pk=user.pk).update(is_active=False, password=make_password(None))
    ApiToken.objects.filter(user=user).delete()
    for session in Session.objects.order_by("pk").iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()


def forget_person(annotator: Annotator) -> bool:
    """Take away all that tells who an annotator is: user name, names, e-mail address, platform id, public name, roles.

    The key is drawn anew, so that no pseudonym made of the old one can be made again. Part of a transaction. False for
    somebody who was forgotten before: nothing is changed then.
    """
    # The user's row before the annotator's, as everywhere: events name the former, pay the latter.
    user = User.objects.select_for_update().get(pk=annotator.user_id)
    standing = Annotator.objects.select_for_update().get(pk=annotator.pk)
    if standing.erased_at is not None:
        return False
    now, name = timezone.now(), f"{ERASED}-{secrets.token_hex(8)}"
    LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk)).update(
        object_repr=name, change_message=""
    )
    Membership.objects.filter(user=user).delete()
    user.groups.clear()
    user.user_permissions.clear()
    user.username, user.first_name, user.last_name, user.email = name, "", "", ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login, user.date_joined = None, now
    user.set_unusable_password()
    user.save()
    Annotator.objects.filter(pk=annotator.pk).update(
        key=uuid.uuid4(), platform=ERASED, platform_id=name, public_name="", erased_at=now
    )
    return True
