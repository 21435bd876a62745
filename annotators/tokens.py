"""Keys to the API: made once, shown once, kept as a hash, bounded by scopes and time, revoked at will."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from annotators.models import ApiToken, sha256_of

PREFIX = "wst_"
LONGEST_DAYS = 366
# How old the note of the last use may be before it is written again: not every request is a write.
_NOTE_EVERY = dt.timedelta(minutes=5)


def issue(user: AbstractBaseUser, name: str, scopes: Collection[str], days: int = 90) -> tuple[ApiToken, str]:
    """A new token and its secret, which can be shown this once.

    Raises ValueError naming what is wrong: the name, a scope that does not exist, or days not from 1 to 366.
    """
    if not name.strip() or len(name) > 60 or not name.isprintable():
        raise ValueError("name: must have 1 to 60 printable characters")
    unknown = sorted(set(scopes) - set(ApiToken.Scope.values))
    if unknown or not scopes:
        raise ValueError(f"scopes: must be some of {', '.join(ApiToken.Scope.values)}")
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"days: must be from 1 to {LONGEST_DAYS}")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user_id=user.pk,
        name=name.strip(),
        start=secret[:10],
        secret_sha256=sha256_of(secret),
        scopes=sorted(set(scopes)),
        expires_at=timezone.now() + dt.timedelta(days=days),
    )
    return token, secret


def token_of(secret: str) -> ApiToken | None:
    """The live token with this secret, its user loaded and active; None for any other."""
    now = timezone.now()
    live = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now, user__is_active=True)
    token = live.select_related("user").filter(secret_sha256=sha256_of(secret)).first()
    if token is not None and (token.last_used_at is None or now - token.last_used_at > _NOTE_EVERY):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke(token: ApiToken) -> None:
    """End a token; to do it again is fine."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
