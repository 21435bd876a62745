"""Forgetting writes that no client will send again."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from lifecycle.models import DoneRequest

KEPT = dt.timedelta(days=1)


def forget_requests_of(user: AbstractBaseUser) -> None:
    """Drop all answers that somebody was given."""
    DoneRequest.objects.filter(user_id=user.pk).delete()


def forget_old_requests() -> int:
    """Drop the answers that are older than a day; returns how many."""
    return DoneRequest.objects.filter(begun_at__lt=timezone.now() - KEPT).delete()[0]
